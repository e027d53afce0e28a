"""Fixtures for every test: real servers and clients, on each event loop, plain and over TLS."""

import asyncio
import gc
import itertools
import os
import random
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from selenium import webdriver

import aiohttp_rawws
from tests.support import ROOT, npm
from tests.support.browser import chromium
from tests.support.handshakes import Opening, answer
from tests.support.loops import LOOPS, eager, fast
from tests.support.servers import Serve, ingress, left
from tests.support.waiting import PATIENCE, until
from tests.support.wire import Address, ByHand, Script, Wire, read_opening

#: The fixtures that the package gives to others, and pytest's for tests of a plugin.
pytest_plugins = ["pytest_aiohttp_rawws", "pytester"]
#: Counts the tests that have ended.
FINISHED = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle",
        action="store_const",
        dest="shuffle",
        const=random.SystemRandom().randrange(10**6),
        help="run the tests in an order of chance; the summary tells its seed",
    )
    parser.addoption(
        "--shuffle-seed",
        type=int,
        dest="shuffle",
        metavar="SEED",
        help="run the tests in the order of an earlier run",
    )
    parser.addoption(
        "--eager",
        action="store_true",
        help="run the tests on loops that start each task at once (Python 3.12 and later)",
    )
    parser.addoption(
        "--loop",
        choices=sorted(LOOPS),
        help="run the tests on this event loop alone",
    )
    parser.addoption(
        "--aiofastnet",
        action="store_true",
        help="run the tests on the transports of the package aiofastnet",
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    seed = config.getoption("shuffle")
    if seed is not None:
        terminalreporter.write_line(f"the order of the tests was that of --shuffle-seed={seed}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items if config.getoption("--aiofastnet") else ():
        mark = item.get_closest_marker("not_on_aiofastnet")
        if mark is not None and mark.kwargs.get("loop", "") in item.name:
            item.add_marker(pytest.mark.skip(reason=mark.args[0]))
    if config.getoption("--loop") is not None:
        leave_out_other_loops(config, items)
    seed = config.getoption("shuffle")
    if seed is not None:
        random.Random(seed).shuffle(items)


def leave_out_other_loops(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that run on the loop of `--loop`, too. Those of another one alone stay."""
    loop = config.getoption("--loop")
    here = {item.nodeid for item in items}
    others = "|".join(name for name in LOOPS if name != loop)
    twins = {
        item: re.sub(rf"\[(?:{others})(?=[-\]])", f"[{loop}", item.nodeid, count=1)
        for item in items
    }
    left_out = {item for item, twin in twins.items() if twin != item.nodeid and twin in here}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    exempt_what_lives()


def pytest_runtest_logfinish(nodeid: str) -> None:
    if next(FINISHED) % 500 == 0:
        exempt_what_lives()


def exempt_what_lives() -> None:
    """Exempt modules, tests and pytest's reports from garbage collection, which they slow down."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    # Hypothesis asks the collector who holds its random numbers, and what is exempt is not seen.
    config.addinivalue_line("filterwarnings", "ignore:It looks like `register_random`")
    if config.getoption("--eager") and sys.version_info < (3, 12):
        raise pytest.UsageError("--eager: asyncio has eager tasks from Python 3.12 on")
    if sys.version_info < (3, 11):
        # asyncio's TLS of 3.10 says so of every transport that its peer has closed, ours or not.
        config.addinivalue_line(
            "filterwarnings", "ignore:unclosed transport <asyncio.sslproto:ResourceWarning"
        )


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> "dict[str, Callable[[], asyncio.AbstractEventLoop]]":
    """Every asynchronous test runs on each event loop."""
    factories = LOOPS
    if config.getoption("--aiofastnet"):
        factories = {name: partial(fast, factory) for name, factory in factories.items()}
    if config.getoption("--eager"):
        factories = {name: partial(eager, factory) for name, factory in factories.items()}
    return factories


@pytest.fixture(scope="session")
def node() -> dict[str, str]:
    """Return the environment in which `node` finds the packages of npm."""
    try:
        return npm.environment()
    except npm.NpmError as error:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_NODE") == "1"
        (pytest.fail if required else pytest.skip)(str(error))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


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
    """Return the TLS contexts of a server and of its clients."""
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


@pytest_asyncio.fixture
async def by_hand(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> AsyncIterator[ByHand]:
    """`await by_hand(script, tls=False)` starts a server whose every byte `script` writes."""
    servers: list[asyncio.Server] = []
    tasks: list[asyncio.Task[None]] = []

    async def start(script: Script, *, tls: bool = False) -> Address:
        async def play(wire: Wire) -> None:
            try:
                await script(wire, await read_opening(wire))
            except (asyncio.IncompleteReadError, ConnectionError):
                # A client that opens a connection may also leave it.
                return
            finally:
                wire.writer.transport.abort()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.create_task(play(Wire(reader, writer))))

        context = server_tls if tls else None
        servers.append(await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context))
        host, port = servers[-1].sockets[0].getsockname()
        return Address(host, port, client_tls if tls else None)

    yield start
    for server in servers:
        server.close()
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)


@pytest.fixture(name="heard")
def what_the_upstream_heard() -> list[Opening]:
    return []


@pytest.fixture(name="upstream")
def an_upstream_that_listens(heard: list[Opening]) -> Script:
    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening))
        await wire.read_to_end()

    return script


@pytest_asyncio.fixture
async def http(client_tls: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client session; wait at the end until no connection is in use."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls)) as session:
        yield session
        await until(lambda: not left(session))


@pytest_asyncio.fixture
async def bare(client_tls: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client session without cookies; wait at the end until no connection is in use."""
    connector = aiohttp.TCPConnector(ssl=client_tls)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        yield session
        await until(lambda: not left(session))


@pytest_asyncio.fixture
async def through(serve: Serve, bare: aiohttp.ClientSession) -> Serve:
    """`await through(upstream, tls=False, **options)` starts a proxy to an Address."""

    async def start(
        upstream: Address, *, tls: bool = False, handler_cancellation: bool = False, **options: Any
    ) -> Address:
        app = ingress(bare, upstream, **options)
        return await serve(app, tls=tls, handler_cancellation=handler_cancellation)

    return start


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    """Collect garbage after each test, so that no warning about it shows up in a later one."""
    yield
    gc.collect(1)


@pytest.fixture(scope="session")
def memory_server() -> Iterator[tuple[str, int]]:
    """Run `tests/support/memory_server.py` in a process of its own; yield its host and port."""
    root = Path(aiohttp_rawws.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "support" / "memory_server.py")],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        yield "127.0.0.1", int(process.stdout.readline())
        process.terminate()
