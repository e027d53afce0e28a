"""A plain function that is called for each frame, inside the read callback."""

import asyncio
import contextvars
from typing import Any

import pytest

from aiohttp_rawws import EndOfStream, Frame, ProtocolError
from aiohttp_rawws.session.session import connection_of
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve
from tests.support.sockets import narrow
from tests.support.waiting import soon, turns, until

CLOSE = masked(0x88, b"\x03\xe8")


@BOTH
async def test_each_frame_in_order_until_the_close(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, behind=masked(0x81, b"0"), tls=tls) as (session, wire):
        frames: list[Frame] = []
        calling = asyncio.create_task(session.for_each(frames.append))
        await until(lambda: len(frames) > 0)
        wire.send(masked(0x81, b"1") + masked(0x89, b"2"))
        await until(lambda: len(frames) == 3)
        wire.send(masked(0x01, b"3") + masked(0x80, b"4") + CLOSE + masked(0x81, b"never"))
        await soon(calling)
        assert frames == [
            *(Frame.text("0"), Frame.text("1"), Frame.ping(b"2")),
            *(Frame.text("3", False), Frame.continuation(b"4"), Frame.close(1000)),
        ]
        assert session.close_received == Frame.close(1000)
        with pytest.raises(EndOfStream):
            await session.receive()


async def test_no_task_runs_for_a_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        running: list[Any] = []
        calling = asyncio.create_task(
            session.for_each(lambda frame: running.append(asyncio.current_task()))
        )
        await turns()
        wire.send(masked(0x89))
        await until(lambda: len(running) > 0)
        assert running == [None]
        calling.cancel()


@BOTH
async def test_what_one_read_brings_is_answered_together(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        calling = asyncio.create_task(session.for_each(session.send_nowait))
        await turns()
        wire.send(masked(0x82, b"a" * 100) * 50)
        expected = b"\x82\x64" + b"a" * 100
        assert await wire.read(50 * len(expected)) == 50 * expected
        wire.send(CLOSE)
        await soon(calling)


@BOTH
async def test_the_end_of_the_stream_is_a_return(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        frames: list[Frame] = []
        calling = asyncio.create_task(session.for_each(frames.append))
        await turns()
        wire.send(masked(0x81, b"last"))
        if tls:
            wire.writer.close()
        else:
            wire.end()
        await soon(calling)
        assert frames == [Frame.text("last")]


async def test_a_violation_is_raised_behind_the_frames_before_it(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        frames: list[Frame] = []
        calling = asyncio.create_task(session.for_each(frames.append))
        await turns()
        wire.send(masked(0x81, b"before") + masked(0x83))
        with pytest.raises(ProtocolError):
            await soon(calling)
        assert frames == [Frame.text("before")]


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "read"])
async def test_an_error_leaves_the_next_frame_there(serve: Serve, waiting: bool) -> None:
    def fail(frame: Frame) -> None:
        raise LookupError(frame.payload_text)

    frames = masked(0x81, b"1") + masked(0x81, b"2")
    async with both_ends(serve, behind=frames if waiting else b"") as (session, wire):
        calling = asyncio.create_task(session.for_each(fail))
        if not waiting:
            await turns()
            wire.send(frames)
        with pytest.raises(LookupError, match="1"):
            await soon(calling)
        assert await session.receive() == Frame.text("2")


async def test_a_cancellation_leaves_the_next_frame_there(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        frames: list[Frame] = []
        calling = asyncio.create_task(session.for_each(frames.append))
        await turns()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        wire.send(masked(0x81, b"next"))
        assert await session.receive() == Frame.text("next")
        assert frames == []


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "read"])
async def test_nobody_else_receives(serve: Serve, waiting: bool) -> None:
    async with both_ends(serve, behind=masked(0x89) * 2 if waiting else b"") as (session, wire):
        calling = asyncio.create_task(session.for_each(lambda frame: session.receive_nowait()))
        await turns()
        if not waiting:
            with pytest.raises(RuntimeError, match="another task"):
                session.receive_nowait()
            with pytest.raises(RuntimeError, match="another task"):
                await session.for_each(print)
            wire.send(masked(0x89) * 2)
        with pytest.raises(RuntimeError, match="another task"):
            await soon(calling)
        assert await session.receive() == Frame.ping()


@BOTH
async def test_no_frame_is_given_while_too_much_waits_to_leave(serve: Serve, tls: bool) -> None:
    answer = Frame.binary(bytes(60_000))
    async with both_ends(serve, tls=tls, receive_limit=4096) as (session, wire):
        given = 0

        def send(frame: Frame) -> None:
            nonlocal given
            given += 1
            session.send_nowait(answer)

        narrow(session, wire.writer)
        calling = asyncio.create_task(session.for_each(send))
        wire.transport.pause_reading()
        wire.send(masked(0x89) * 1000)
        before = -1
        while given != before:
            before = given
            await asyncio.sleep(0.05)
        assert connection_of(session).writer.paused
        assert 0 < given < 1000
        assert session.write_backlog < 4 * 2**20
        wire.transport.resume_reading()
        wire.send(CLOSE)
        expected = 1001 * len(answer.encode())
        assert len(await soon(wire.read(expected))) == expected
        await soon(calling)
        assert given == 1001


async def test_a_connection_that_is_lost_while_frames_wait_for_the_writer(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        given: list[Frame] = []

        def send(frame: Frame) -> None:
            given.append(frame)
            if not session.closed:
                session.send_nowait(Frame.binary(bytes(2**20)))

        calling = asyncio.create_task(session.for_each(send))
        wire.transport.pause_reading()
        wire.send(masked(0x89) * 100)
        await until(lambda: connection_of(session).writer.paused)
        session.abort()
        await soon(calling)
        assert len(given) == 100


async def test_it_has_the_context_of_its_caller(serve: Serve) -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    async with both_ends(serve) as (session, wire):
        seen: list[str] = []

        async def call() -> None:
            variable.set("inside")
            await session.for_each(lambda frame: seen.append(variable.get()))

        calling = asyncio.create_task(call())
        await turns()
        wire.send(masked(0x89) + CLOSE)
        await soon(calling)
        assert seen == ["inside", "inside"]


async def coroutine(frame: Frame) -> None:
    pass


@pytest.mark.parametrize("function", [None, "print", coroutine])
async def test_only_plain_functions(serve: Serve, function: Any) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(TypeError, match="for_each takes a plain function of a frame, got"):
            await session.for_each(function)


async def test_between_pieces_of_a_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x82, bytes(1000))[:500])
        await anext(aiter(session.pieces()))
        with pytest.raises(RuntimeError, match="half read"):
            await session.for_each(print)
