"""`proxy` while it dials, while it relays, and how both ends come to theirs."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import picows
import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from aiohttp_rawws import Frame, RawWebSocketSession, Violation
from aiohttp_rawws.proxy.websocket import proxy
from aiohttp_rawws.server.handler_run import HandlerRun
from aiohttp_rawws.server.upgrade import Upgrade

from .conftest import Serve
from .ends import (
    BOTH,
    CANCELLATION,
    Contexts,
    forgotten,
    ingress,
    left,
    only_response,
    patience,
    reset,
    running,
    soon,
    until,
)
from .test_peers import Aiohttp, Peer, Picows, Websockets
from .wire import (
    MASK,
    PATIENCE,
    Address,
    ByHand,
    Opening,
    Wire,
    answer,
    masked,
    request,
    tell,
)

HELLO = b"\x81\x05Hello"
CLOSE = b"\x88\x02\x03\xe8"


class Upstream:
    """An upstream that the test plays: its end of the connection, and when it answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.over = asyncio.Event()
        self.wire: Wire

    async def script(self, wire: Wire, opening: Opening) -> None:
        self.wire = wire
        self.asked.set()
        await self.answers.wait()
        with contextlib.suppress(ConnectionError):
            wire.send(answer(opening))
        await self.over.wait()


@pytest.fixture(name="upstream")
def an_upstream() -> Upstream:
    return Upstream()


async def opened(upstream: Upstream, ours: Address) -> Wire:
    """A visitor whose upgrade is done."""
    upstream.answers.set()
    wire = await Wire.upgrade(ours)
    await soon(upstream.asked.wait())
    return wire


async def end_of(wire: Wire) -> str:
    """How a connection ends, without a byte before."""
    try:
        assert await wire.read_to_end() == b""
    except ConnectionResetError:
        return "RST"
    return "FIN"


# -- during the dial -------------------------------------------------------------------------


@CANCELLATION
@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_visitor_that_goes_away_during_the_dial(
    by_hand: ByHand,
    through: Serve,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    handler_cancellation: bool,
    how: str,
) -> None:
    """The upstream gets what the visitor has sent, and the end of it."""
    ours = await through(await by_hand(upstream.script), handler_cancellation=handler_cancellation)
    wire = await Wire.open(ours)
    wire.send(request() + masked(0x81, b"Hello"))
    await soon(upstream.asked.wait())
    if how == "FIN":
        wire.end()
    else:
        reset(wire)
    await asyncio.sleep(0.02)
    upstream.answers.set()
    if how == "FIN":
        assert await upstream.wire.read_to_end() == masked(0x81, b"Hello")
        upstream.wire.send(HELLO)
        assert await wire.read_head()
        assert await wire.read(7) == HELLO
    else:
        with contextlib.suppress(ConnectionError):
            assert await upstream.wire.read_to_end() in (b"", masked(0x81, b"Hello"))
    upstream.over.set()
    await wire.close()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_a_handler_that_gives_up_on_the_dial(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, upstream: Upstream
) -> None:
    address = await by_hand(upstream.script)

    async def handler(asked: web.Request) -> web.StreamResponse:
        with contextlib.suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(proxy(asked, bare, address.url()), 0.05)
        return web.Response(text="too late")

    app = web.Application()
    app.router.add_get("/", handler)
    wire = await Wire.open(await serve(app))
    wire.send(request() + masked(0x81, b"Hello") * 1000)
    status, body = only_response(await wire.read_to_end())
    assert (status, body) == (200, b"too late")
    assert await end_of(upstream.wire) == "FIN"
    await wire.close()
    upstream.answers.set()
    upstream.over.set()


@BOTH
@CANCELLATION
async def test_a_shutdown_during_the_dial(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    contexts: Contexts,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    tls: bool,
    handler_cancellation: bool,
) -> None:
    """A 503 at once, on a connection that is kept no longer."""
    app = ingress(bare, await by_hand(upstream.script))
    options = {"handler_cancellation": handler_cancellation, "shutdown_timeout": 10 * PATIENCE}
    async with running(app, contexts if tls else None, **options) as (runner, ours):
        wires = [await Wire.open(ours) for _ in range(3)]
        for wire in wires:
            upstream.asked.clear()
            wire.send(request() + masked(0x81, b"Hello") * 1000)
            await soon(upstream.asked.wait())
        stopping = asyncio.create_task(runner.cleanup())
        for wire in wires:
            status, body = only_response(await wire.read_to_end())
            assert (status, body) == (503, b"The server is shutting down.")
            await wire.close()
        assert await end_of(upstream.wire) == "FIN"
        await soon(stopping)
    assert not caplog.records
    upstream.answers.set()
    upstream.over.set()


