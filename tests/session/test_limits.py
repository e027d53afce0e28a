"""The memory of a session is bounded: reading pauses and goes on."""

import asyncio
import contextlib
import socket

import pytest

from aiohttp_rawws import COMPILED, EndOfStream, Frame, ProtocolError, RawWebSocketSession
from tests.support.ends import both_ends
from tests.support.handshakes import request
from tests.support.octets import MASK, long_frame, masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import narrow, send_until_full, taken, unread
from tests.support.waiting import PATIENCE, soon, turns
from tests.support.wire import Wire

CHUNK = masked(0x82, bytes(32_000))
EMPTY = masked(0x82)
CLOSE = masked(0x88)


async def count(session: RawWebSocketSession) -> int:
    """How many frames come until the peer's Close."""
    number = 0
    async for frame in session:
        number += not frame.is_control
    return number


# -- reading pauses, and goes on -------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "chunk", [CHUNK, EMPTY * 5000, masked(0x89) * 5000], ids=["frames", "empty frames", "pings"]
)
async def test_reading_pauses_while_nothing_is_taken(serve: Serve, chunk: bytes, tls: bool) -> None:
    """Else all of it would go through. What has gone through waits in buffers of the system."""
    async with both_ends(serve, tls=tls, receive_limit=64 * 1024) as (session, wire):
        narrow(session, wire.writer)
        assert await send_until_full(wire, chunk, limit=4 * 2**20) < 2 * 2**20
        assert unread(session) > 0
        wire.send(CLOSE)
        counting = asyncio.create_task(count(session))
        await soon(wire.writer.drain())
        await counting
        assert session.close_received is not None


async def test_nothing_is_lost_by_pausing(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=1000) as (session, wire):
        frames = [Frame.binary(bytes([n % 256]) * (n % 300), fin=True) for n in range(20_000)]
        wire.send(b"".join(masked(0x82, frame.payload) for frame in frames) + CLOSE)
        await turns()
        for frame in frames:
            assert await session.receive() == frame
        assert await session.receive() == Frame.close()


async def still_unread(session: RawWebSocketSession, size: int) -> bool:
    await turns(50)
    return unread(session) == size


async def test_it_goes_on_below_half_of_the_limit(serve: Serve) -> None:
    """Two frames of half the limit each: the first one taken, half of it still waits."""
    async with both_ends(serve, receive_limit=20_000) as (session, wire):
        for _ in range(2):
            wire.send(masked(0x82, bytes(10_000)))
            await taken(session, wire)
        wire.send(EMPTY)
        assert await still_unread(session, len(EMPTY))
        await session.receive()
        assert await still_unread(session, len(EMPTY))
        await session.receive()
        assert await session.receive() == Frame.binary(b"")


async def test_it_goes_on_though_some_frames_wait(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=30_000) as (session, wire):
        for size in (14_000, 14_000, 4_000):
            wire.send(masked(0x82, bytes(size)))
            await taken(session, wire)
        wire.send(EMPTY)
        await session.receive()
        assert await still_unread(session, len(EMPTY))
        await session.receive()
        await taken(session, wire)
        assert await session.receive() == Frame.binary(bytes(4_000))
        assert await session.receive() == Frame.binary(b"")


async def test_an_incomplete_frame_does_not_count(serve: Serve) -> None:
    frame = long_frame(0x82, bytes(2**20))
    async with both_ends(serve, receive_limit=1) as (session, wire):
        wire.send(frame[:-1])
        await taken(session, wire)
        assert session.receive_nowait() is None
        wire.send(frame[-1:])
        assert await session.receive() == Frame.binary(bytes(2**20))


async def test_a_limit_of_one_byte_is_one_frame(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=1) as (session, wire):
        for number in range(100):
            wire.send(masked(0x82, bytes([number])))
        wire.send(CLOSE)
        assert await count(session) == 100


async def test_a_limit_as_good_as_none(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=2**100) as (session, wire):
        assert await send_until_full(wire, CHUNK, limit=2**23) >= 2**23 - len(CHUNK)
        await taken(session, wire)
        assert session.receive_nowait() == Frame.binary(bytes(32_000))


@pytest.mark.parametrize("cut", [0, 1, 5])
@pytest.mark.parametrize("number", range(40, 50))
async def test_the_stream_ends_while_reading_is_paused(serve: Serve, number: int, cut: int) -> None:
    """All complete frames are delivered, then the end, wherever an unfinished one stands."""
    async with both_ends(serve, receive_limit=1000) as (session, wire):
        wire.send(EMPTY * number + EMPTY[:cut])
        wire.end()
        await turns()
        for _ in range(number):
            assert await session.receive() == Frame.binary(b"")
        with pytest.raises(EndOfStream):
            await session.receive()


@pytest.mark.parametrize("number", range(40, 50))
async def test_the_connection_is_lost_while_reading_is_paused(serve: Serve, number: int) -> None:
    async with both_ends(serve, receive_limit=1000) as (session, wire):
        wire.send(EMPTY * number + EMPTY[:1])
        await taken(session, wire)
        session.abort()
        await session.wait_closed()
        for _ in range(number):
            assert await session.receive() == Frame.binary(b"")
        with pytest.raises(EndOfStream):
            await session.receive()


@BOTH
async def test_frames_that_were_read_outlive_the_connection(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, receive_limit=1000, tls=tls) as (session, wire):
        wire.send(EMPTY * 1000)
        await turns()
        closing = asyncio.create_task(wire.close())
        for _ in range(1000):
            assert await session.receive() == Frame.binary(b"")
        with pytest.raises(EndOfStream):
            await session.receive()
        await closing


