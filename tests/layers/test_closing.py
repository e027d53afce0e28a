"""The closing handshake, and how it ends where there is none."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from aiohttp_rawws import (
    Frame,
    Piece,
    ProtocolError,
    RawWebSocketSession,
    SessionClosed,
    Violation,
    connect,
)
from aiohttp_rawws.layers import close_handshake
from tests.support.ends import both_ends
from tests.support.octets import MASK, long_frame, masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import read_again, refuse_to_read, reset, taken
from tests.support.waiting import is_cancelled, soon, turns

CLOSE = b"\x03\xe8"
CLOSED = masked(0x88, b"\x0f\xa0bye")  # 4000
LONG = 3600


@contextlib.asynccontextmanager
async def lasting(least: float, most: float) -> AsyncIterator[None]:
    """A bound for how long the block takes, in seconds."""
    start = time.monotonic()
    yield
    # A loop's timer may come a little early.
    assert least - 0.01 <= time.monotonic() - start < most


@BOTH
async def test_it_gives_the_peers_close(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        closing = asyncio.create_task(close_handshake(session, 4404, "not here", timeout=LONG))
        assert await wire.read_frame() == (0x88, b"\x11\x34not here")
        await turns()
        assert not closing.done()
        wire.send(CLOSED)
        assert await closing == Frame.close(4000, "bye")
        assert session.close_received == Frame.close(4000, "bye")
        assert not session.closed


@pytest.mark.parametrize(("code", "payload"), [(1000, CLOSE), (None, b"")])
async def test_codes(serve: Serve, code: int | None, payload: bytes) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x88))
        assert await close_handshake(session, code) == Frame.close()
        assert await wire.read_frame() == (0x88, payload)


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1000, "a" * 124), (None, "why")])
async def test_a_close_that_may_not_be_sent(serve: Serve, code: int | None, reason: str) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(ValueError, match="close"):
            await close_handshake(session, code, reason)
        assert session.close_sent is None
        wire.send(CLOSED)
        assert await close_handshake(session) == Frame.close(4000, "bye")


@BOTH
async def test_what_comes_before_is_thrown_away(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls, max_frame_size=1024, receive_limit=4096) as (
        session,
        wire,
    ):
        wire.send(masked(0x01, b"begun") + masked(0x89, b"?") + masked(0x00, b"more"))
        wire.send(long_frame(0x80, bytes(300_000)) + masked(0x82) * 1000 + CLOSED)
        assert await close_handshake(session, timeout=LONG) == Frame.close(4000, "bye")
        session.write(b"end")
        # No Pong is among what was sent: none may follow a Close (section 5.5.1).
        assert await wire.read(7) == b"\x88\x02" + CLOSE + b"end"


async def test_half_a_frame_is_not_in_the_way(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(b"\x82\x8a" + MASK + bytes(4))
        async for piece in session.pieces():
            assert isinstance(piece, Piece)
            assert not piece.last
            break
        wire.send(bytes(6) + CLOSED)
        assert await close_handshake(session, timeout=LONG) == Frame.close(4000, "bye")


async def test_the_peers_close_came_first(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(CLOSED)
        assert await session.receive() == Frame.close(4000, "bye")
        assert await close_handshake(session, 1001, timeout=LONG) == Frame.close(4000, "bye")
        assert await wire.read_frame() == (0x88, b"\x03\xe9")


async def test_our_close_was_sent_before(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.close(1001)
        wire.send(CLOSED)
        assert await close_handshake(session, timeout=LONG) == Frame.close(4000, "bye")
        session.write(b"end")
        assert await wire.read(7) == b"\x88\x02\x03\xe9end"


async def test_it_ends_with_the_close_where_frames_may_follow_it(serve: Serve) -> None:
    reject = Violation.ALL & ~Violation.AFTER_CLOSE
    async with both_ends(serve, reject=reject) as (session, wire):
        wire.send(CLOSED + masked(0x81, b"behind"))
        assert await close_handshake(session, timeout=LONG) == Frame.close(4000, "bye")
        assert await close_handshake(session, timeout=LONG) == Frame.close(4000, "bye")
        assert (await session.receive()).payload == b"behind"


# -- where the peer's Close does not come ----------------------------------------------------


@BOTH
async def test_a_silent_peer(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        async with lasting(0.1, 5):
            assert await close_handshake(session, timeout=0.1) is None
        assert not is_cancelled()
        assert await wire.read_frame() == (0x88, CLOSE)
        # It may be asked for again.
        wire.send(CLOSED)
        assert await close_handshake(session, timeout=LONG) == Frame.close(4000, "bye")


@BOTH
@pytest.mark.parametrize(
    "chunk",
    [masked(0x82, bytes(30_000)), masked(0x82) * 5000, masked(0x89) * 5000],
    ids=["frames", "empty frames", "pings"],
)
async def test_a_peer_that_floods_does_not_prolong_it(
    serve: Serve, chunk: bytes, tls: bool
) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):

        async def flood() -> None:
            while True:
                wire.send(chunk)
                await wire.writer.drain()
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        async with lasting(0.2, 5):
            assert await close_handshake(session, timeout=0.2) is None
        flooding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flooding
        wire.transport.abort()


@BOTH
async def test_a_peer_that_does_not_read(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls, linger=0.1) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(2**23)))
        async with lasting(0.1, 5):
            assert await close_handshake(session, timeout=0.1) is None
        assert session.close_sent == Frame.close(1000)
        assert session.write_backlog > 0
        session.abort()
        read_again(wire)


async def test_a_peer_that_ends_its_stream(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x81, b"last") + b"\x81")
        wire.end()
        assert await close_handshake(session, timeout=LONG) is None
        assert await wire.read_frame() == (0x88, CLOSE)


@BOTH
@pytest.mark.parametrize("before", [True, False])
async def test_a_lost_peer(serve: Serve, tls: bool, before: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        if before:
            reset(wire)
            await session.wait_closed()
            assert await close_handshake(session, timeout=LONG) is None
            assert session.close_sent is None
        else:
            closing = asyncio.create_task(close_handshake(session, timeout=LONG))
            await wire.read_frame()
            reset(wire)
            assert await closing is None


async def test_a_peer_that_breaks_the_protocol_meanwhile(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x81) + masked(0xC1) + CLOSED)
        assert await close_handshake(session, timeout=LONG) is None
        assert await wire.read_frame() == (0x88, CLOSE)
        with pytest.raises(ProtocolError):
            await session.receive()


async def test_a_peer_that_broke_the_protocol_before(serve: Serve) -> None:
    """The way to fail a connection (section 7.1.7)."""
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0xC1) + CLOSED)
        with pytest.raises(ProtocolError) as caught:
            await session.receive()
        code = caught.value.close_code
        assert await close_handshake(session, code, timeout=LONG) is None
        assert await wire.read_frame() == (0x88, b"\x03\xea")


# -- other tasks -----------------------------------------------------------------------------


async def test_another_task_is_receiving(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(session.receive())
        await turns()
        with pytest.raises(RuntimeError, match="another task is receiving"):
            await close_handshake(session)
        assert await wire.read_frame() == (0x88, CLOSE)
        wire.send(CLOSED)
        assert await receiving == Frame.close(4000, "bye")
        assert await close_handshake(session) == Frame.close(4000, "bye")


async def test_it_can_be_cancelled(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        closing = asyncio.create_task(close_handshake(session, timeout=LONG))
        await wire.read_frame()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        wire.send(CLOSED)
        await taken(session, wire)
        assert await session.receive() == Frame.close(4000, "bye")


async def test_its_time_is_over_when_it_returns(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(CLOSED)
        assert await close_handshake(session, timeout=0.05) == Frame.close(4000, "bye")
        await asyncio.sleep(0.1)


async def test_a_cancelled_task_can_still_wait_for_the_peer(serve: Serve) -> None:
    """As a handler does when the server stops."""
    async with both_ends(serve) as (session, wire):
        closes: list[Frame | None] = []

        async def handler() -> None:
            try:
                await session.receive()
            except asyncio.CancelledError:
                closes.append(await close_handshake(session, 1001, timeout=0.05))
                wire.send(CLOSED)
                closes.append(await close_handshake(session, timeout=LONG))
                raise

        task = asyncio.create_task(handler())
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closes == [None, Frame.close(4000, "bye")]


async def test_two_ends(serve: Serve) -> None:
    """Each begins the handshake at the same time as the other."""
    closed = asyncio.get_running_loop().create_future()

    async def handler(session: RawWebSocketSession) -> None:
        closed.set_result(await close_handshake(session, 4001))

    address = await serve(application(handler))
    async with aiohttp.ClientSession() as client, connect(client, address.url()) as session:
        assert await soon(close_handshake(session, 4002)) == Frame.close(4001)
        assert await soon(closed) == Frame.close(4002)
        with pytest.raises(SessionClosed):
            await session.send(Frame.ping())
