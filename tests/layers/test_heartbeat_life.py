"""Signs of life other than a Pong, and pings that cannot be sent."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from aiohttp_rawws import Frame, Piece, RawWebSocketSession
from aiohttp_rawws.layers import Heartbeat
from aiohttp_rawws.session import kernel, traffic
from tests.support.ends import both_ends
from tests.support.heartbeats import LINUX, SHORT, ends_between, read_some
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import narrow, read_again, refuse_to_read
from tests.support.waiting import soon
from tests.support.wire import Address, Wire

TCP_COUNTS = kernel.tcp_counts


# -- where no ping can be sent ---------------------------------------------------------------------


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


# -- life ------------------------------------------------------------------------------------------


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
