"""What `receive` gives: aiohttp's messages, and what tells of the end."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMessage, WSMessageTypeError, WSMsgType

from aiohttp_rawws import Frame, ProtocolError
from tests.compat.conftest import Held
from tests.support.octets import HELLO, masked
from tests.support.waiting import until


async def test_messages(held: Held) -> None:
    behind = masked(0x01, b"Hel") + masked(0x89, b"?") + masked(0x80, b"lo") + masked(0x82, b"\xff")
    async with held(behind=behind) as (websocket, wire):
        assert await websocket.receive() == WSMessage(WSMsgType.TEXT, "Hello", "")
        assert await wire.read_frame() == (0x8A, b"?")
        assert await websocket.receive() == (WSMsgType.BINARY, b"\xff", "")
        wire.send(masked(0x81, b"[1]") * 2)
        assert (await websocket.receive()).json() == [1]
        assert await websocket.receive_json() == [1]
        wire.send(masked(0x82) + masked(0x81))
        with pytest.raises(WSMessageTypeError, match=r"is not WSMsgType\.TEXT"):
            await websocket.receive_str()
        with pytest.raises(WSMessageTypeError, match=r"is not WSMsgType\.BINARY"):
            await websocket.receive_bytes()


async def test_frames_between_messages(held: Held) -> None:
    async with held(behind=masked(0x81, b"one") + masked(0x01, b"two")) as (websocket, wire):
        assert websocket.session.response is websocket
        assert await websocket.receive_str() == "one"
        assert await websocket.session.receive() == Frame.text("two", fin=False)
        await websocket.session.send(Frame.text("Hello"))
        assert await wire.read(7) == HELLO


async def test_pings_and_bytes_as_they_come(held: Held) -> None:
    behind = masked(0x89, b"1") + masked(0x8A, b"2") + masked(0x81, b"\xff")
    async with held(behind=behind, autoping=False, decode_text=False) as (websocket, _):
        assert await websocket.receive() == (WSMsgType.PING, b"1", "")
        assert await websocket.receive() == (WSMsgType.PONG, b"2", "")
        assert await websocket.receive() == (WSMsgType.TEXT, b"\xff", "")


@pytest.mark.parametrize(
    ("close", "code", "extra", "answer"),
    [(b"\x0f\xa1bye", 4001, "bye", b"\x0f\xa1"), (b"", 0, "", b"")],
    ids=["a code", "none"],
)
async def test_a_close(held: Held, close: bytes, code: int, extra: str, answer: bytes) -> None:
    async with held(behind=masked(0x88, close)) as (websocket, wire):
        assert await websocket.receive() == (WSMsgType.CLOSE, code, extra)
        assert await wire.read_frame() == (0x88, answer)
        assert (websocket.closed, websocket.close_code) == (True, code)
        assert await websocket.close() is False
        for _ in range(4):
            assert await websocket.receive() == (WSMsgType.CLOSED, None, None)
        with pytest.raises(RuntimeError, match="WebSocket connection is closed"):
            await websocket.receive()
        with pytest.raises(aiohttp.ClientConnectionResetError):
            await websocket.send_str("late")


async def test_a_close_that_is_not_answered_by_itself(held: Held) -> None:
    async with held(behind=masked(0x88, b"\x03\xe8"), autoclose=False) as (websocket, wire):
        assert (await websocket.receive()).type is WSMsgType.CLOSE
        assert not websocket.closed
        assert (await websocket.receive()).type is WSMsgType.CLOSING
        await websocket.send_str("Hello")
        assert await websocket.close(code=4000, message=b"bye")
        assert await wire.read(7) == HELLO
        assert await wire.read_frame() == (0x88, b"\x0f\xa0bye")


async def test_iteration_ends_at_a_close(held: Held) -> None:
    async with held(behind=masked(0x81, b"1") + masked(0x88)) as (websocket, _):
        assert [message.data async for message in websocket] == ["1"]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_lost_peer(held: Held, reset: bool) -> None:
    async with held() as (websocket, wire):
        receiving = asyncio.ensure_future(websocket.receive())
        await asyncio.sleep(0)
        if reset:
            wire.transport.abort()
        else:
            wire.end()
        assert await receiving == (WSMsgType.CLOSED, None, None)
        assert (websocket.closed, websocket.close_code) == (True, 1006)
        with pytest.raises(aiohttp.ClientConnectionResetError):
            await websocket.send_bytes(b"late")


async def test_a_peer_that_left_while_nobody_received(held: Held) -> None:
    async with held(behind=masked(0x81, b"1")) as (websocket, wire):
        wire.end()
        assert await wire.read_to_end() == b""
        assert await websocket.receive_str() == "1"
        assert (await websocket.receive()).type is WSMsgType.CLOSED


async def test_what_was_sent_arrives_at_a_peer_that_has_ended(held: Held) -> None:
    async with held() as (websocket, wire):
        sending = asyncio.ensure_future(websocket.send_bytes(bytes(2**22)))
        await asyncio.sleep(0)
        websocket.session.send_nowait(Frame.binary(bytes(1000)))
        wire.end()
        await until(lambda: websocket.session.peer_ended)
        assert len(await wire.read_to_end()) == 10 + 2**22 + 4 + 1000
        assert (await websocket.receive()).type is WSMsgType.CLOSED
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize(
    ("sent", "code"),
    [(masked(0xC1), 1002), (masked(0x81, b"\xff"), 1007), (masked(0x82, bytes(9)), 1009)],
    ids=["reserved bit", "not UTF-8", "too big"],
)
async def test_a_violation(held: Held, sent: bytes, code: int) -> None:
    async with held(behind=sent, max_msg_size=8, compress=False) as (websocket, wire):
        messages = [message async for message in websocket]
        assert [message.type for message in messages] == [WSMsgType.ERROR]
        error = messages[0].data
        assert type(error) is aiohttp.WebSocketError
        assert error.code == websocket.close_code == code
        assert isinstance(error.__cause__, ProtocolError)
        assert websocket.exception() is error
        opcode, payload = await wire.read_frame()
        assert (opcode, payload[:2]) == (0x88, code.to_bytes(2, "big"))


async def test_a_timeout_loses_nothing(held: Held) -> None:
    async with held(receive_timeout=0.001) as (websocket, wire):
        with pytest.raises(asyncio.TimeoutError):
            await websocket.receive()
        wire.send(masked(0x81, b"1"))
        assert (await websocket.receive(timeout=20)).data == "1"
        with pytest.raises(asyncio.TimeoutError):
            await websocket.receive_str(timeout=0.001)
        assert websocket.close_code is None


async def test_one_receives(held: Held) -> None:
    async with held() as (websocket, _):
        receiving = asyncio.ensure_future(websocket.receive())
        await asyncio.sleep(0)
        second: Any
        for second in (websocket.receive, websocket.__anext__):
            with pytest.raises(RuntimeError, match="Concurrent call"):
                await second()
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving


async def test_a_message_that_is_bigger_than_a_frame_may_be(held: Held) -> None:
    async with held(
        behind=masked(0x82, bytes(200)), setup={"max_frame_size": 100}, max_msg_size=0
    ) as (websocket, _):
        assert await websocket.receive_bytes() == bytes(200)
