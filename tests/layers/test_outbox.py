"""How a `WebSocketSession` sends: whole messages of many tasks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, Piece, SessionClosed
from aiohttp_rawws.layers import PermessageDeflate, WebSocketSession
from aiohttp_rawws.layers.outbox import Outbox
from tests.support.ends import both_ends
from tests.support.servers import Serve


async def items(*given: Any) -> AsyncIterator[Any]:
    for item in given:
        yield item


@pytest.mark.parametrize(
    ("given", "frames"),
    [
        (["Hel", "", "lo"], [(0x01, b"Hel"), (0x00, b""), (0x00, b"lo"), (0x80, b"")]),
        ([b"1", bytearray(b"2")], [(0x02, b"1"), (0x00, b"2"), (0x80, b"")]),
        ([], []),
    ],
    ids=["text", "binary", "nothing"],
)
async def test_fragments(serve: Serve, given: list[Any], frames: list[tuple[int, bytes]]) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        await websocket.send_fragments(items(*given))
        await websocket.send_str("next")
        for frame in (*frames, (0x81, b"next")):
            assert await wire.read_frame() == frame


async def test_no_message_stands_within_another(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            yield "a"
            await go_on.wait()
            yield "b"

        sending = asyncio.ensure_future(websocket.send_fragments(slow()))
        assert await wire.read_frame() == (0x01, b"a")
        others = [
            asyncio.ensure_future(each)
            for each in (websocket.send_str("c"), websocket.send_fragments(items("d")))
        ]
        await websocket.ping()
        assert await wire.read_frame() == (0x89, b"")
        assert not any(other.done() for other in others)
        go_on.set()
        await asyncio.gather(sending, *others)
        frames = [await wire.read_frame() for _ in range(5)]
        assert frames[:2] == [(0x00, b"b"), (0x80, b"")]
        assert sorted(frames[2:]) == [(0x01, b"d"), (0x80, b""), (0x81, b"c")]
        assert frames.index((0x80, b""), 2) == frames.index((0x01, b"d")) + 1


async def test_messages_leave_in_the_order_of_the_calls(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            yield "1"
            await go_on.wait()

        async def first() -> None:
            await websocket.send_fragments(slow())
            await websocket.send_str("4")

        async def second(data: str) -> None:
            await websocket.send_str(data)

        sending = [asyncio.ensure_future(each) for each in (first(), second("2"), second("3"))]
        await asyncio.sleep(0)
        cancelled = asyncio.ensure_future(second("cancelled"))
        await asyncio.sleep(0)
        cancelled.cancel()
        go_on.set()
        await asyncio.gather(*sending)
        assert [(await wire.read_frame())[1] for _ in range(5)] == [b"1", b"", b"2", b"3", b"4"]
        assert cancelled.cancelled()
        await websocket.send_str("5")
        assert await wire.read_frame() == (0x81, b"5")


@pytest.mark.parametrize("given", ["text", [b"a", b"b"], 7], ids=str)
async def test_no_asynchronous_iterable(serve: Serve, given: Any) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(TypeError, match="takes an asynchronous iterable"):
            await WebSocketSession(session).send_fragments(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["a", b"b"], "all str, or all bytes"),
        ([b"a", "b"], "all str, or all bytes"),
        ([b"a", 1], "a fragment is a str or bytes"),
    ],
    ids=str,
)
async def test_a_message_that_stays_unfinished(serve: Serve, given: Any, words: str) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        with pytest.raises(TypeError, match=words):
            await websocket.send_fragments(items(*given))
        for send in (websocket.send_str("c"), websocket.send_fragments(items("c"))):
            with pytest.raises(SessionClosed, match="left unfinished"):
                await send
        await wire.read_frame()
        await websocket.ping()
        assert await wire.read_frame() == (0x89, b"")


async def test_a_wrong_first_item_costs_nothing(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        with pytest.raises(TypeError, match="a fragment is"):
            await websocket.send_fragments(items(1))
        await websocket.send_str("a")
        assert await wire.read_frame() == (0x81, b"a")


async def test_nothing_is_compressed_that_cannot_be_sent(serve: Serve) -> None:
    """What the peer never gets must not be referred to."""
    async with both_ends(serve) as (session, wire):
        outbox = Outbox(session, PermessageDeflate(is_client=False))
        rest = Piece(Opcode.BINARY, True, False, False, False, 2, 1, b"b", True)
        await session.send_piece(rest._replace(offset=0, payload=b"a", last=False))
        with pytest.raises(RuntimeError, match="a frame is half sent"):
            outbox.send(Frame.text("Hello"))
        await session.send_piece(rest)
        assert outbox.send(Frame.text("Hello")) is None
        assert await wire.read_frame() == (0x82, b"ab")
        peer = PermessageDeflate(is_client=True)
        head, payload = await wire.read_frame()
        assert head == 0xC1
        assert peer.decode(Frame(Opcode.TEXT, payload, rsv1=True)) == Frame.text("Hello")


@pytest.mark.parametrize("whole", [True, False])
async def test_a_slow_peer(serve: Serve, whole: bool) -> None:
    """A message that waits for its turn waits for the peer, too."""
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.transport.pause_reading()
        data = bytes(2**20)

        async def big() -> AsyncIterator[bytes]:
            for _ in range(8):
                yield data

        first = asyncio.ensure_future(websocket.send_fragments(big()))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(
            websocket.send_bytes(data) if whole else websocket.send_fragments(big())
        )
        await asyncio.sleep(0.1)
        assert not first.done()
        assert session.write_backlog < 2 * len(data)
        wire.transport.resume_reading()
        while not (first.done() and second.done()):
            await wire.read_frame()
        await asyncio.gather(first, second)
