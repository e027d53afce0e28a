"""How a request that `proxy` forwards ends, where one of the two sides does not complete it."""

import asyncio
import contextlib
import os
import socket
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.support.forwarding import exchange, plain, read_body
from tests.support.handshakes import Opening, request
from tests.support.scripts import says
from tests.support.servers import (
    BOTH,
    Contexts,
    Serve,
    connector_to,
    forgotten,
    ingress,
    left,
    running,
)
from tests.support.sockets import keepalive, reset
from tests.support.waiting import PATIENCE, soon, until
from tests.support.wire import Address, ByHand, Wire, read_opening

# -- the upstream ----------------------------------------------------------------------------------

#: Where the body ends too early.
CUT = {
    "length": b"Content-Length: 10\r\n\r\nHello",
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n",
    "in a chunk": b"Transfer-Encoding: chunked\r\n\r\n9\r\nHello",
}


@BOTH
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("said", CUT.values(), ids=CUT)
async def test_an_answer_that_breaks_off(
    by_hand: ByHand,
    through: Serve,
    caplog: pytest.LogCaptureFixture,
    tls: bool,
    said: bytes,
    how: str,
    version: str,
) -> None:
    """The visitor must not take it for complete, as HTTP/1.0 does after a FIN."""
    read = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\n" + said)
        await soon(read.wait())
        if how == "FIN":
            await wire.close()
        else:
            reset(wire)

    address = await by_hand(script, tls=tls)
    wire = await Wire.open(await through(address, tls=tls))
    wire.send(plain("/?token=secret", version=version))
    _, headers = await wire.read_head()
    await soon(wire.reader.readuntil(b"Hello"))
    read.set()
    if version == "1.0" and "Content-Length" not in headers:
        with pytest.raises(ConnectionError):
            await wire.read_to_end()
    else:
        with contextlib.suppress(ConnectionError):
            assert b"0\r\n\r\n" not in await wire.read_to_end()
    await wire.close()
    await until(lambda: bool(caplog.records))
    [message] = caplog.messages
    where = URL(address.url(scheme="http")).origin()
    assert message.startswith(f"Proxy: {where} broke off its answer: ")
    assert "secret" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nX-A", "cannot be read: the connection ended within the head"),
        (b"SSH-2.0\r\n", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nX-A: \xe4\r\n\r\n", "printable UTF-8"),
        (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "without being asked"),
        (b"HTTP/1.1 101 X\r\n\r\n", "without being asked"),
    ],
)
async def test_no_answer(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture, said: bytes, words: str
) -> None:
    """The visitor's connection serves the next request."""
    wire = await Wire.open(await through(await by_hand(says(said))))
    for number in (1, 2):
        wire.send(plain("/?token=secret", method="POST"))
        status, headers = await wire.read_head()
        body = await wire.read(int(headers["Content-Length"]))
        assert status == 502
        assert b"127.0.0.1" not in body
        assert len(caplog.messages) == number
        assert words in caplog.messages[-1]
        assert "secret" not in caplog.messages[-1]
    await wire.close()


class Dead:
    """An upstream that ends a connection between two requests, as late as can be noticed."""

    def __init__(self) -> None:
        self.connections: list[Wire] = []
        self.bodies: list[bytes] = []
        self.tracing = aiohttp.TraceConfig()
        self.tracing.on_connection_reuseconn.append(self.end)

    async def script(self, wire: Wire, opening: Opening) -> None:
        self.connections.append(wire)
        while True:
            self.bodies.append(await read_body(wire, opening.headers))
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            opening = await read_opening(wire)

    async def end(self, *trace: Any) -> None:
        # The loop of the proxy is told of it only after the next request was written.
        known = self.connections[-1].transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(known.fileno())) as same:
            same.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_pooled_connection_that_has_just_ended(by_hand: ByHand, method: str) -> None:
    """Nothing is sent on it, and so nothing is sent twice."""
    upstream = Dead()
    jar, body = aiohttp.DummyCookieJar(), b"" if method == "GET" else b"Hello"
    data = plain("/", f"Content-Length: {len(body)}", method=method, body=body)
    async with (
        aiohttp.ClientSession(cookie_jar=jar, trace_configs=[upstream.tracing]) as http,
        running(ingress(http, await by_hand(upstream.script))) as (_, ours),
    ):
        wire = await Wire.open(ours)
        for _ in range(3):
            assert (await exchange(wire, data))[0] == 200
        await wire.close()
    assert len(upstream.connections) == 3
    assert upstream.bodies == [body] * (3 if body else 5)


