"""How a `WebSocketSession` takes frames, and what it answers."""

import asyncio

import aiohttp
import pytest

import aiohttp_rawws
from aiohttp_rawws import Frame, FrameTooBig, Opcode, Piece, ProtocolError
from aiohttp_rawws.layers import PermessageDeflate, WebSocketSession, websocket_handler
from aiohttp_rawws.layers.inbox import as_frame
from tests.support.deflate import NOISE
from tests.support.ends import both_ends
from tests.support.octets import long_frame, masked
from tests.support.servers import Serve, application


def test_pieces_as_fragments() -> None:
    def piece(offset: int, payload: bytes, last: bool) -> Piece:
        return Piece(Opcode.TEXT, True, True, False, False, 3, offset, payload, last)

    assert [as_frame(piece(0, b"ab", False)), as_frame(piece(2, b"c", True))] == [
        Frame(Opcode.TEXT, b"ab", False, rsv1=True),
        Frame.continuation(b"c"),
    ]
    assert as_frame(Frame.ping()) == Frame.ping()


async def test_a_text_fails_at_its_first_wrong_byte(serve: Serve) -> None:
    """The rest of its frame need not come."""
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x81, b"a\xff" + bytes(100))[:20])
        with pytest.raises(ProtocolError) as caught:
            await websocket.receive()
        assert caught.value.close_code == 1007


async def test_a_declared_length_over_the_limit_fails_at_once(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session, max_message_size=2**20)
        wire.send(long_frame(0x82, bytes(2**21))[:20])
        with pytest.raises(FrameTooBig) as caught:
            await websocket.receive()
        assert caught.value.close_code == 1009


async def test_control_frames_within_a_frame_in_parts(serve: Serve) -> None:
    data = long_frame(0x82, bytes(2**20))
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x02, b"1") + masked(0x89, b"?") + bytes([0x80]) + data[1:])
        assert await websocket.receive_bytes() == b"1" + bytes(2**20)
        assert await wire.read_frame() == (0x8A, b"?")


async def test_no_answers(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session, autoping=False, autoclose=False)
        wire.send(masked(0x89, b"?") + masked(0x88, b"\x03\xe9"))
        assert [message.type.name async for message in websocket] == ["PING"]
        assert websocket.close_code == 1001
        assert session.close_sent is None
        assert not websocket.closed or websocket.close_code
        await websocket.close(1000)
        assert await wire.read_frame() == (0x88, b"\x03\xe8")


async def test_a_pong_behind_a_frame_in_pieces(serve: Serve) -> None:
    """The last of those that had to wait is sent with the next thing that is waited for."""
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        rest = Piece(Opcode.BINARY, True, False, False, False, 2, 1, b"b", True)
        await session.send_piece(rest._replace(offset=0, payload=b"a", last=False))
        wire.send(masked(0x89, b"1") + masked(0x89, b"2") + masked(0x81, b"x"))
        assert await websocket.receive_str() == "x"
        await session.send_piece(rest)
        wire.send(masked(0x81, b"y"))
        receiving = asyncio.ensure_future(websocket.receive_str())
        assert await wire.read_frame() == (0x82, b"ab")
        assert await receiving == "y"
        wire.send(masked(0x81, b"z"))
        assert await websocket.receive_str() == "z"
        assert await wire.read_frame() == (0x8A, b"2")


async def test_no_answer_behind_our_close(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        await session.close(1000)
        wire.send(masked(0x89) + masked(0x81, b"late") + masked(0x88, b"\x03\xe8"))
        assert [message.data async for message in websocket] == ["late"]
        assert await wire.read_frame() == (0x88, b"\x03\xe8")
        wire.end()


async def test_a_peer_that_pings_and_does_not_read(serve: Serve) -> None:
    """What it can make wait here is bounded: then the last Pong waits for all."""
    async with both_ends(serve, receive_limit=2**16) as (session, wire):
        wire.transport.pause_reading()
        websocket = WebSocketSession(session)
        receiving = asyncio.ensure_future(websocket.receive())
        ping = masked(0x89, bytes(125)) * 1000
        while session.write_backlog <= 2**20:
            wire.send(ping)
            await asyncio.sleep(0.001)
        for _ in range(20):
            wire.send(ping)
            await asyncio.sleep(0.001)
        assert session.write_backlog < 2**20 + 256
        wire.transport.abort()
        with pytest.raises(aiohttp_rawws.EndOfStream):
            await receiving


async def test_a_compressed_frame_in_parts(serve: Serve) -> None:
    received: list[str | bytes] = []

    async def handler(websocket: WebSocketSession) -> None:
        async for message in websocket:
            received.append(message.data)

    address = await serve(
        application(
            websocket_handler(handler, max_message_size=20_000),
            extensions=PermessageDeflate.accept,
            max_frame_size=1000,
        )
    )
    async with (
        aiohttp.ClientSession() as client,
        aiohttp_rawws.connect(
            client, address.url(), extensions=PermessageDeflate.offer()
        ) as session,
    ):
        deflate = PermessageDeflate.of(session)
        assert deflate is not None
        for data in (NOISE, NOISE[::-1]):
            frame = deflate.encode(Frame.binary(data))
            octets = masked(0xC2, frame.payload)
            session.write(octets[:3000])
            await asyncio.sleep(0.02)
            session.write(octets[3000:])
        await session.send(deflate.encode(Frame.text("x" * 20_001)))
        close = await session.receive()
        assert close.close_code == 1009
    assert received == [NOISE, NOISE[::-1]]
