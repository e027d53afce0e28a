"""Frames over a client's session, both ways, masked, and behind the 101."""

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
import picows
import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from yarl import URL

from aiohttp_rawws import CloseCode, Frame, Opcode, ProtocolError, Violation, add_raw_websocket
from aiohttp_rawws.client.connect import connect
from tests.support.handshakes import Opening, answer
from tests.support.octets import CLOSE, HELLO, MASK, xor
from tests.support.scripts import slow_tracing
from tests.support.servers import BOTH, Serve, application, echo
from tests.support.sockets import MEGABYTES, send_until_full
from tests.support.waiting import patience, soon, turns
from tests.support.wire import ByHand, Wire

# -- frames both ways ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize("kind", [str, URL])
async def test_frames_come_back_from_a_raw_route(
    serve: Serve, http: aiohttp.ClientSession, tls: bool, scheme: str, kind: Callable[[str], Any]
) -> None:
    app = application(echo)
    add_raw_websocket(app.router, "/both", echo, ["a", "b"])
    url = (await serve(app, tls=tls)).url("/both", scheme)
    async with connect(http, kind(url), protocols=["b", "a"]) as session:
        assert session.protocol == "b"
        frames = [
            Frame.text("one", fin=False),
            Frame.ping(b"ping"),
            Frame.continuation(b"two"),
            Frame.binary(bytes(70_000)),
            Frame.close(4404, "not here"),
        ]
        for frame in frames:
            await session.send(frame)
        async with patience():
            assert [frame async for frame in session] == frames
        assert session.close_sent == session.close_received == frames[-1]


@BOTH
async def test_ten_megabytes_there_and_back(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    payload = os.urandom(2**20) * 10
    async with connect(http, (await serve(application(echo), tls=tls)).url()) as session:
        sending = asyncio.create_task(soon(session.send(Frame.binary(payload))))
        assert await soon(session.receive()) == Frame.binary(payload)
        await sending


async def test_a_websocket_response_of_aiohttp(serve: Serve, http: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("chat",))
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(f"{message.data} yourself")
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    async with connect(http, (await serve(app)).url(), protocols=["x", "chat"]) as session:
        assert session.protocol == "chat"
        await session.send(Frame.text("Hello", fin=False))
        await session.send(Frame.ping(b"p"))
        await session.send(Frame.continuation(b" you"))
        async with patience():
            assert await session.receive() == Frame.pong(b"p")
            assert await session.receive() == Frame.text("Hello you yourself")
            await session.close(3000)
            assert (await session.receive()).opcode == Opcode.CLOSE


async def test_a_server_of_websockets(http: aiohttp.ClientSession) -> None:
    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)
        assert connection.close_code == CloseCode.GOING_AWAY

    async with serve_websockets(handler, "127.0.0.1", 0) as server, patience():
        host, port = next(iter(server.sockets)).getsockname()
        url = f"ws://{host}:{port}"
        async with connect(http, url, extensions="permessage-deflate") as session:
            assert session.extensions is not None
            assert session.extensions.startswith("permessage-deflate")
            await session.send(Frame.text("Hello"))
            frame = await session.receive()
            assert (frame.opcode, frame.rsv1) == (Opcode.TEXT, True)
            await session.close(CloseCode.GOING_AWAY)
            assert (await session.receive()).close_code == CloseCode.GOING_AWAY
            await session.wait_closed()


class Picky(picows.WSListener):
    """An echo with picows."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


async def test_a_server_of_picows(http: aiohttp.ClientSession) -> None:
    server = await picows.ws_create_server(lambda request: Picky(), "127.0.0.1", 0)
    async with patience():
        host, port = server.sockets[0].getsockname()
        async with connect(http, f"ws://{host}:{port}") as session:
            await session.send(Frame.binary(b"Hello"))
            assert await session.receive() == Frame.binary(b"Hello")
    server.close()


async def test_violations_of_the_server(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    """RFC 6455 section 5.1: a server must not mask."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + b"\x81\x85" + MASK + xor(b"Hello"))
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    with pytest.raises(ProtocolError) as caught:
        async with connect(http, url) as session:
            await soon(session.receive())
    assert caught.value.violation == Violation.MASKED
    async with connect(http, url, reject=Violation.NONE) as session:
        frame = await soon(session.receive())
        assert (frame, frame.violations) == (Frame.text("Hello"), Violation.MASKED)


