"""The examples and promises of docs/serving.md."""

import asyncio
import contextlib
import inspect
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from aiohttp_rawws import RawWebSocketSession
from tests.support import ROOT
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.octets import masked
from tests.support.ports import free_port
from tests.support.servers import BOTH, Contexts, Serve, application, echo, forgotten, running
from tests.support.waiting import patience, soon
from tests.support.wire import Address, Wire

HOW_TO = (ROOT / "docs" / "serving.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL)

VERSION = tuple(int(part) for part in re.findall(r"\d+", aiohttp.__version__)[:3])


def shown() -> dict[str, Any]:
    """All that is shown, in order, each on what the ones before it made known."""
    names: dict[str, Any] = {"__name__": "shown"}
    for code in SNIPPETS:
        exec(code, names)
    return names


async def test_what_is_shown_runs(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    names = shown()
    app = names["app"]
    address = await serve(app)
    wire = await Wire.open(address)
    short = request("/ws", Sec_WebSocket_Key="c2hvcnQ=", Origin="https://example.com")
    wire.send(short + masked(0x81, b"Hello") + masked(0x83))
    status, headers = await wire.read_head()
    assert (status, headers["Access-Control-Allow-Origin"]) == (101, "https://example.com")
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()
    assert capsys.readouterr().out.startswith("echo ProtocolError(")


async def test_the_goodbye_that_is_shown() -> None:
    async with running(shown()["app"]) as (runner, address):
        wire = await Wire.upgrade(address, "/ws")
        stopping = asyncio.create_task(runner.cleanup())
        assert await wire.read_to_end() == b"\x88\x02\x03\xe9"
        await wire.close()
        await soon(stopping)


async def test_the_middleware_that_is_shown_for_an_ordinary_handler(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "refuse" in request.query:
            raise web.HTTPForbidden
        raise LookupError("no such thing")

    app = web.Application(middlewares=[shown()["watch"]])
    app.router.add_get("/", handler)
    address = await serve(app)
    for path, status in (("/", 500), ("/?refuse", 403)):
        wire = await Wire.open(address)
        wire.send(request(path, Upgrade="", Connection="close"))
        assert (await wire.read_head())[0] == status
        await wire.close()
    assert capsys.readouterr().out.count("LookupError") == 1


# -- half-sent handshakes --------------------------------------------------------------------

#: What stands for the 30 seconds of the documentation.
TIMEOUT = 0.3
COUNTS_FROM_THE_BEGINNING = pytest.mark.skipif(
    VERSION < (3, 14, 4), reason="aiohttp does not count a connection's first request"
)

HALVES: dict[str, bytes] = {
    "nothing": b"",
    "half a line": request()[:8],
    "half of the headers": request()[:-40],
    "all but the last line": request()[:-2],
}


def test_the_option_that_is_shown_is_one_of_run_app() -> None:
    assert "keepalive_timeout=30" in HOW_TO
    assert "keepalive_timeout" in inspect.signature(web.run_app).parameters


@COUNTS_FROM_THE_BEGINNING
@BOTH
@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
async def test_half_sent_handshakes_end(contexts: Contexts, tls: bool, half: bytes) -> None:
    app = application(echo)
    options = {"keepalive_timeout": TIMEOUT}
    async with running(app, contexts if tls else None, **options) as (runner, address):
        wires = [await Wire.open(address) for _ in range(20)]
        began = asyncio.get_running_loop().time()
        for wire in wires:
            wire.send(half)
        for wire in wires:
            assert await wire.read_to_end() == b""
            await wire.close()
        assert asyncio.get_running_loop().time() - began > TIMEOUT * 0.5
        await forgotten(runner)


async def test_a_second_handshake_that_is_half_sent_ends(contexts: Contexts) -> None:
    """On every aiohttp: it counts from the answer before."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="page")

    app = application(echo)
    app.router.add_get("/page", page)
    async with running(app, keepalive_timeout=TIMEOUT) as (_, address):
        wire = await Wire.open(address)
        wire.send(request("/page", Upgrade="", Connection="keep-alive") + request()[:-2])
        assert (await wire.read_head())[0] == 200
        assert await wire.read_to_end() == b"page"
        await wire.close()


@COUNTS_FROM_THE_BEGINNING
async def test_one_that_sends_byte_by_byte_gets_no_more_time(contexts: Contexts) -> None:
    async with running(application(echo), keepalive_timeout=TIMEOUT) as (_, address):
        wire = await Wire.open(address)
        reading = asyncio.ensure_future(wire.read_to_end())
        for number in range(1000):
            if reading.done():
                break
            wire.send(request()[number : number + 1] if number < 50 else b"")
            await asyncio.sleep(TIMEOUT / 10)
        assert number < 50
        await asyncio.gather(reading, return_exceptions=True)
        await wire.close()


@BOTH
async def test_a_websocket_lives_on(contexts: Contexts, tls: bool) -> None:
    app = application(echo)
    options = {"keepalive_timeout": TIMEOUT}
    async with running(app, contexts if tls else None, **options) as (_, address):
        wire = await Wire.upgrade(address)
        await asyncio.sleep(TIMEOUT * 3)
        wire.send(masked(0x81, b"Hello"))
        assert await wire.read_frame() == (0x81, b"Hello")
        await wire.close()


async def test_an_upgrade_that_takes_its_time_is_not_cut(contexts: Contexts) -> None:
    async def slow(request: web.Request, response: web.StreamResponse) -> None:
        await asyncio.sleep(TIMEOUT * 3)

    async def handler(session: RawWebSocketSession) -> None:
        await session.close()

    app = application(handler)
    app.on_response_prepare.append(slow)
    async with running(app, keepalive_timeout=TIMEOUT) as (_, address):
        wire = await Wire.upgrade(address)
        assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
        await wire.close()


# -- programs that are shown, as processes ---------------------------------------------------

APP = """
import os

from aiohttp import web

from aiohttp_rawws import Frame, RawWebSocketSession, raw_websocket, setup


async def tell(session: RawWebSocketSession) -> None:
    tls = session.get_extra_info("sslcontext") is not None
    module = type(session.request.transport).__module__
    await session.send(Frame.text(f"{os.getpid()} {module} {tls}"))


app = web.Application()
setup(app)
app.add_routes([raw_websocket("/", tell)])
"""


@contextlib.contextmanager
def program(folder: Path, word: str, call: str) -> Iterator[None]:
    """Run the snippet that has a word, with a call of ours in place of its own."""
    (code,) = (code for code in SNIPPETS if word in code)
    code = code.partition("if __name__")[0]
    path = folder / "program.py"
    path.write_text(f"{APP}\n{code}\nif __name__ == '__main__':\n    {call}\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, path],
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield
        finally:
            # Its own processes too.
            os.killpg(process.pid, signal.SIGTERM)


async def told(address: Address) -> "list[str]":
    """What the application tells, once it listens."""
    async with patience():
        while True:
            with contextlib.suppress(ConnectionError):
                wire = await Wire.upgrade(address)
                _, payload = await wire.read_frame()
                await wire.close()
                return payload.decode().split()
            await asyncio.sleep(0.02)


@ONE_LOOP
async def test_the_faster_tls_that_is_shown(
    tmp_path: Path, authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    certificate = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    port = free_port()
    with program(tmp_path, "serve_tls", f"serve_tls({port}, {str(certificate)!r})"):
        _, module, tls = await told(Address("127.0.0.1", port, client_tls))
    assert (module, tls) == ("aiofastnet.ssl_transport", "True")


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not spread connections")
@ONE_LOOP
async def test_the_processes_that_are_shown(tmp_path: Path) -> None:
    port = free_port()
    start = "[multiprocessing.Process(target=serve, args=(%d,)).start() for _ in range(2)]"
    with program(tmp_path, "reuse_port", start % port):
        processes: set[str] = set()
        while len(processes) < 2:
            processes.add((await told(Address("127.0.0.1", port)))[0])
