"""One frame to many sessions, and a frame prepared for it."""

import asyncio
import contextlib
import pickle
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import Frame, Piece, RawWebSocketSession, connect
from aiohttp_rawws.layers import broadcast, prepare
from tests.support.ends import both_ends
from tests.support.octets import MASK, masked
from tests.support.servers import BOTH, Serve, echo
from tests.support.servers import application as application_of
from tests.support.sockets import refuse_to_read, segments
from tests.support.waiting import soon, turns
from tests.support.wire import Wire

BIG = 20_000  # more than is ever copied behind its header
SIZES = pytest.mark.parametrize("size", [0, 10, 126, BIG, 70_000])


@contextlib.asynccontextmanager
async def audience(
    serve: Serve, number: int, tls: bool = False
) -> AsyncIterator["tuple[list[RawWebSocketSession], list[Wire]]"]:
    async with contextlib.AsyncExitStack() as stack:
        ends = [await stack.enter_async_context(both_ends(serve, tls=tls)) for _ in range(number)]
        yield [session for session, _ in ends], [wire for _, wire in ends]


# -- a prepared frame ------------------------------------------------------------------------


@SIZES
@BOTH
async def test_a_prepared_frame_is_sent_as_any(serve: Serve, size: int, tls: bool) -> None:
    frame = Frame(2, bytes(size), False, rsv1=True, mask=MASK)
    prepared = prepare(frame)
    assert prepared == frame
    async with both_ends(serve, tls=tls) as (session, wire):
        await session.send(prepared)
        await session.send(prepared)
        expected = Frame(2, bytes(size), False, rsv1=True).encode()
        assert await wire.read(2 * len(expected)) == 2 * expected


@SIZES
async def test_in_order_with_other_frames(serve: Serve, size: int) -> None:
    """Gathered with what else answers one read, and not before it."""

    async def handler(session: RawWebSocketSession) -> None:
        prepared = prepare(Frame.binary(bytes(size)))
        async for _ in session:
            session.send_nowait(Frame.text("before"))
            session.send_nowait(prepared)
            session.send_nowait(Frame.text("after"))

    wire = await Wire.upgrade(await serve(application_of(handler)))
    before = segments(wire)
    wire.send(masked(0x89))
    for expected in (b"before", bytes(size), b"after"):
        assert (await wire.read_frame())[1] == expected
    if size < BIG:
        assert segments(wire) == before + 1
    await wire.close()


async def test_a_client_masks_it_each_time_anew(serve: Serve) -> None:
    address = await serve(application_of(echo))
    async with aiohttp.ClientSession() as http, connect(http, address.url()) as session:
        prepared = prepare(Frame.text("to all"))
        keys = set()
        for _ in range(2):
            await session.send(prepared)
            frame = await soon(session.receive())
            assert frame == prepared
            keys.add(frame.mask)


async def test_a_prepared_close_is_one(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        session.send_nowait(prepare(Frame.close(1001)))
        assert session.close_sent == Frame.close(1001)
        assert await wire.read(4) == b"\x88\x02\x03\xe9"


@pytest.mark.parametrize("frame", [None, "to all", b"to all"])
def test_only_frames_are_prepared(frame: Any) -> None:
    with pytest.raises(TypeError, match="prepare takes a Frame"):
        prepare(frame)
    with pytest.raises(TypeError, match=r"broadcast\(sessions, frame\) takes a Frame"):
        broadcast([], frame)


def test_a_copy_of_it_is_an_ordinary_frame() -> None:
    assert pickle.loads(pickle.dumps(prepare(Frame.text("x")))) == Frame.text("x")


# -- to many ---------------------------------------------------------------------------------


@BOTH
async def test_everybody_gets_it(serve: Serve, tls: bool) -> None:
    async with audience(serve, 5, tls) as (sessions, wires):
        assert broadcast(sessions, Frame.text("to all")) == 5
        for wire in wires:
            assert await wire.read_frame() == (0x81, b"to all")


async def test_those_who_have_left_are_left_out(serve: Serve) -> None:
    async with audience(serve, 4) as (sessions, wires):
        await sessions[0].close()
        sessions[1].abort()
        sessions[2].write_eof()
        assert broadcast(sessions, Frame.text("to all")) == 1
        assert await wires[3].read_frame() == (0x81, b"to all")
        assert await wires[0].read(4) == b"\x88\x02\x03\xe8"


async def test_a_laggard_is_skipped(serve: Serve) -> None:
    async with audience(serve, 2) as (sessions, wires):
        refuse_to_read(sessions[0], wires[0])
        frame = Frame.binary(bytes(100_000))
        numbers = [broadcast(sessions, frame, max_backlog=300_000) for _ in range(20)]
        assert numbers[0] == 2
        assert numbers[-1] == 1
        assert sessions[0].write_backlog < 300_000 + 2 * 100_000
        for _ in range(20):
            assert await wires[1].read_frame() == (0x82, bytes(100_000))
        wires[0].transport.resume_reading()
        for _ in range(numbers.count(2)):
            assert await wires[0].read_frame() == (0x82, bytes(100_000))


async def test_a_laggard_is_dropped_if_the_caller_says_so(serve: Serve) -> None:
    async with audience(serve, 2) as (sessions, wires):
        refuse_to_read(sessions[0], wires[0])
        members = set(sessions)

        def drop(session: RawWebSocketSession) -> None:
            members.remove(session)
            session.abort()

        for _ in range(40):
            broadcast(members, Frame.binary(bytes(100_000)), max_backlog=10, laggard=drop)
            await turns()
        assert members == {sessions[1]}
        assert sessions[0].closed
        assert not sessions[1].closed


async def test_who_has_sent_half_a_frame_is_a_laggard(serve: Serve) -> None:
    async with audience(serve, 2) as (sessions, wires):
        piece = Piece(2, True, False, False, False, 4, 0, b"ab", False)
        await sessions[0].send_piece(piece)
        missed: list[RawWebSocketSession] = []
        assert broadcast(sessions, Frame.text("to all"), laggard=missed.append) == 1
        assert missed == [sessions[0]]
        await sessions[0].send_piece(piece._replace(offset=2, payload=b"cd", last=True))
        assert await wires[0].read_frame() == (0x82, b"abcd")
        assert await wires[1].read_frame() == (0x81, b"to all")


async def test_it_never_waits(serve: Serve) -> None:
    """Everything is with the system, or with the transports, when it returns."""
    async with audience(serve, 3) as (sessions, wires):
        ran: list[bool] = []
        asyncio.get_running_loop().call_soon(ran.append, True)
        for _ in range(10):
            broadcast(sessions, Frame.text("x"))
        assert not ran
        for wire in wires:
            assert await wire.read(30) == b"\x81\x01x" * 10
