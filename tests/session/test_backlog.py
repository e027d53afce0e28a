"""Output for a peer that does not read: where it waits, and what it costs."""

import asyncio
import random
import tracemalloc
from collections.abc import Callable
from typing import cast

import aiohttp
import pytest

from aiohttp_rawws import Frame, Piece, RawWebSocketSession, connect
from aiohttp_rawws.layers import broadcast, prepare
from tests.support.ends import both_ends
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import narrow, read_again, refuse_to_read
from tests.support.waiting import soon, turns
from tests.support.wire import Wire

HIGH_WATER = 64 * 1024


def transport_of(session: RawWebSocketSession) -> asyncio.Transport:
    assert session.request is not None
    return cast(asyncio.Transport, session.request.transport)


def fill(session: RawWebSocketSession) -> int:
    """Send until the system takes no more; how many bytes that was."""
    frame = Frame.binary(bytes(5000))
    sent = 0
    while session.write_backlog == 0:
        session.send_nowait(frame)
        sent += len(frame.encode())
    return sent


@pytest.mark.parametrize("size", [10, 256, 20_000])
async def test_what_waits_does_not_lengthen_the_queue_of_the_transport(
    serve: Serve, size: int
) -> None:
    """asyncio adds up all of that for each write, and each time its size is asked for."""
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        sent = fill(session)
        held = transport_of(session).get_write_buffer_size()
        before = session.write_backlog
        frame = Frame.binary(bytes(size))
        number = 0
        while broadcast([session], frame, max_backlog=2**20):
            number += 1
        length = number * len(frame.encode())
        assert transport_of(session).get_write_buffer_size() == held
        assert session.write_backlog == before + length > 2**20
        read_again(wire)
        assert len(await wire.read(sent + length)) == sent + length
        assert session.write_backlog == 0


