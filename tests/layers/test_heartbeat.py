"""Pings, their Pongs, and the silence of a peer."""

import asyncio
import contextlib
import gc
import os
import socket
import time
import weakref
from typing import Any

import pytest

from aiohttp_rawws import EndOfStream, Frame, Opcode, Piece, RawWebSocketSession
from aiohttp_rawws.layers import Heartbeat
from tests.support.ends import both_ends
from tests.support.heartbeats import LONG, SHORT, next_ping
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import read_again, refuse_to_read, reset
from tests.support.waiting import is_cancelled, soon
from tests.support.wire import Wire


async def feed(session: RawWebSocketSession, heartbeat: Heartbeat, number: int = 1) -> None:
    """Receive frames and feed them."""
    for _ in range(number):
        heartbeat.feed(await session.receive())


async def nothing_sent(wire: Wire, seconds: float) -> bool:
    """Whether nothing comes for so long."""
    try:
        await asyncio.wait_for(wire.reader.readexactly(1), seconds)
    except asyncio.TimeoutError:
        return True
    return False


# -- pings and pongs -------------------------------------------------------------------------------


@BOTH
async def test_it_pings_at_intervals(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        start = time.monotonic()
        async with Heartbeat(session, SHORT, LONG):
            pings = [await next_ping(wire) for _ in range(4)]
        assert 4 * SHORT - 0.01 < time.monotonic() - start < 4 * SHORT + 5
        assert len(set(pings)) == 4
        assert all(len(ping) == 8 for ping in pings)
        assert await nothing_sent(wire, 3 * SHORT)


@BOTH
async def test_a_pong_tells_the_round_trip_time(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        async with Heartbeat(session, 4 * SHORT, LONG) as heartbeat:
            assert heartbeat.rtt is None
            ping = await next_ping(wire)
            await asyncio.sleep(3 * SHORT)
            wire.send(masked(0x8A, ping))
            await feed(session, heartbeat)
            assert heartbeat.rtt is not None
            assert 3 * SHORT - 0.01 < heartbeat.rtt < 3 * SHORT + 5
            first = heartbeat.rtt
            await next_ping(wire)
            assert heartbeat.rtt == first
            wire.send(masked(0x8A, await next_ping(wire)))
            await feed(session, heartbeat)
            assert 0 < heartbeat.rtt < first
        assert 0 < heartbeat.rtt < first


async def test_a_late_pong_answers_its_own_ping(serve: Serve) -> None:
    async with (
        both_ends(serve) as (session, wire),
        Heartbeat(session, 4 * SHORT, LONG) as heartbeat,
    ):
        pings = [await next_ping(wire) for _ in range(3)]
        wire.send(masked(0x8A, pings[1]))
        await feed(session, heartbeat)
        assert heartbeat.rtt is not None
        assert heartbeat.rtt > 4 * SHORT - 0.01
        wire.send(masked(0x8A, pings[2]))
        await feed(session, heartbeat)
        assert heartbeat.rtt < 4 * SHORT


async def test_pongs_that_answer_nothing(serve: Serve) -> None:
    """Unasked ones, one for a ping that a later one stands for, and one that comes twice."""
    async with (
        both_ends(serve) as (session, wire),
        Heartbeat(session, SHORT, LONG) as heartbeat,
    ):
        wire.send(masked(0x8A) + masked(0x8A, b"unasked!"))
        await feed(session, heartbeat, 2)
        assert heartbeat.rtt is None
        pings = [await next_ping(wire) for _ in range(2)]
        wire.send(masked(0x8A, pings[1]))
        await feed(session, heartbeat)
        rtt = heartbeat.rtt
        assert rtt is not None
        wire.send(masked(0x8A, pings[0]) + masked(0x8A, pings[1]) + masked(0x8A, b"unasked!"))
        await feed(session, heartbeat, 3)
        # Its payload in another frame is no answer either.
        wire.send(masked(0x82, await next_ping(wire)))
        await feed(session, heartbeat)
        assert heartbeat.rtt == rtt


async def test_pings_that_are_never_answered_are_forgotten(serve: Serve) -> None:
    async with (
        both_ends(serve) as (session, wire),
        Heartbeat(session, 0.001, LONG) as heartbeat,
    ):
        pings = [await next_ping(wire) for _ in range(70)]
        heartbeat.feed(Frame.pong(pings[0]))
        assert heartbeat.rtt is None
        heartbeat.feed(Frame.pong(pings[-1]))
        assert heartbeat.rtt is not None


# -- life ------------------------------------------------------------------------------------------


@BOTH
async def test_silence_ends_the_block(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        start = time.monotonic()
        with pytest.raises(TimeoutError, match=r"the peer was silent for 0\.1 s"):
            async with Heartbeat(session, SHORT, 2 * SHORT) as heartbeat:
                await session.receive()
        assert 3 * SHORT - 0.01 < time.monotonic() - start < 5
        assert heartbeat.rtt is None
        assert not is_cancelled()
        # It tells, and does nothing else.
        assert not session.closed
        assert session.close_sent is None
        wire.send(masked(0x81, b"late"))
        assert (await session.receive()).payload == b"late"


@pytest.mark.parametrize(
    "data",
    [masked(0x81, b"text"), masked(0x8A, b"unasked"), masked(0x89)],
    ids=["text", "pong", "ping"],
)
async def test_any_frame_is_life(serve: Serve, data: bytes) -> None:
    """For twice the timeout, without one answer to a Ping."""
    fed = 0
    async with both_ends(serve) as (session, wire):
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 4 * SHORT) as heartbeat:
                while fed < 8:
                    await next_ping(wire)
                    wire.send(data)
                    await feed(session, heartbeat)
                    fed += 1
                await session.receive()
    assert fed == 8
    assert heartbeat.rtt is None


async def test_a_piece_is_life(serve: Serve) -> None:
    fed = 0
    async with both_ends(serve) as (session, wire):
        wire.send(b"\x82\xbf" + bytes(4))
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 4 * SHORT) as heartbeat:
                wire.send(b"x")
                async for item in session.pieces():
                    heartbeat.feed(item)
                    fed += 1
                    await next_ping(wire)
                    wire.send(b"x" if fed < 8 else b"")
    assert fed == 8


async def test_without_a_ping_silence_is_no_matter(serve: Serve) -> None:
    async with both_ends(serve) as (session, _), Heartbeat(session, LONG, 0.001):
        await asyncio.sleep(SHORT)


async def test_what_came_while_the_loop_was_held_up_counts(serve: Serve) -> None:
    """A loop may come to its timers before it reads."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        ours, theirs = map(stack.enter_context, socket.socketpair())

        def hold_up() -> None:
            ours.recv(1)
            os.write(wire.writer.get_extra_info("socket").fileno(), masked(0x81, b"in time"))
            time.sleep(4 * SHORT)

        async with (
            both_ends(serve) as (session, wire),
            Heartbeat(session, SHORT, SHORT) as heartbeat,
        ):
            await next_ping(wire)
            loop.add_reader(ours, hold_up)
            stack.callback(loop.remove_reader, ours)
            theirs.send(b"!")
            await feed(session, heartbeat)


async def test_whatever_the_block_awaits_is_broken_off(serve: Serve) -> None:
    async with both_ends(serve, linger=0.1) as (session, wire):
        refuse_to_read(session, wire)
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, SHORT):
                while True:
                    await session.send(Frame.binary(bytes(2**20)))
        session.abort()
        read_again(wire)


# -- when no ping can be sent ----------------------------------------------------------------------


@BOTH
async def test_no_ping_follows_a_close(
    serve: Serve, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with both_ends(serve, tls=tls) as (session, wire), Heartbeat(session, SHORT, LONG):
        await session.close(1000)
        assert await wire.read_frame() == (0x88, b"\x03\xe8")
        assert await nothing_sent(wire, 3 * SHORT)
    assert not caplog.records


@BOTH
async def test_no_ping_follows_the_peers_close(serve: Serve, tls: bool) -> None:
    """It would not be answered, whether or not the Close was received."""
    async with both_ends(serve, tls=tls) as (session, wire), Heartbeat(session, SHORT, LONG):
        wire.send(masked(0x88))
        assert await nothing_sent(wire, 3 * SHORT)
        assert session.close_received is None
        await session.receive()
        assert await nothing_sent(wire, 3 * SHORT)


async def test_silence_after_a_close_ends_the_block_too(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 2 * SHORT):
                await next_ping(wire)
                await session.close(1000)
                await session.receive()


async def test_no_ping_follows_an_end(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire), Heartbeat(session, SHORT, LONG):
        session.write_eof()
        assert await wire.read_to_end() == b""
        await asyncio.sleep(3 * SHORT)


@BOTH
async def test_a_lost_connection_is_no_timeout(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        with pytest.raises(EndOfStream, match=r"the peer ended 0\.15 s ago"):
            async with Heartbeat(session, SHORT, 3 * SHORT):
                await next_ping(wire)
                reset(wire)
                with pytest.raises(EndOfStream):
                    await session.receive()
                await asyncio.sleep(LONG)


@BOTH
async def test_pings_do_not_pile_up(serve: Serve, tls: bool) -> None:
    """One waits for a peer that does not read; the silence ends the block all the same."""
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(2**23)))
        # Nothing goes through any more.
        before = 0
        while before != session.write_backlog:
            before = session.write_backlog
            await asyncio.sleep(SHORT)
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 10 * SHORT):
                await asyncio.sleep(LONG)
        grown = session.write_backlog - before
        assert 0 < grown < 100 if tls else grown == 10
        # One that was heard of meanwhile is missed again, though no other ping could be sent.
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                await asyncio.sleep(2 * SHORT)
                wire.send(masked(0x81, b"alive"))
                await asyncio.sleep(LONG)
        read_again(wire)
        await wire.read(10 + 2**23)
        assert await next_ping(wire)
        assert await next_ping(wire)
        assert await nothing_sent(wire, 3 * SHORT)


async def test_no_ping_stands_between_pieces(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with both_ends(serve) as (session, wire), Heartbeat(session, SHORT, LONG):
        bits = (Opcode.BINARY, True, False, False, False, 2)
        await session.send_piece(Piece(*bits, 0, b"a", False))
        await asyncio.sleep(3 * SHORT)
        await session.send_piece(Piece(*bits, 1, b"b", True))
        assert await wire.read_frame() == (0x82, b"ab")
        await next_ping(wire)
    assert not caplog.records


# -- the block -------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [(0, 1), (1, 0), (-1, 1), (1, -1), (float("nan"), 1)])
async def test_times_are_positive(serve: Serve, times: tuple[float, float]) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(ValueError, match="positive"):
            Heartbeat(session, *times)


async def test_one_block_at_a_time(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        heartbeat = Heartbeat(session, SHORT, LONG)
        for _ in range(2):
            async with heartbeat:
                with pytest.raises(RuntimeError, match="running already"):
                    await heartbeat.__aenter__()
                await next_ping(wire)


async def test_a_frame_fed_outside_of_the_block_is_no_matter(serve: Serve) -> None:
    async with both_ends(serve) as (session, _):
        heartbeat = Heartbeat(session, SHORT, LONG)
        heartbeat.feed(Frame.pong())
        assert heartbeat.rtt is None


@pytest.mark.parametrize("error", [KeyError, TimeoutError, asyncio.CancelledError])
async def test_errors_of_the_block_are_its_own(serve: Serve, error: type[BaseException]) -> None:
    async with both_ends(serve) as (session, _):
        raised = error("own")
        with pytest.raises(error) as caught:
            async with Heartbeat(session, SHORT, SHORT):
                raise raised
        assert caught.value is raised


async def test_a_cancellation_from_outside_is_no_timeout(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):

        async def run() -> None:
            async with Heartbeat(session, SHORT, LONG):
                await session.receive()

        task = asyncio.create_task(run())
        await next_ping(wire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert await nothing_sent(wire, 3 * SHORT)


async def test_a_timeout_within_the_block(serve: Serve) -> None:
    """Each of the two ends what is its own."""
    async with both_ends(serve) as (session, wire):
        with pytest.raises(TimeoutError, match="silent"):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                await next_ping(wire)
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(session.receive(), SHORT)
                await asyncio.wait_for(session.receive(), LONG)
        wire.send(masked(0x81, b"kept"))
        assert (await session.receive()).payload == b"kept"


async def test_what_comes_behind_the_block_is_left_alone(serve: Serve) -> None:
    """Also where a Ping was not answered yet."""
    async with both_ends(serve) as (session, wire):
        async with Heartbeat(session, SHORT, 2 * SHORT):
            await next_ping(wire)
        assert await nothing_sent(wire, 4 * SHORT)


async def test_it_lets_go_of_its_session(serve: Serve) -> None:
    beats: list[Any] = []

    async def handler(session: RawWebSocketSession) -> None:
        async with Heartbeat(session, LONG, LONG) as heartbeat:
            beats.append(weakref.ref(session))
            async for frame in session:
                heartbeat.feed(frame)

    wire = await Wire.upgrade(await serve(application(handler)))
    wire.send(masked(0x88))
    await wire.read_to_end()
    await soon(wire.close())
    for _ in range(100):
        gc.collect()
        if beats[0]() is None:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the session is still there")
