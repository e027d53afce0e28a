"""A heartbeat ends a handler that waits for something else than frames."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession, connect
from aiohttp_rawws.layers import Heartbeat
from tests.support.ends import both_ends
from tests.support.handshakes import Opening, answer, request
from tests.support.heartbeats import LINUX, LONG, SHORT, ends_between, next_ping, read_some
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import reset, taken
from tests.support.waiting import is_cancelled, patience, soon, turns
from tests.support.wire import ByHand, Wire

CLOSE = masked(0x88, b"\x03\xe8")


# -- the end of the connection ---------------------------------------------------------------------


async def fin(wire: Wire) -> None:
    wire.writer.close()


async def half_close(wire: Wire) -> None:
    if wire.transport.can_write_eof():
        wire.end()
    else:
        wire.writer.close()


async def rst(wire: Wire) -> None:
    reset(wire)


async def close(wire: Wire) -> None:
    wire.send(CLOSE)


async def close_and_fin(wire: Wire) -> None:
    wire.send(CLOSE)
    wire.writer.close()


End = Callable[[Wire], Awaitable[None]]
ENDS: list[End] = [fin, half_close, rst, close, close_and_fin]


@BOTH
@pytest.mark.parametrize("end", ENDS)
async def test_an_end_ends_the_block_wherever_it_waits(serve: Serve, end: End, tls: bool) -> None:
    """After the timeout, with no Ping due."""
    async with both_ends(serve, tls=tls) as (session, wire), ends_between(4 * SHORT, 4 * SHORT):
        with pytest.raises(EndOfStream, match=r"the peer ended 0\.2 s ago"):
            async with Heartbeat(session, LONG, 4 * SHORT):
                await end(wire)
                await asyncio.Event().wait()
        assert not is_cancelled()
        assert session.peer_ended
        assert session.close_sent is None


@pytest.mark.parametrize("end", ENDS)
async def test_an_end_while_it_pings(serve: Serve, end: End) -> None:
    """There is no silence to tell of, however often a Ping would be due."""
    async with both_ends(serve) as (session, wire):
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        with pytest.raises(EndOfStream):
            async with Heartbeat(session, SHORT / 2, 3 * SHORT):
                await next_ping(wire)
                await end(wire)
                await queue.get()


@BOTH
async def test_our_own_abort_is_an_end(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, _):
        with pytest.raises(EndOfStream):
            async with Heartbeat(session, LONG, SHORT):
                session.abort()
                await asyncio.Event().wait()


async def test_an_end_before_the_block(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x81, b"before") + CLOSE)
        await taken(session, wire)
        async with ends_between(2 * SHORT, 2 * SHORT):
            with pytest.raises(EndOfStream):
                async with Heartbeat(session, SHORT, 2 * SHORT):
                    await asyncio.Event().wait()
        # It has taken nothing away, and sent nothing.
        assert await session.receive() == Frame.text("before")
        await session.close()
        assert await wire.read(4) == b"\x88\x02\x03\xe8"


@BOTH
async def test_a_connection_that_was_lost_before_the_block(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        reset(wire)
        while not session.closed:
            await asyncio.sleep(0)
        await turns()
        with pytest.raises(EndOfStream):
            async with Heartbeat(session, SHORT, 2 * SHORT):
                await asyncio.Event().wait()


@pytest.mark.parametrize("end", ENDS[:2] + ENDS[3:])
async def test_there_is_time_to_read_what_came_before(serve: Serve, end: End) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x81, b"a") * 100)
        got = 0
        async with Heartbeat(session, SHORT, 20 * SHORT):
            await end(wire)
            await asyncio.sleep(3 * SHORT)
            async for frame in session:
                got += frame.opcode == 1
            # What the block does behind it is not broken off before the time is over.
            await asyncio.sleep(3 * SHORT)
        assert got == 100


async def test_a_block_that_ends_in_time_has_no_error(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        async with Heartbeat(session, SHORT, 4 * SHORT):
            wire.send(CLOSE)
            await session.receive()
        await asyncio.sleep(5 * SHORT)


async def test_an_end_that_is_told_behind_the_block(serve: Serve) -> None:
    """In the very turn of the loop in which the block ends."""
    async with both_ends(serve) as (session, wire):
        heartbeat = Heartbeat(session, LONG, SHORT)
        async with heartbeat:
            wire.send(CLOSE)
            await session.receive()
        await asyncio.sleep(3 * SHORT)
        with pytest.raises(EndOfStream):
            async with heartbeat:
                await asyncio.Event().wait()


async def test_two_heartbeats_at_a_time(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):

        async def watched() -> None:
            async with Heartbeat(session, LONG, SHORT):
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(watched()) for _ in range(2)]
        async with Heartbeat(session, LONG, LONG):
            await asyncio.sleep(0)
        await asyncio.sleep(SHORT)
        await close(wire)
        results = await soon(asyncio.gather(*tasks, return_exceptions=True))
        assert [type(result) for result in results] == [EndOfStream] * 2


@pytest.mark.parametrize("end", ENDS)
async def test_a_handler_that_is_ended_so_has_ended_well(
    serve: Serve, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        try:
            async with Heartbeat(session, LONG, SHORT):
                await asyncio.Event().wait()
        finally:
            done.set()

    with caplog.at_level(logging.DEBUG, "aiohttp_rawws"):
        wire = await Wire.upgrade(await serve(application(handler)))
        await end(wire)
        await soon(done.wait())
        if end in (half_close, close):
            # Nobody makes up a Close or a reset.
            assert await wire.read_to_end() == b""
        await wire.close()
    assert all(record.levelno == logging.DEBUG for record in caplog.records)


@pytest.mark.parametrize("end", ["fin", "close", "rst"])
async def test_a_client_hears_of_its_server(by_hand: ByHand, end: str) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        if end == "close":
            wire.send(b"\x88\x02\x03\xe8")
            await wire.read_to_end()
        elif end == "rst":
            reset(wire)
        else:
            wire.end()
            await wire.read_to_end()

    address = await by_hand(script)
    async with aiohttp.ClientSession() as http, connect(http, address.url()) as session:
        with pytest.raises(EndOfStream):
            async with Heartbeat(session, LONG, SHORT):
                await asyncio.Event().wait()


# -- where nothing is read -------------------------------------------------------------------------


async def hold_back(session: RawWebSocketSession, wire: Wire) -> None:
    """Have `receive_limit` hold the reading back."""
    wire.send(masked(0x82, bytes(1000)) * 100)
    while not session.reading_paused:
        await asyncio.sleep(0)


@BOTH
async def test_a_handler_that_does_not_receive_is_no_silence_of_its_peer(
    serve: Serve, tls: bool, counting: None
) -> None:
    async with both_ends(serve, tls=tls, receive_limit=10_000) as (session, wire):
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 3 * SHORT):
                await hold_back(session, wire)
                await asyncio.sleep(9 * SHORT)
                for _ in range(100):
                    await session.receive()
                assert not session.reading_paused
                # Now it is.
                await asyncio.Event().wait()


@LINUX
@pytest.mark.parametrize("end", [fin, half_close, rst])
async def test_an_end_behind_what_is_not_read(serve: Serve, end: End) -> None:
    """The frames before it can still be received."""
    async with both_ends(serve, receive_limit=10_000) as (session, wire):
        with pytest.raises(EndOfStream):
            async with Heartbeat(session, SHORT, 3 * SHORT):
                await hold_back(session, wire)
                await end(wire)
                await asyncio.Event().wait()
        if end is not rst:
            for _ in range(100):
                await session.receive()


# -- Unix sockets ----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def unix_ends(path: str) -> AsyncIterator[tuple[RawWebSocketSession, Wire]]:
    """As `both_ends`, over a Unix socket."""
    given: asyncio.Future[RawWebSocketSession] = asyncio.get_running_loop().create_future()
    released = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        given.set_result(session)
        await released.wait()

    runner = web.AppRunner(application(handler, linger=0.1), access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, path).start()
        wire = Wire(*await asyncio.open_unix_connection(path))
        wire.send(request())
        await wire.read_head()
        async with patience():
            yield await given, wire
        await wire.close()
    finally:
        released.set()
        await runner.cleanup()


async def test_a_unix_socket(tmp_path: Path) -> None:
    """A peer that reads slowly, one that does not, and one that leaves."""
    async with unix_ends(str(tmp_path / "socket")) as (session, wire):
        wire.transport.pause_reading()
        for _ in range(30):
            session.send_nowait(Frame.binary(bytes(500)))
        async with Heartbeat(session, SHORT, 4 * SHORT):
            for _ in range(12):
                assert await read_some(wire, 504) == 504
                await asyncio.sleep(SHORT)
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                await asyncio.Event().wait()
        with pytest.raises(EndOfStream):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                wire.transport.abort()
                await asyncio.Event().wait()
