"""Messages over a raw session: what a `WebSocketSession` receives, sends and says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

import aiohttp_rawws
from aiohttp_rawws import (
    EndOfStream,
    Frame,
    FrameTooBig,
    Opcode,
    RawWebSocketSession,
    SessionClosed,
)
from aiohttp_rawws.layers import Message, PermessageDeflate, WebSocketSession, websocket_handler
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.waiting import soon
from tests.support.wire import Wire


async def echo(websocket: WebSocketSession) -> None:
    async for message in websocket:
        if isinstance(message.data, str):
            await websocket.send_str(message.data)
        else:
            await websocket.send_bytes(message.data)


# -- a whole endpoint ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (masked(0x89, b"?") + masked(0x88, b"\x0f\xa0"), [(0x8A, b"?"), (0x88, b"\x0f\xa0")]),
        (
            masked(0x01, b"Hel") + masked(0x89) + masked(0x80, b"lo") + masked(0x88),
            [(0x8A, b""), (0x81, b"Hello"), (0x88, b"")],
        ),
        (masked(0x82, b"\xff") + masked(0x88), [(0x82, b"\xff"), (0x88, b"")]),
        (masked(0x01, b"\xff") + masked(0x88), [(0x88, b"\x03\xef")]),
        (masked(0xC1) + masked(0x88), [(0x88, b"\x03\xea")]),
        (masked(0x80), [(0x88, b"\x03\xea")]),
        (masked(0x88, b"\x03"), [(0x88, b"\x03\xea")]),
        (masked(0x8A, b"unasked") + masked(0x88), [(0x88, b"")]),
    ],
    ids=[
        "ping",
        "fragments",
        "binary",
        "not UTF-8",
        "reserved bit",
        "continuation",
        "bad close",
        "pong",
    ],
)
async def test_an_endpoint(
    serve: Serve, tls: bool, sent: bytes, answers: list[tuple[int, bytes]]
) -> None:
    wire = await Wire.upgrade(await serve(application(websocket_handler(echo)), tls=tls))
    wire.send(sent)
    for head, payload in answers:
        got = await wire.read_frame()
        # A Close of a violation tells the reason, too.
        assert (got[0], got[1][: len(payload)]) == (head, payload)
    assert await wire.read_to_end() == b""
    await soon(wire.close())


async def test_a_server_and_a_client(serve: Serve) -> None:
    address = await serve(application(websocket_handler(echo)))
    async with (
        aiohttp.ClientSession() as client,
        aiohttp_rawws.connect(client, address.url()) as session,
        WebSocketSession(session) as websocket,
    ):
        assert websocket.request is None
        await websocket.send_json({"a": [1]})
        message = await websocket.receive()
        assert message == Message(Opcode.TEXT, '{"a": [1]}')
        assert message.type is WSMsgType.TEXT
        assert message.json() == {"a": [1]}
        await websocket.send_bytes(bytearray(b"1"))
        assert (await websocket.receive()).json() == 1
        assert websocket.close_code is None
        await websocket.close(4000, "done")
        assert websocket.close_code == 4000
        assert websocket.closed
    assert session.close_sent == Frame.close(4000, "done")


async def test_no_close_reply_is_a_trap_any_more(serve: Serve) -> None:
    """aiohttp's own client sees an orderly end."""
    address = await serve(application(websocket_handler(echo)))
    async with aiohttp.ClientSession() as client, client.ws_connect(address.url()) as socket:
        await socket.ping(b"?")
        await socket.send_str("Hello")
        assert await socket.receive_str() == "Hello"
        await socket.close(code=4001)
        assert socket.close_code == 4001


# -- receiving -------------------------------------------------------------------------------------


async def test_the_kind_that_is_expected(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x81, b"a") + masked(0x82, b"b") + masked(0x81, b"[1]"))
        assert await websocket.receive_str() == "a"
        assert await websocket.receive_bytes() == b"b"
        assert await websocket.receive_json() == [1]
        wire.send(masked(0x82, b"a") + masked(0x81, b"b") + masked(0x82, b"1"))
        with pytest.raises(TypeError, match="expected a text, got BINARY"):
            await websocket.receive_str()
        with pytest.raises(TypeError, match="expected a binary message, got TEXT"):
            await websocket.receive_bytes()
        with pytest.raises(TypeError, match="expected a text, got BINARY"):
            await websocket.receive_json()


async def test_receiving_is_safe_to_cancel(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x01, b"Hel"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(websocket.receive(), 0.05)
        wire.send(masked(0x80, b"lo"))
        assert await websocket.receive_str() == "Hello"


async def test_a_second_receiver_is_refused(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        first = asyncio.ensure_future(websocket.receive())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task is receiving"):
            await websocket.receive()
        wire.send(masked(0x81, b"a"))
        assert await first == Message(Opcode.TEXT, "a")


async def test_raw_frames_before_and_behind(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89, b"raw") + masked(0x81, b"a") + masked(0x89, b"raw"))
        assert await session.receive() == Frame.ping(b"raw")
        websocket = WebSocketSession(session)
        assert websocket.session is session
        assert websocket.request is session.request
        assert websocket.protocol is None
        assert await websocket.receive_str() == "a"
        assert await session.receive() == Frame.ping(b"raw")
        assert str(session) in repr(websocket)


async def test_the_peers_end(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x81, b"a") + masked(0x88, b"\x0f\xa0bye"))
        assert [message.data async for message in websocket] == ["a"]
        assert websocket.close_code == 4000
        for _ in range(2):
            with pytest.raises(EndOfStream, match="the peer has sent a Close"):
                await websocket.receive()
        with pytest.raises(SessionClosed):
            await websocket.send_str("a")
        assert await wire.read_frame() == (0x88, b"\x0f\xa0")