# -- the visitor -----------------------------------------------------------------------------------


class Silent:
    """An upstream that gives the beginning of an answer, then waits for the end."""

    def __init__(self, said: bytes = b"", reads: bool = True) -> None:
        self.said = said
        self.reads = reads
        self.asked = asyncio.Event()
        self.ended = asyncio.Event()

    async def script(self, wire: Wire, opening: Opening) -> None:
        wire.send(self.said)
        self.asked.set()
        if self.reads:
            with contextlib.suppress(ConnectionError):
                await wire.read_to_end()
        else:
            wire.transport.pause_reading()
            await soon(self.ended.wait())
        self.ended.set()


UPLOAD = plain("/", f"Content-Length: {2**30}", method="POST", body=bytes(1000))
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
WAITS: dict[str, tuple[bytes, bytes]] = {
    "an opening handshake": (request(), b""),
    "a request": (plain(), b""),
    "an upload": (UPLOAD, b""),
    "an answer": (plain(), b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nHello"),
    "a refusal": (request(), b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nHello"),
    "events": (plain(), EVENTS + b"data: x\n\n"),
}


@BOTH
@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize(("sent", "said"), WAITS.values(), ids=WAITS)
async def test_a_visitor_that_leaves(
    by_hand: ByHand,
    through: Serve,
    bare: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    sent: bytes,
    said: bytes,
    how: str,
    tls: bool,
) -> None:
    """It ends the upstream's connection, though that one says nothing."""
    upstream = Silent(said)
    address = await by_hand(upstream.script, tls=tls)
    # aiohttp's option makes no difference.
    ours = await through(address, tls=tls, handler_cancellation=how == "RST")
    wire = await Wire.open(ours)
    wire.send(sent)
    await soon(upstream.asked.wait())
    if said:
        await wire.read_head()
    if how == "RST":
        reset(wire)
    else:
        # Over TLS this sends an alert, and waits for the proxy's.
        wire.transport.close()
    await asyncio.wait_for(upstream.ended.wait(), 2)
    await wire.close()
    await until(lambda: not left(bare))
    assert not caplog.records


async def test_a_visitor_that_leaves_while_reading_is_held_back(
    by_hand: ByHand, through: Serve, bare: aiohttp.ClientSession
) -> None:
    """The upstream takes no more of the upload: what the visitor still sent stays unread."""
    upstream = Silent(reads=False)
    wire = await Wire.open(await through(await by_hand(upstream.script)))
    wire.send(plain("/", f"Content-Length: {2**30}", method="POST"))
    await soon(upstream.asked.wait())
    before = -1
    while (held := wire.transport.get_write_buffer_size()) == 0 or held != before:
        before = held
        if held == 0:
            wire.send(bytes(2**20))
        await asyncio.sleep(0.02)
    reset(wire)
    await asyncio.wait_for(until(lambda: not left(bare)), 2)
    upstream.ended.set()
    await wire.close()


@BOTH
async def test_a_visitor_that_leaves_on_a_unix_socket(
    contexts: Contexts, tmp_path: Any, tls: bool
) -> None:
    """Both sides are Unix sockets. aiohttp's client has no TLS over them."""
    upstream = Silent(EVENTS)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        await reader.readuntil(b"\r\n\r\n")
        await upstream.script(wire, None)  # type: ignore[arg-type]
        await wire.close()

    path = str(tmp_path / "upstream")
    server = await asyncio.start_unix_server(connected, path)
    there = Address("127.0.0.1", 80, None, path)
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(connector=connector_to(there), cookie_jar=jar) as http,
        running(
            ingress(http, there),
            contexts if tls else None,
            path=str(tmp_path / "ours"),
        ) as (runner, ours),
    ):
        wire = await Wire.open(ours)
        wire.send(plain())
        assert (await wire.read_head())[0] == 200
        wire.transport.abort()
        await asyncio.wait_for(upstream.ended.wait(), 2)
        await forgotten(runner)
    server.close()


@pytest.mark.parametrize(("kind", "legs"), [("events", 2), ("an upload", 1)])
async def test_the_system_asks_whether_a_side_is_there(
    by_hand: ByHand, bare: aiohttp.ClientSession, kind: str, legs: int
) -> None:
    """TCP keepalive, while a body may take any time; an upload fills the upstream's connection."""
    sent, said = WAITS[kind]
    upstream = Silent(said)
    async with running(ingress(bare, await by_hand(upstream.script))) as (runner, ours):
        wire = await Wire.open(ours)
        wire.send(sent)
        await soon(upstream.asked.wait())
        if said:
            await wire.read_head()
        assert runner.server is not None
        connector: Any = bare.connector
        ends = [*runner.server.connections, *connector._acquired]
        socks = [end.transport.get_extra_info("socket") for end in ends]
        assert [keepalive(sock) for sock in socks[:legs]] == [[1, 60, 15, 4]] * legs
        wire.transport.abort()
        await wire.close()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors as Linux does")
@pytest.mark.parametrize("kind", ["an opening handshake", "a request", "an upload"])
async def test_a_hundred_visitors_leave_nothing(
    by_hand: ByHand, bare: aiohttp.ClientSession, kind: str
) -> None:
    upstream = Silent()
    async with running(ingress(bare, await by_hand(upstream.script))) as (runner, ours):
        before = descriptors()
        wires = [await Wire.open(ours) for _ in range(100)]
        for wire in wires:
            wire.send(WAITS[kind][0])
        await soon(upstream.asked.wait())
        for wire in wires:
            reset(wire)
            await wire.close()
        await forgotten(runner)
        await until(lambda: not left(bare))
        await asyncio.wait_for(until(lambda: descriptors() <= before), PATIENCE)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- the server ------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nHello", EVENTS])
async def test_a_shutdown(by_hand: ByHand, bare: aiohttp.ClientSession, said: bytes) -> None:
    """A request may end within the time that aiohttp gives; then it is cut off."""
    upstream = Silent(said)
    async with running(ingress(bare, await by_hand(upstream.script)), shutdown_timeout=0.1) as (
        runner,
        ours,
    ):
        wire = await Wire.open(ours)
        wire.send(plain())
        await wire.read_head()
        await soon(runner.cleanup())
        with contextlib.suppress(ConnectionError):
            assert b"0\r\n\r\n" not in await wire.read_to_end()
        await wire.close()
        await soon(upstream.ended.wait())


async def test_a_shutdown_lets_an_answer_end(by_hand: ByHand, bare: aiohttp.ClientSession) -> None:
    stopping = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nHello")
        await stopping.wait()
        wire.send(b"World")
        await wire.read_to_end()

    async with running(ingress(bare, await by_hand(script))) as (runner, ours):
        wire = await Wire.open(ours)
        wire.send(plain())
        await wire.read_head()
        assert await wire.read(5) == b"Hello"
        cleanup = asyncio.create_task(runner.cleanup())
        await asyncio.sleep(0.05)
        stopping.set()
        assert await wire.read(5) == b"World"
        await wire.close()
        await soon(cleanup)