async def test_a_violation_behind_a_full_queue(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=1000) as (session, wire):
        wire.send(EMPTY * 100 + b"\x83\x80")
        await turns()
        for _ in range(100):
            assert await session.receive() == Frame.binary(b"")
        with pytest.raises(ProtocolError):
            await session.receive()


@BOTH
async def test_a_violation_leaves_nothing_unread(serve: Serve, tls: bool) -> None:
    """What comes behind it is thrown away, so that the end of the stream is seen."""
    async with both_ends(serve, receive_limit=1000, tls=tls) as (session, wire):
        wire.send(EMPTY * 100 + b"\x83\x80" + bytes(2**20))
        for _ in range(100):
            await session.receive()
        with pytest.raises(ProtocolError):
            await session.receive()
        await soon(wire.writer.drain())
        closing = asyncio.create_task(wire.close())
        await session.wait_closed()
        await closing


async def test_a_frame_that_is_too_big_leaves_nothing_unread(serve: Serve) -> None:
    async with both_ends(serve, max_frame_size=1000) as (session, wire):
        wire.send(long_frame(0x82, bytes(8 * 2**20)))
        with pytest.raises(ProtocolError):
            await session.receive()
        wire.end()
        await session.wait_closed()


async def test_the_bytes_behind_a_close_are_read_and_thrown_away(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=1000) as (session, wire):
        wire.send(CLOSE + bytes(8 * 2**20))
        assert await session.receive() == Frame.close()
        wire.end()
        await session.wait_closed()


# -- fairness --------------------------------------------------------------------------------


@BOTH
async def test_a_burst_does_not_keep_others_from_being_served(serve: Serve, tls: bool) -> None:
    taken_by_burst = 0
    seen_by_other: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def handler(session: RawWebSocketSession) -> None:
        nonlocal taken_by_burst
        async for frame in session:
            if frame.payload == b"hello":
                seen_by_other.set_result(taken_by_burst)
            else:
                taken_by_burst += 1

    address = await serve(application(handler), tls=tls)
    burst, other = await Wire.upgrade(address), await Wire.upgrade(address)
    burst.send(EMPTY * 100_000)
    other.send(masked(0x81, b"hello"))
    # In one read there is room for more than 40,000 of them.
    assert await soon(seen_by_other) < 10_000
    await burst.close()
    await other.close()


async def test_a_burst_with_the_request_does_not_either(serve: Serve) -> None:
    """Frames that came before the handler runs are as many as fit the limit, not more."""
    async with both_ends(serve, behind=EMPTY * 8000, receive_limit=16_000) as (session, _):
        ready = 0
        while session.receive_nowait() is not None:
            ready += 1
        assert 0 < ready < 1000
        number = ready
        while number < 8000:
            assert await session.receive() == Frame.binary(b"")
            number += 1


# -- pieces ----------------------------------------------------------------------------------


@BOTH
async def test_pieces_are_bounded_by_the_limit(serve: Serve, tls: bool) -> None:
    """Nobody takes more than the first piece of a frame, so that its peer cannot send it."""
    size = 8 * 2**20
    header = b"\x82\xff" + size.to_bytes(8, "big") + bytes(4)
    async with both_ends(serve, receive_limit=64 * 1024, tls=tls) as (session, wire):
        wire.send(header)
        pieces = session.pieces()
        narrow(session, wire.writer)
        first = asyncio.ensure_future(anext(pieces))
        sent = await send_until_full(wire, bytes(2**18), limit=size)
        assert sent < size / 2
        assert unread(session) > 0
        received = len((await first).payload)
        sending = asyncio.create_task(send_rest(wire, size - sent))
        async for piece in pieces:
            assert not isinstance(piece, Frame)
            received += len(piece.payload)
            if piece.last:
                break
        assert received == size
        await sending


async def send_rest(wire: Wire, size: int) -> None:
    wire.send(bytes(size - wire.writer.transport.get_write_buffer_size()))
    await wire.writer.drain()


# -- memory, in a process of its own ---------------------------------------------------------


def growth(server: "tuple[str, int]", path: str, size: int) -> int:
    """By how much a server's memory grows that takes a frame of `size` bytes."""
    with contextlib.closing(socket.create_connection(server, PATIENCE)) as peer:
        peer.sendall(request(path))
        with peer.makefile("rb") as answers:
            while answers.readline() != b"\r\n":
                pass
            peer.sendall(b"\x82\xff" + size.to_bytes(8, "big") + MASK)
            for _ in range(size // 2**20):
                peer.sendall(bytes(2**20))
            answers.read(2)
            came, grown = answers.read().split()
    assert int(came) == size
    return int(grown)


def test_a_frame_of_64_mib_takes_at_most_twice_its_size(memory_server: "tuple[str, int]") -> None:
    size = 64 * 2**20
    assert growth(memory_server, "/frames", size) < 2.2 * size


def test_a_frame_of_1_gib_in_pieces_takes_next_to_nothing(memory_server: "tuple[str, int]") -> None:
    size = 2**30 if COMPILED else 2**28  # interpreted, 1 GiB takes 6 s
    assert growth(memory_server, "/pieces", size) < 16 * 2**20


def test_a_length_alone_takes_nothing(memory_server: "tuple[str, int]") -> None:
    """A peer that declares a gibibyte and sends a mebibyte costs what it sent."""
    with contextlib.closing(socket.create_connection(memory_server, PATIENCE)) as peer:
        peer.sendall(request("/frames") + b"\x82\xff" + (2**30).to_bytes(8, "big") + MASK)
        peer.sendall(bytes(2**20))
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass
