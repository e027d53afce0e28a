"""Real servers for the tests, on every event loop, plain and over TLS."""

import asyncio
import gc
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from aiohttp import web

import aiohttp_rawws

from .wire import Address

try:
    import uvloop
except ImportError:  # pragma: no cover - Windows
    LOOPS: "dict[str, Callable[[], asyncio.AbstractEventLoop]]" = {
        "asyncio": asyncio.new_event_loop
    }
else:
    LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Serve = Callable[..., Awaitable[Address]]


def pytest_configure(config: pytest.Config) -> None:
    if sys.version_info < (3, 11):
        # asyncio's TLS of 3.10 says so of every transport that its peer has closed, ours or not.
        config.addinivalue_line(
            "filterwarnings", "ignore:unclosed transport <asyncio.sslproto:ResourceWarning"
        )


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> "dict[str, Callable[[], asyncio.AbstractEventLoop]]":
    """Every asynchronous test runs on each event loop."""
    return LOOPS


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def contexts(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For tests that run a server of their own."""
    return server_tls, client_tls


@pytest_asyncio.fixture
async def serve(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> AsyncIterator[Serve]:
    """`await serve(app, tls=False, **runner_options)` starts a server and gives its Address."""
    runners: list[web.AppRunner] = []

    async def start(app: web.Application, *, tls: bool = False, **options: Any) -> Address:
        options.setdefault("shutdown_timeout", 5.0)
        runner = web.AppRunner(app, access_log=None, **options)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls if tls else None)
        await site.start()
        host, port = runner.addresses[0][:2]
        return Address(host, port, client_tls if tls else None)

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    """What a test leaves to the garbage collector must not complain in a later one."""
    yield
    gc.collect(1)


@pytest.fixture(scope="session")
def memory_server() -> Iterator[tuple[str, int]]:
    """Where `tests/memory.py` listens, a server in a process of its own."""
    root = Path(aiohttp_rawws.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("memory.py"))],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        yield "127.0.0.1", int(process.stdout.readline())
        process.terminate()
