"""The end of the stream, in each way to receive."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketError, RawWebSocketSession, Violation
from tests.support.conversation import CLOSE
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import reset, taken
from tests.support.waiting import soon, turns
from tests.support.ways import EVERY_WAY, Way, all_frames, by_pieces, take_nowait
from tests.support.wire import Wire

Take = Callable[[RawWebSocketSession], Awaitable[object]]
TAKES = pytest.mark.parametrize("take", [RawWebSocketSession.receive, take_nowait])


@TAKES
async def test_after_a_close_nothing_is_received(serve: Serve, take: Take) -> None:
    behind = CLOSE + masked(0x81, b"late") + b"\xff\xff and no WebSocket at all"
    async with both_ends(serve, behind=behind) as (session, wire):
        assert session.close_received is None
        assert await session.receive() == Frame.close(1000, "bye")
        wire.send(b"more of it")
        await taken(session, wire)
        for _ in range(3):
            with pytest.raises(EndOfStream, match="Close") as caught:
                await take(session)
            assert caught.value.__cause__ is None
        assert session.close_received == Frame.close(1000, "bye")
        assert not session.closed
        await session.send(Frame.text("still here"))
        assert await wire.read_frame() == (0x81, b"still here")


@EVERY_WAY
async def test_later_bytes_are_delivered_and_flagged_without_after_close(
    serve: Serve, way: Way
) -> None:
    lenient = Violation.ALL & ~Violation.AFTER_CLOSE
    behind = CLOSE + masked(0x89, b"late") + masked(0x88, b"\x03\xe9")
    async with both_ends(serve, behind=behind, reject=lenient) as (session, wire):
        wire.send(masked(0x81, b"later"))
        wire.end()
        frames = await all_frames(session, way)
        assert session.close_received == Frame.close(1000, "bye")
    assert frames == [
        Frame.close(1000, "bye"),
        Frame.ping(b"late"),
        Frame.close(1001),
        Frame.text("later"),
    ]
    if way is not by_pieces:
        flags = [frame.violations for frame in frames]
        assert flags == [Violation.NONE, *[Violation.AFTER_CLOSE] * 3]


@EVERY_WAY
async def test_the_end_of_the_stream_ends_receiving(serve: Serve, way: Way) -> None:
    async with both_ends(serve, behind=masked(0x81, b"last")) as (session, wire):
        receiving = asyncio.create_task(all_frames(session, way))
        wire.end()
        assert await receiving == [Frame.text("last")]
        assert session.close_received is None
        assert session.exception is None
        with pytest.raises(EndOfStream) as caught:
            await session.receive()
        assert caught.value.__cause__ is None


@BOTH
@EVERY_WAY
async def test_a_reset_ends_receiving_and_tells_why(serve: Serve, way: Way, tls: bool) -> None:
    async with both_ends(serve, behind=masked(0x81, b"last"), tls=tls) as (session, wire):
        receiving = asyncio.create_task(all_frames(session, way))
        await turns()
        reset(wire)
        assert await receiving == [Frame.text("last")]
        assert session.closed
        assert isinstance(session.exception, ConnectionResetError)
        with pytest.raises(EndOfStream, match="lost") as caught:
            await session.receive()
        assert caught.value.__cause__ is session.exception


@BOTH
async def test_an_unfinished_frame_at_the_end_is_dropped(serve: Serve, tls: bool) -> None:
    behind = masked(0x89) + masked(0x81, b"unfinished")[:-1]
    async with both_ends(serve, behind=behind, tls=tls) as (session, wire):
        await wire.close()
        assert await session.receive() == Frame.ping()
        with pytest.raises(EndOfStream, match="middle of a frame"):
            await session.receive()


async def test_end_of_stream_is_an_eof_error(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.end()
        with pytest.raises(EOFError) as caught:
            await session.receive()
        assert isinstance(caught.value, RawWebSocketError)


@BOTH
@pytest.mark.parametrize("handler_cancellation", [False, True])
async def test_a_disconnect_wakes_whoever_waits(
    serve: Serve, tls: bool, handler_cancellation: bool
) -> None:
    """Also where aiohttp cancels handlers: a raw handler sees the same."""
    async with both_ends(serve, tls=tls, handler_cancellation=handler_cancellation) as ends:
        session, wire = ends
        receiving = asyncio.create_task(session.receive())
        closing = asyncio.create_task(session.wait_closed())
        await turns()
        reset(wire)
        await closing
        with pytest.raises(EndOfStream):
            await receiving
        await turns()


@pytest.mark.parametrize("handler_cancellation", [False, True])
async def test_a_handler_that_waits_for_something_else_is_not_cancelled(
    serve: Serve, handler_cancellation: bool
) -> None:
    lost, released, returned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        await session.wait_closed()
        lost.set()
        await released.wait()
        returned.set()

    address = await serve(application(handler), handler_cancellation=handler_cancellation)
    wire = await Wire.upgrade(address)
    reset(wire)
    await soon(lost.wait())
    await turns()
    released.set()
    await soon(returned.wait())