async def test_a_shutdown_does_not_cut_a_refusal_short(
    by_hand: ByHand, bare: aiohttp.ClientSession
) -> None:
    halfway, stopping = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nHello")
        await stopping.wait()
        wire.send(b"World")
        await wire.read_to_end()

    async with running(ingress(bare, await by_hand(script))) as (runner, ours):
        wire = await Wire.open(ours)
        wire.send(request())
        await wire.read_head()
        assert await wire.read(5) == b"Hello"
        halfway.set()
        cleanup = asyncio.create_task(runner.cleanup())
        await asyncio.sleep(0.05)
        stopping.set()
        assert await wire.read_to_end() == b"World"
        await wire.close()
        await soon(cleanup)


async def test_an_upgrade_that_a_signal_breaks_off(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, upstream: Upstream
) -> None:
    """The upstream has switched protocols, the visitor gets a 500."""

    async def refuse(asked: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            raise ValueError("no")

    app = ingress(bare, await by_hand(upstream.script))
    app.on_response_prepare.append(refuse)
    upstream.answers.set()
    wire = await Wire.open(await serve(app))
    wire.send(request())
    assert (await wire.read_head())[0] == 500
    await wire.close()
    assert await end_of(upstream.wire) == "RST"
    upstream.over.set()


# -- what passes -----------------------------------------------------------------------------


@BOTH
async def test_frames_pass_as_they_are(
    by_hand: ByHand, through: Serve, upstream: Upstream, tls: bool
) -> None:
    """Under the visitor's masking key, with their boundaries, and nothing beside them."""
    there = b"".join(
        (
            masked(0x01, b"Hel"),
            masked(0x89, b"ping"),
            masked(0x80, b"lo"),
            masked(0x8A),
            masked(0x82, bytes(60_000)),
            masked(0x88, b"\x0f\xa0bye"),
        )
    )
    back = b"\x89\x01x" + b"\x02\x01a\x00\x00\x80\x01b" + HELLO + CLOSE
    ours = await through(await by_hand(upstream.script, tls=tls), tls=tls)
    wire = await opened(upstream, ours)
    wire.send(there)
    assert await upstream.wire.read(len(there)) == there
    upstream.wire.send(back)
    assert await wire.read(len(back)) == back
    upstream.over.set()
    assert await end_of(wire) in ("FIN", "RST")
    await wire.close()


async def test_remask(by_hand: ByHand, through: Serve, upstream: Upstream) -> None:
    wire = await opened(upstream, await through(await by_hand(upstream.script), remask=True))
    wire.send(masked(0x81, b"Hello") * 2)
    first, second = await upstream.wire.read(11), await upstream.wire.read(11)
    for each in (first, second):
        assert each[:2] == b"\x81\x85"
        assert bytes(a ^ b for a, b in zip(each[6:], each[2:6] * 2, strict=False)) == b"Hello"
    assert len({MASK, first[2:6], second[2:6]}) == 3
    await wire.close()
    upstream.over.set()


@BOTH
async def test_a_tap_sees_every_frame(
    by_hand: ByHand, through: Serve, upstream: Upstream, tls: bool
) -> None:
    seen: list[tuple[str, Frame]] = []
    ours = await through(
        await by_hand(upstream.script, tls=tls),
        tls=tls,
        tap=lambda direction, frame: seen.append((direction, frame)),
    )
    wire = await opened(upstream, ours)
    there = masked(0x01, b"Hel") + masked(0x89, b"p") + masked(0x80, b"lo") + masked(0x88)
    wire.send(there)
    assert await upstream.wire.read(len(there)) == there
    upstream.wire.send(HELLO + CLOSE)
    assert await wire.read(11) == HELLO + CLOSE
    upstream.over.set()
    await wire.close()
    assert seen == [
        ("client", Frame(1, b"Hel", False)),
        ("client", Frame.ping(b"p")),
        ("client", Frame.continuation(b"lo")),
        ("client", Frame.close()),
        ("upstream", Frame.text("Hello")),
        ("upstream", Frame.close(1000)),
    ]
    assert seen[0][1].mask == MASK


@pytest.mark.parametrize("sender", ["client", "upstream"])
async def test_what_a_tap_raises_ends_both(
    by_hand: ByHand,
    through: Serve,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    sender: str,
) -> None:
    def tap(direction: str, frame: Frame) -> None:
        assert direction == sender
        raise LookupError("not this one")

    wire = await opened(upstream, await through(await by_hand(upstream.script), tap=tap))
    if sender == "client":
        wire.send(masked(0x81, b"Hello"))
    else:
        upstream.wire.send(HELLO)
    assert await end_of(wire) == "RST"
    assert await end_of(upstream.wire) == "RST"
    await wire.close()
    upstream.over.set()
    [record] = caplog.records
    assert (record.name, record.levelname) == ("aiohttp_rawws", "ERROR")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


@pytest.mark.parametrize("sender", ["client", "upstream"])
async def test_the_options_are_those_of_both_sessions(
    by_hand: ByHand,
    through: Serve,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    sender: str,
) -> None:
    seen: list[Frame] = []
    ours = await through(
        await by_hand(upstream.script),
        tap=lambda direction, frame: seen.append(frame),
        max_frame_size=4,
        linger=0.1,
        reject=Violation.ALL & ~(Violation.UNMASKED | Violation.MASKED),
    )
    wire = await opened(upstream, ours)
    there, back = (wire, upstream.wire) if sender == "client" else (upstream.wire, wire)
    odd = b"\x81\x01a" if sender == "client" else masked(0x81, b"a")
    there.send(odd + HELLO)
    assert await back.read(len(odd)) == odd
    await end_of(back)
    await end_of(there)
    await wire.close()
    upstream.over.set()
    assert seen == [Frame.text("a")]
    assert seen[0].violations in (Violation.UNMASKED, Violation.MASKED)
    [message] = caplog.messages
    assert message.startswith(f"Relay dropped: {sender} of GET / from 127.0.0.1:")


# -- how it ends -----------------------------------------------------------------------------


@CANCELLATION
@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_the_end_of_one_is_the_end_of_the_other(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    handler_cancellation: bool,
    how: str,
    side: str,
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")
    app = ingress(bare, await by_hand(upstream.script))
    async with running(app, handler_cancellation=handler_cancellation) as (runner, ours):
        wire = await opened(upstream, ours)
        one, other = (wire, upstream.wire) if side == "client" else (upstream.wire, wire)
        if how == "FIN":
            one.end()
        else:
            reset(one)
        assert await end_of(other) == how
        if how == "FIN":
            # The other half is open still.
            data = masked(0x81, b"Hello") if side == "upstream" else HELLO
            other.send(data)
            assert await one.read(len(data)) == data
            other.end()
            assert await end_of(one) == how
        await wire.close()
        upstream.over.set()
        await forgotten(runner)
    [message] = [text for text in caplog.messages if text.startswith("Proxied")]
    assert f"ended_first='{side}'" in message


@BOTH
@CANCELLATION
@pytest.mark.parametrize("tapped", [False, True])
async def test_a_shutdown_during_the_relay(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    contexts: Contexts,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    tls: bool,
    handler_cancellation: bool,
    tapped: bool,
) -> None:
    """No Close is made up, both get the end of the stream, without waiting for each other."""
    options = {"tap": lambda direction, frame: None} if tapped else {}
    app = ingress(bare, await by_hand(upstream.script, tls=tls), linger=10 * PATIENCE, **options)
    bounds = {"handler_cancellation": handler_cancellation, "shutdown_timeout": 10 * PATIENCE}
    async with running(app, contexts if tls else None, **bounds) as (runner, ours):
        wire = await opened(upstream, ours)
        wire.send(masked(0x81, b"Hello"))
        assert await upstream.wire.read(11) == masked(0x81, b"Hello")
        stopping = asyncio.create_task(runner.cleanup())
        for end in (wire, upstream.wire):
            assert await end_of(end) == "FIN"
        await wire.close()
        upstream.over.set()
        await soon(stopping)
    assert not caplog.records


@BOTH
async def test_the_client_session_ends_during_the_relay(
    by_hand: ByHand, client_tls: Any, upstream: Upstream, tls: bool
) -> None:
    connector = aiohttp.TCPConnector(ssl=client_tls)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http:
        app = ingress(http, await by_hand(upstream.script, tls=tls), linger=0.1)
        async with running(app) as (runner, ours):
            wire = await opened(upstream, ours)
            closing = asyncio.create_task(http.close())
            assert await end_of(upstream.wire) == "FIN"
            assert await end_of(wire) == "FIN"
            upstream.over.set()
            await wire.close()
            await soon(closing)
            await forgotten(runner)


async def test_nothing_is_left(
    by_hand: ByHand, through: Serve, bare: aiohttp.ClientSession
) -> None:
    """Neither connections nor what is kept for one, whatever the upstream answers."""

    async def script(wire: Wire, opening: Opening) -> None:
        if "/no" in opening.line:
            wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif "/wrong" in opening.line:
            wire.send(answer(opening, Upgrade=""))
        else:
            wire.send(answer(opening) + CLOSE)
        await wire.read_to_end()

    ours = await through(await by_hand(script))
    for path in ("/", "/no", "/wrong") * 3:
        await tell(ours, request(path))
    await until(lambda: not left(bare))
    kept = (RawWebSocketSession, HandlerRun, Upgrade)
    async with patience():
        while [each for each in gc.get_objects() if isinstance(each, kept)]:
            await asyncio.sleep(0.01)
            gc.collect()


# -- peers that were not written for this ----------------------------------------------------


@contextlib.asynccontextmanager
async def websockets_server() -> AsyncIterator[Address]:
    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve_websockets(handler, "127.0.0.1", 0, max_size=None) as server:
        yield Address(*next(iter(server.sockets)).getsockname())


@contextlib.asynccontextmanager
async def aiohttp_server() -> AsyncIterator[Address]:
    async def handler(asked: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(max_msg_size=0)
        await response.prepare(asked)
        async for message in response:
            if message.type is aiohttp.WSMsgType.TEXT:
                await response.send_str(message.data)
            else:
                await response.send_bytes(message.data)
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with running(app) as (_, address):
        yield address


class Echo(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(payload)
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, payload, frame.fin)


@contextlib.asynccontextmanager
async def picows_server() -> AsyncIterator[Address]:
    server = await picows.ws_create_server(
        lambda asked: Echo(), "127.0.0.1", 0, max_frame_size=2**30
    )
    yield Address(*server.sockets[0].getsockname())
    server.close()


class Compressing(Aiohttp):
    """aiohttp's client, which has to be told."""

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, address: Address) -> AsyncIterator[Peer]:
        async with aiohttp.ClientSession() as session:
            connecting = session.ws_connect(
                address.url(), compress=15, autoping=False, max_msg_size=0, ssl=address.ssl or True
            )
            async with connecting as socket:
                assert socket.compress
                yield cls(socket)


SERVERS: list[Callable[[], Any]] = [websockets_server, aiohttp_server, picows_server]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("peer", [Websockets, Aiohttp, Compressing, Picows])
@pytest.mark.parametrize("kind", ["plain", "tls", "tapped"])
async def test_peers(through: Serve, server: Any, peer: Any, kind: str) -> None:
    """Messages of all sizes, fragments, a Ping and the closing handshake."""
    if (peer, server) == (Compressing, picows_server):
        pytest.skip("this server does not compress")
    seen: list[Frame] = []
    tap = {"tap": lambda direction, frame: seen.append(frame)} if kind == "tapped" else {}
    async with patience(), server() as address:
        ours = await through(address, tls=kind == "tls", **tap)
        async with peer.connect(ours) as visitor:
            for size in (0, 1, 125, 126, 65_535, 65_536, 2**20):
                await visitor.send("x" * size)
                assert await visitor.receive() == "x" * size
                await visitor.send(bytes(size))
                assert await visitor.receive() == bytes(size)
            await visitor.ping(b"are you there?")
            await visitor.close(1000, "bye")
    compressed = peer in (Websockets, Compressing) and server is not picows_server
    assert any(frame.rsv1 for frame in seen) == (compressed and kind == "tapped")


async def test_an_offer_that_is_kept_back_keeps_frames_readable(through: Serve) -> None:
    """Both peers would have compressed."""
    seen: list[Frame] = []
    async with patience(), websockets_server() as address:
        ours = await through(
            address, extensions=lambda offer: None, tap=lambda direction, frame: seen.append(frame)
        )
        async with Websockets.connect(ours) as visitor:
            await visitor.send("Hello" * 100)
            assert await visitor.receive() == "Hello" * 100
    assert seen[:2] == [Frame.text("Hello" * 100)] * 2