async def test_max_frame_size(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), max_frame_size=4) as session:
        with pytest.raises(ProtocolError, match="5 bytes"):
            await soon(session.receive())


# -- bytes behind the 101 --------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("number", [1, 30_000])
async def test_frames_in_the_segment_of_the_101(
    by_hand: ByHand, http: aiohttp.ClientSession, number: int, tls: bool
) -> None:
    """Thirty thousand are more than is read at once, and less than what may wait unread."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO * number + CLOSE)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script, tls=tls)).url()) as session, patience():
        frames = [frame async for frame in session]
    assert frames == [Frame.text("Hello")] * number + [Frame.close(1000)]


@BOTH
async def test_what_nobody_reads_waits_at_the_server(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    frame = Frame.binary(bytes(65_536)).encode()
    limit = 64 * 2**20
    through: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + frame)
        through.set_result(await send_until_full(wire, frame, limit))
        wire.send(CLOSE)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script, tls=tls)).url()) as session, patience():
        assert await through < limit // 2
        size = 0
        async for received in session:
            size += len(received.payload)
        assert size > await through - 65_536


async def test_receive_limit(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    """Far more than the system would hold is read, and waits here."""
    frame = Frame.binary(bytes(65_536)).encode()
    limit = 32 * 2**20
    through: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        through.set_result(await send_until_full(wire, frame, limit))
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), receive_limit=2 * limit), patience():
        assert await through >= limit


@BOTH
async def test_what_comes_while_tracing_holds_the_response_back(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool
) -> None:
    sent = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        for _ in range(200):
            wire.send(HELLO)
            await turns(2)
        wire.send(CLOSE)
        sent.set()
        await wire.read_to_end()

    connector = aiohttp.TCPConnector(ssl=client_tls)
    traces = [slow_tracing(sent)]
    async with aiohttp.ClientSession(connector=connector, trace_configs=traces) as http:
        address = await by_hand(script, tls=tls)
        async with connect(http, address.url()) as session, patience():
            assert len([frame async for frame in session]) == 202


async def test_megabytes_while_tracing_holds_the_response_back(by_hand: ByHand) -> None:
    """What aiohttp has by then, paused or not, is delivered in order."""
    frame = Frame.binary(bytes(65_536)).encode()
    full = asyncio.Event()
    sent = 0

    async def script(wire: Wire, opening: Opening) -> None:
        nonlocal sent
        wire.send(answer(opening) + frame)
        await send_until_full(wire, frame, MEGABYTES)
        full.set()
        await wire.writer.drain()
        wire.send(CLOSE)
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    async with (
        aiohttp.ClientSession(trace_configs=[slow_tracing(full)]) as http,
        connect(http, url) as session,
        patience(),
    ):
        frames = [frame async for frame in session]
    assert frames[-1] == Frame.close(1000)
    assert {len(frame.payload) for frame in frames[:-1]} == {65_536}


# -- masking ---------------------------------------------------------------------------------------


async def test_frames_are_masked_each_with_a_key_of_its_own(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """RFC 6455 section 5.3."""
    keys: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        found = []
        for _ in range(100):
            assert await wire.read(2) == b"\x81\x85"
            found.append(await wire.read(4))
            assert xor(await wire.read(5), found[-1]) == b"Hello"
        keys.set_result(found)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url()) as session:
        assert session.masking
        for _ in range(100):
            await session.send(Frame.text("Hello"))
        assert len(set(await soon(keys))) == 100


async def test_a_frame_is_masked_with_its_own_key(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with connect(http, (await by_hand(script)).url()) as session:
        await session.send(Frame(Opcode.TEXT, b"Hello", mask=MASK))
        session.masking = False
        await session.send(Frame.text("bare"))
    assert await soon(data) == b"\x81\x85" + MASK + xor(b"Hello") + b"\x81\x04bare"