async def test_frames_for_many_laggards_are_not_copied(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        fill(session)
        frame = prepare(Frame.binary(bytes(100_000)))
        tracemalloc.start()
        try:
            for _ in range(20):
                session.send_nowait(frame)
            assert tracemalloc.get_traced_memory()[1] < 50_000
        finally:
            tracemalloc.stop()
        session.abort()


def nothing(session: RawWebSocketSession) -> None:
    pass


def limits_of_the_user(session: RawWebSocketSession) -> None:
    """They may not be what the session counts on."""
    transport_of(session).set_write_buffer_limits(2**20)


@pytest.mark.parametrize("between", [nothing, limits_of_the_user])
@pytest.mark.parametrize("seed", range(5))
@BOTH
async def test_all_of_it_arrives_in_order(
    serve: Serve, tls: bool, seed: int, between: Callable[[RawWebSocketSession], None]
) -> None:
    """Of every kind and size, sent while the peer reads now and then."""
    rng = random.Random(seed)
    expected = bytearray()

    async def send_some(session: RawWebSocketSession) -> None:
        kind = rng.randrange(5)
        payload = rng.randbytes(rng.choice([0, 100, 5000, 20_000, 100_000]))
        if kind == 0:
            session.write(payload)
            expected.extend(payload)
        elif kind == 1 and payload:
            piece = Piece(2, True, False, False, False, 2 * len(payload), 0, payload, False)
            await session.send_piece(piece)
            await session.send_piece(piece._replace(offset=len(payload), last=True))
            expected.extend(Frame.binary(payload * 2).encode())
        elif kind == 2:
            frame = Frame.binary(payload)
            await session.send(frame)
            expected.extend(frame.encode())
        else:
            frame = Frame.binary(payload)
            session.send_nowait(prepare(frame) if kind == 3 else frame)
            expected.extend(frame.encode())

    async def read_now_and_then(wire: Wire) -> None:
        while True:
            wire.transport.pause_reading()
            await asyncio.sleep(0.001)
            wire.transport.resume_reading()
            await asyncio.sleep(0.001)

    async with both_ends(serve, tls=tls) as (session, wire):
        narrow(session, wire.writer)
        reading = asyncio.create_task(read_now_and_then(wire))
        receiving = asyncio.create_task(wire.read_to_end())
        for number in range(100):
            await send_some(session)
            if number % 10 == 0:
                between(session)
        await session.drain()
        assert session.write_backlog <= HIGH_WATER or tls
        if tls:
            while session.write_backlog:
                await asyncio.sleep(0.001)
            transport_of(session).close()
        else:
            session.write_eof()
        received = await soon(receiving)
        reading.cancel()
        assert received == bytes(expected)


async def test_of_a_client(serve: Serve) -> None:
    """Masked, so that big ones are copied too."""
    got: list[bytes] = []
    reading = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        await reading.wait()
        got.extend([frame.payload async for frame in session])

    address = await serve(application(handler))
    payloads = [bytes([number]) * size for number in range(50) for size in (1, 300, 70_000)]
    async with aiohttp.ClientSession() as http, connect(http, address.url()) as session:
        narrow(session)
        for payload in payloads:
            session.send_nowait(Frame.binary(payload))
        assert session.write_backlog > 2**20
        session.write_eof()
        reading.set()
        await soon(session.wait_closed())
    assert got == payloads


async def test_a_sender_waits_above_64_kib_until_16_are_left(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        sent = fill(session)
        while session.write_backlog <= HIGH_WATER - 102:
            await session.send(Frame.binary(bytes(100)))
            sent += 102
        session.send_nowait(Frame.binary(bytes(100)))
        sent += 102
        sending = asyncio.create_task(session.send(Frame.binary(bytes(100))))
        draining = asyncio.create_task(session.drain())
        await turns()
        assert not sending.done()
        assert not draining.done()
        read_again(wire)
        await asyncio.gather(sending, draining)
        assert session.write_backlog <= 16 * 1024
        assert len(await wire.read(sent + 102)) == sent + 102


async def test_it_leaves_before_the_end_of_the_stream(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        sent = fill(session)
        expected = b""
        for size in (100, 70_000, 100, 20_000, 5):
            session.send_nowait(Frame.binary(bytes([size % 256]) * size))
            expected += Frame.binary(bytes([size % 256]) * size).encode()
        session.write_eof()
        session.write_eof()
        read_again(wire)
        assert (await wire.read_to_end())[sent:] == expected


async def test_it_leaves_behind_the_handler(serve: Serve) -> None:
    expected = Frame.binary(bytes(3_000)).encode() * 300

    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        for _ in range(300):
            session.send_nowait(Frame.binary(bytes(3_000)))

    wire = await Wire.upgrade(await serve(application(handler, linger=5.0)))
    wire.transport.pause_reading()
    await asyncio.sleep(0.05)
    wire.transport.resume_reading()
    wire.end()
    assert await wire.read_to_end() == expected
    await wire.close()


@BOTH
async def test_none_is_left_after_an_abort(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        fill(session)
        for size in (100, 100_000, 100):
            session.send_nowait(Frame.binary(bytes(size)))
        session.abort()
        assert session.write_backlog == 0 or tls
        await turns()
        assert session.write_backlog == 0
        read_again(wire)


async def test_a_transport_that_others_close_while_output_waits(serve: Serve) -> None:
    """What it holds still leaves, and the connection ends; it takes no more."""
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        fill(session)
        for size in (100, 100_000, 100):
            session.send_nowait(Frame.binary(bytes(size)))
        transport_of(session).close()
        read_again(wire)
        await wire.read_to_end()
        await session.wait_closed()
        assert session.write_backlog == 0


async def test_what_others_write_to_the_transport_keeps_its_place(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        data = bytes(2**20)
        transport_of(session).write(data)
        session.send_nowait(Frame.text("behind"))
        assert session.write_backlog > 6
        read_again(wire)
        assert (await wire.read(2**20 + 8))[2**20 :] == b"\x81\x06behind"