async def test_a_close_without_a_code(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x88))
        assert [message async for message in websocket] == []
        assert websocket.close_code == 1005


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_a_loss(serve: Serve, how: str) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        if how == "fin":
            wire.end()
        else:
            wire.transport.abort()
        assert [message async for message in websocket] == []
        assert websocket.close_code == 1006
        with pytest.raises(EndOfStream):
            await websocket.receive()
        for send in (websocket.send_str("a"), websocket.send_bytes(b"a")):
            with pytest.raises(SessionClosed):
                await send
        await websocket.close()
        assert session.close_sent is None


async def test_a_violation_is_raised_again(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session, max_message_size=10)
        wire.send(masked(0x82, bytes(11)) + masked(0x82))
        for _ in range(3):
            with pytest.raises(FrameTooBig, match="over max_message_size"):
                await websocket.receive()


async def test_a_message_over_max_frame_size(serve: Serve) -> None:
    async with both_ends(serve, max_frame_size=10) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x82, bytes(100)))
        assert await websocket.receive_bytes() == bytes(100)


# -- sending ---------------------------------------------------------------------------------------


async def fragments(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def test_wrong_arguments(serve: Serve) -> None:
    async with both_ends(serve) as (session, _):
        websocket = WebSocketSession(session)
        wrong: Any
        for wrong in (
            websocket.send_str(b"a"),  # type: ignore[arg-type]
            websocket.send_bytes("a"),  # type: ignore[arg-type]
            websocket.send_json(object()),
            websocket.ping("a"),  # type: ignore[arg-type]
        ):
            with pytest.raises(TypeError):
                await wrong
        with pytest.raises(ValueError, match="1006"):
            await websocket.close(1006)


async def test_pings_and_pongs_by_hand(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session, autoping=False)
        await websocket.ping(b"1")
        await websocket.pong(b"2")
        assert await wire.read_frame() == (0x89, b"1")
        assert await wire.read_frame() == (0x8A, b"2")
        wire.send(masked(0x8A, b"1") + masked(0x89, b"3"))
        assert await websocket.receive() == Message(Opcode.PONG, b"1")
        message = await websocket.receive()
        assert (message.type, message.data) == (WSMsgType.PING, b"3")


async def test_a_send_waits_for_a_slow_peer(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.transport.pause_reading()

        async def send() -> None:
            for _ in range(64):
                await websocket.send_bytes(bytes(2**18))

        sending = asyncio.ensure_future(send())
        await asyncio.sleep(0.1)
        assert not sending.done()
        assert session.write_backlog < 2**20
        wire.transport.resume_reading()
        for _ in range(64):
            await wire.read_frame()
        await sending


# -- compression -----------------------------------------------------------------------------------


async def test_compressed_as_negotiated(serve: Serve) -> None:
    address = await serve(application(websocket_handler(echo), extensions=PermessageDeflate.accept))
    async with (
        aiohttp.ClientSession() as client,
        aiohttp_rawws.connect(client, address.url(), extensions=PermessageDeflate.offer()) as raw,
        WebSocketSession(raw) as websocket,
    ):
        taken = []
        for text in ("Hello" * 100, "Hello" * 100):
            before = raw.bytes_received
            await websocket.send_str(text)
            assert await websocket.receive_str() == text
            taken.append(raw.bytes_received - before)
        # The second one refers to the first.
        assert taken[1] < taken[0] < 50
        await websocket.send_fragments(fragments("Hel" * 50, "lo" * 50))
        assert await websocket.receive_str() == "Hel" * 50 + "lo" * 50
        await websocket.send_bytes(b"")
        assert await websocket.receive_bytes() == b""


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"heartbeat": 0}, ValueError),
        ({"heartbeat": "1"}, TypeError),
        ({"heartbeat": (1, 2, 3)}, TypeError),
        ({"heartbeat": (1, 0)}, ValueError),
        ({"max_message_size": 0}, ValueError),
        ({"close_timeout": -1}, ValueError),
        ({"autopong": True}, TypeError),
    ],
    ids=str,
)
async def test_wrong_options(serve: Serve, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        websocket_handler(echo, **options)
    async with both_ends(serve) as (session, _):
        with pytest.raises(error):
            WebSocketSession(session, **options)


async def test_frames_and_messages_take_turns_with_compression(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    """Frames, messages and frames again: the state of the compression goes on."""

    async def by_frame(session: RawWebSocketSession) -> None:
        deflate = PermessageDeflate.of(session)
        assert deflate is not None
        await session.send(deflate.encode(deflate.decode(await session.receive())))

    async def handler(session: RawWebSocketSession) -> None:
        await by_frame(session)
        websocket = WebSocketSession(session)
        await websocket.send_str(await websocket.receive_str())
        await by_frame(session)
        async with WebSocketSession(session) as websocket:
            await echo(websocket)

    address = await serve(application(handler, extensions=PermessageDeflate.accept))
    async with http.ws_connect(address.url(), compress=15) as websocket:
        assert websocket.compress
        for _ in range(5):
            await websocket.send_str("Hello " * 9)
            assert await soon(websocket.receive_str()) == "Hello " * 9


def test_wrong_handlers_and_sessions() -> None:
    with pytest.raises(TypeError, match="takes a session"):
        WebSocketSession(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a coroutine function"):
        websocket_handler(print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="websocket_handler takes no option 'hartbeat'"):
        websocket_handler(echo, hartbeat=20)  # type: ignore[call-arg]


def test_the_name_of_a_handler() -> None:
    assert websocket_handler(echo).__name__ == "echo"
