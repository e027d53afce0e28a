"""The peer's bytes and its end, as seen without receiving."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aiohttp_rawws import Frame, Violation
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve
from tests.support.sockets import read_again, refuse_to_read, reset, taken
from tests.support.waiting import turns
from tests.support.wire import Wire

CLOSE = masked(0x88, b"\x03\xe8")


async def fin(wire: Wire) -> None:
    wire.writer.close()


async def rst(wire: Wire) -> None:
    reset(wire)


async def close(wire: Wire) -> None:
    wire.send(masked(0x81, b"before") + CLOSE)


End = Callable[[Wire], Awaitable[None]]
EACH_END = pytest.mark.parametrize("end", [fin, rst, close])


@BOTH
async def test_bytes_are_counted_frames_or_not(serve: Serve, tls: bool) -> None:
    behind = masked(0x81, b"behind")
    async with both_ends(serve, tls=tls, behind=behind) as (session, wire):
        assert session.bytes_received == len(behind)
        wire.send(b"\x82\xff" + (2**20).to_bytes(8, "big") + bytes(4 + 1000))
        while session.bytes_received < len(behind) + 1014:
            await asyncio.sleep(0)
        assert session.bytes_received == len(behind) + 1014
        assert session.bytes_sent == 0
        await session.send(Frame.text("Hello"))
        session.write(b"x")
        assert session.bytes_sent == 8


async def test_bytes_that_wait_are_sent(serve: Serve) -> None:
    async with both_ends(serve, linger=0.1) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(2**22)))
        assert session.bytes_sent == 10 + 2**22
        assert session.write_backlog > 2**20
        read_again(wire)
        await wire.read(10 + 2**22)


async def test_reading_is_paused_until_frames_are_received(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=1000) as (session, wire):
        assert not session.reading_paused
        wire.send(masked(0x82, bytes(600)) * 2)
        while not session.reading_paused:
            await asyncio.sleep(0)
        await session.receive()
        await session.receive()
        assert not session.reading_paused


@BOTH
@EACH_END
async def test_an_end_is_known_though_nothing_was_received(
    serve: Serve, end: End, tls: bool
) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        assert not session.peer_ended
        told = asyncio.Event()
        session.add_end_callback(told.set)
        await turns()
        assert not told.is_set()
        await end(wire)
        await told.wait()
        assert session.peer_ended
        assert session.close_received is None
        if end is close:
            assert await session.receive() == Frame.text("before")


async def test_a_callback_comes_soon_where_the_end_was_before(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(CLOSE)
        await taken(session, wire)
        calls: list[str] = []
        session.add_end_callback(lambda: calls.append("called"))
        assert calls == []
        await turns(1)
        assert calls == ["called"]


@EACH_END
async def test_a_callback_that_is_removed_is_not_called(serve: Serve, end: End) -> None:
    async with both_ends(serve) as (session, wire):
        calls: list[str] = []

        def first() -> None:
            calls.append("first")

        def second() -> None:
            calls.append("second")

        for callback in (first, second):
            session.add_end_callback(callback)
        session.remove_end_callback(first)
        session.remove_end_callback(first)
        await end(wire)
        while not session.peer_ended:
            await asyncio.sleep(0)
        await turns()
        assert set(calls) == {"second"}
        session.remove_end_callback(second)
        session.remove_end_callback(second)


async def test_an_end_whose_frames_go_on(serve: Serve) -> None:
    """Where AFTER_CLOSE is let pass a Close is an end all the same."""
    reject = Violation.ALL & ~Violation.AFTER_CLOSE
    async with both_ends(serve, reject=reject) as (session, wire):
        told = asyncio.Event()
        session.add_end_callback(told.set)
        wire.send(CLOSE + masked(0x81, b"more"))
        await told.wait()
        assert session.peer_ended
        assert (await session.receive()).opcode == 8
        assert (await session.receive()).payload == b"more"


async def test_a_violation_is_no_end(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x83) + CLOSE)
        await taken(session, wire)
        assert not session.peer_ended
