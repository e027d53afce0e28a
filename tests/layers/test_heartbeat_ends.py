"""A heartbeat where the handler waits for something else than frames: ends, silence and life."""

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import EndOfStream, Frame, Piece, RawWebSocketSession, connect
from aiohttp_rawws.layers import Heartbeat
from aiohttp_rawws.session import kernel, traffic
from tests.layers.test_heartbeat import LONG, SHORT, next_ping
from tests.layers.test_interruption import is_cancelled
from tests.support.ends import both_ends
from tests.support.handshakes import Opening, answer, request
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import narrow, read_again, refuse_to_read, reset, taken
from tests.support.waiting import patience, soon, turns
from tests.support.wire import Address, ByHand, Wire

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
CLOSE = masked(0x88, b"\x03\xe8")
TCP_COUNTS = kernel.tcp_counts


@pytest.fixture(params=["the system tells", "the session tells"])
def counting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What moves is known by what Linux tells, and by what the session knows everywhere."""
    if request.param == "the session tells":
        monkeypatch.setattr(traffic, "tcp_counts", lambda sock: None)


@contextlib.asynccontextmanager
async def ends_between(least: float, most: float) -> AsyncIterator[None]:
    """How long the block takes, in seconds; `most` leaves room for a busy machine."""
    start = time.monotonic()
    yield
    assert least - 0.01 < time.monotonic() - start < most + 2


async def read_some(wire: Wire, size: int) -> int:
    """Take so many bytes from the system, past the transport of a wire that does not read."""
    with socket.socket(fileno=socket.dup(wire.writer.get_extra_info("socket").fileno())) as sock:
        sock.setblocking(False)
        try:
            return len(sock.recv(size))
        except BlockingIOError:
            return 0


# -- the end of the connection ---------------------------------------------------------------


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


# -- where no ping can be sent ---------------------------------------------------------------


@BOTH
async def test_a_peer_that_does_not_answer_our_close(
    serve: Serve, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        with pytest.raises(TimeoutError, match=r"silent for 0\.2 s and could not be pinged"):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                await session.close(1000)
                await asyncio.Event().wait()
        assert await wire.read_frame() == (0x88, b"\x03\xe8")
        assert not session.closed
        assert not caplog.records


async def test_a_peer_that_sends_after_our_close_is_alive(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        async with Heartbeat(session, SHORT, 4 * SHORT):
            await session.close(1000)
            for _ in range(12):
                await asyncio.sleep(SHORT)
                wire.send(masked(0x81, b"more"))
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                await asyncio.Event().wait()


async def test_a_peer_that_is_silent_after_our_end_of_stream(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                session.write_eof()
                assert await wire.read_to_end() == b""
                await asyncio.Event().wait()
        async with Heartbeat(session, SHORT, 4 * SHORT):
            for _ in range(8):
                await asyncio.sleep(SHORT)
                wire.send(masked(0x81, b"more"))


def piece(offset: int, payload: bytes, length: int) -> Piece:
    last = offset + len(payload) == length
    return Piece(2, True, False, False, False, length, offset, payload, last)


@BOTH
async def test_within_a_frame_what_the_peer_takes_is_life(
    serve: Serve, tls: bool, counting: None, caplog: pytest.LogCaptureFixture
) -> None:
    """No Ping may stand there, and the peer has nothing to say."""
    async with both_ends(serve, tls=tls) as (session, wire):
        async with Heartbeat(session, SHORT, 4 * SHORT):
            for number in range(16):
                await session.send_piece(piece(number, b"x", 16))
                await asyncio.sleep(SHORT)
        assert await wire.read_frame() == (0x82, b"x" * 16)
        assert not caplog.records


@BOTH
async def test_within_a_frame_a_peer_that_takes_nothing_is_silent(
    serve: Serve, tls: bool, counting: None
) -> None:
    async with both_ends(serve, tls=tls, linger=0.1) as (session, wire):
        refuse_to_read(session, wire)
        with pytest.raises(TimeoutError, match="could not be pinged"):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                for number in range(1000):
                    await session.send_piece(piece(number * 2**16, bytes(2**16), 1000 * 2**16))
        session.abort()
        read_again(wire)


async def test_within_a_frame_silence_is_silence(serve: Serve) -> None:
    """A source that stalls looks like a peer that does."""
    async with both_ends(serve) as (session, _):
        with pytest.raises(TimeoutError, match="could not be pinged"):
            async with Heartbeat(session, SHORT, 4 * SHORT):
                await session.send_piece(piece(0, b"x", 2))
                await asyncio.Event().wait()


async def test_within_a_frame_what_comes_is_life(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire), Heartbeat(session, SHORT, 4 * SHORT):
        await session.send_piece(piece(0, b"x", 2))
        for _ in range(12):
            await asyncio.sleep(SHORT)
            wire.send(masked(0x89))


# -- life ------------------------------------------------------------------------------------


@BOTH
async def test_a_big_frame_that_arrives_slowly_is_life(
    serve: Serve, tls: bool, counting: None
) -> None:
    """Nothing can be fed meanwhile."""
    async with both_ends(serve, tls=tls) as (session, wire):
        data = masked(0x82, bytes(20_000))
        async with Heartbeat(session, SHORT, 4 * SHORT) as heartbeat:
            receiving = asyncio.ensure_future(session.receive())
            for part in range(0, len(data), 2000):
                wire.send(data[part : part + 2000])
                await asyncio.sleep(SHORT)
            frame = await receiving
            heartbeat.feed(frame)
        assert len(frame.payload) == 20_000
        assert heartbeat.rtt is None


@contextlib.asynccontextmanager
async def slowly(address: Address) -> AsyncIterator[tuple[Address, asyncio.Event]]:
    """A way to an address that passes 2,000 bytes at a time on, once the event is set."""
    slow = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2000):
            writer.write(data)
            if slow.is_set():
                await asyncio.sleep(SHORT)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(address.host, address.port)
        pumping = asyncio.ensure_future(pump(there[0], writer))
        tasks.extend([pumping, asyncio.ensure_future(pump(reader, there[1]))])
        await asyncio.wait(tasks)
        writer.close()
        there[1].close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield Address(host, port, address.ssl), slow
    server.close()
    for task in tasks:
        task.cancel()


@LINUX
async def test_octets_below_the_encryption_are_life(serve: Serve) -> None:
    """A record of TLS has up to 16 KiB, none of which can be read before its end."""
    told: asyncio.Queue[object] = asyncio.Queue()

    async def handler(session: RawWebSocketSession) -> None:
        try:
            async with Heartbeat(session, SHORT, 4 * SHORT):
                frame = await session.receive()
                told.put_nowait(len(frame.payload))
        except TimeoutError as error:
            told.put_nowait(error)

    async with slowly(await serve(application(handler), tls=True)) as (address, slow):
        wire = await Wire.upgrade(address)
        slow.set()
        wire.send(masked(0x82, bytes(16_000)))
        assert await soon(told.get()) == 16_000
        slow.clear()
        await wire.close()


@BOTH
async def test_a_peer_that_reads_slowly_is_alive(serve: Serve, tls: bool, counting: None) -> None:
    """As long as bytes leave that had to wait; and no longer."""
    if tls and traffic.__dict__["tcp_counts"] is not TCP_COUNTS:
        pytest.skip("what a transport holds below TLS is told by the system alone")
    async with both_ends(serve, tls=tls, linger=0.1) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(2**22)))
        begun, slow = time.monotonic(), 0.0
        with pytest.raises(TimeoutError):
            async with Heartbeat(session, SHORT, 6 * SHORT):
                for _ in range(20):
                    await read_some(wire, 2**17)
                    await asyncio.sleep(SHORT)
                slow = time.monotonic()
                await asyncio.Event().wait()
        assert slow - begun > 20 * SHORT - 0.01
        assert time.monotonic() - slow < 7 * SHORT + 2
        session.abort()
        read_again(wire)


@LINUX
async def test_what_the_system_still_holds_counts(serve: Serve) -> None:
    """The session has handed over everything, the peer has no room for it yet."""
    async with both_ends(serve, linger=0.1) as (session, wire):
        narrow(session, size=200_000)
        narrow(wire.writer, size=2**15)
        wire.transport.pause_reading()
        session.send_nowait(Frame.binary(bytes(300_000)))
        assert session.write_backlog == 0
        async with Heartbeat(session, SHORT, 6 * SHORT):
            got = 0
            for _ in range(30):
                got += await read_some(wire, 10_000)
                await asyncio.sleep(SHORT / 2)
        assert got > 200_000
        session.abort()
        read_again(wire)


@BOTH
async def test_a_peer_that_hangs_is_not_alive(serve: Serve, tls: bool, counting: None) -> None:
    """Its system takes what is sent, the Pings too, until its buffers are full."""
    async with both_ends(serve, tls=tls, linger=0.1) as (session, wire):
        wire.transport.pause_reading()
        async with ends_between(5 * SHORT, 6 * SHORT):
            with pytest.raises(TimeoutError):
                async with Heartbeat(session, SHORT, 4 * SHORT):
                    while True:
                        await session.send(Frame.binary(bytes(100)))
                        await asyncio.sleep(0.003)
        session.abort()
        read_again(wire)


# -- where nothing is read -------------------------------------------------------------------


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


# -- Unix sockets ----------------------------------------------------------------------------


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
