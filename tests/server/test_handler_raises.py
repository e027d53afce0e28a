"""How a connection ends when its handler raises."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import pytest
from aiohttp import web

from aiohttp_rawws import Frame, RawWebSocketSession, SessionClosed
from tests.support.octets import masked
from tests.support.servers import (
    BOTH,
    CANCELLATION,
    Contexts,
    Handler,
    Serve,
    application,
    forgotten,
    receive_on,
    running,
)
from tests.support.sockets import reset
from tests.support.waiting import soon
from tests.support.wire import Wire

CLOSE = masked(0x88, b"\x03\xe8")
#: Made where they are raised: an exception that was raised holds what it came through.
ERRORS: dict[str, Callable[[], BaseException]] = {
    "an Exception": lambda: ValueError("broken"),
    "an HTTPException": lambda: web.HTTPFound("/elsewhere"),
    "a timeout": asyncio.TimeoutError,
    "a ConnectionError": lambda: ConnectionResetError("some other connection"),
    "ours, of a session that is not closed": lambda: SessionClosed("of some other session"),
}


@BOTH
@CANCELLATION
@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
async def test_a_handler_that_raises_aborts_and_is_logged(
    contexts: Contexts,
    make: Callable[[], BaseException],
    tls: bool,
    handler_cancellation: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No byte of HTTP comes after the 101; what was sent before may be lost or not."""
    error = make()

    async def handler(session: RawWebSocketSession) -> None:
        await session.send(await session.receive())
        raise error

    options = {"handler_cancellation": handler_cancellation}
    async with running(application(handler), contexts if tls else None, **options) as ends:
        runner, address = ends
        wire = await Wire.upgrade(address, behind=masked(0x81, b"Hello"))
        await assert_aborted(wire, b"\x81\x05Hello", tls)
        await forgotten(runner)
    [record] = (record for record in caplog.records if record.name == "aiohttp_rawws")
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert not [record for record in caplog.records if record.name.startswith("aiohttp.")]


async def assert_aborted(wire: Wire, sent: bytes, tls: bool) -> None:
    """Nothing but `sent` comes, or part of it, then a RST; over TLS just any end."""
    received = b""
    try:
        while data := await soon(wire.reader.read(2**16)):
            received += data
        aborted = tls
    except ConnectionError:
        aborted = True
    assert sent.startswith(received)
    assert aborted
    await wire.close()


async def test_a_violation_that_escapes_is_one_line(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        async for _ in session:
            pass

    wire = await Wire.upgrade(await serve(application(handler)), behind=masked(0x83))
    await assert_aborted(wire, b"", tls=False)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("aiohttp_rawws", logging.WARNING)
    assert record.exc_info is None
    assert "opcode" in record.getMessage()
    assert "\n" not in record.getMessage()


async def send_on(session: RawWebSocketSession) -> None:
    while True:
        await session.send(Frame.ping())
        await asyncio.sleep(0)


@BOTH
@pytest.mark.parametrize("handler", [receive_on, send_on])
async def test_a_lost_session_is_logged_at_debug(
    contexts: Contexts, handler: Handler, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(application(handler), contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        reset(wire)
        await forgotten(runner)
    records = [record for record in caplog.records if record.name != "asyncio"]
    [record] = [record for record in records if record.name == "aiohttp_rawws"]
    assert record.levelno == logging.DEBUG
    assert all(record.levelno == logging.DEBUG for record in records)


async def test_the_end_of_the_stream_may_escape(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """What was sent before, in answer to a Close for example, still arrives."""
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")

    async def echo(session: RawWebSocketSession) -> None:
        while True:
            await session.send(await session.receive())

    wire = await Wire.upgrade(await serve(application(echo)), behind=CLOSE)
    assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
    await wire.close()
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


@BOTH
async def test_a_handler_that_cancels_itself(
    contexts: Contexts, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.ping())
        raise asyncio.CancelledError

    async with running(application(handler), contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        with contextlib.suppress(ConnectionError):
            assert await wire.read_to_end() == b"\x89\x00"
        await wire.close()
        await forgotten(runner)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_handler_that_is_cancelled_by_its_application(serve: Serve) -> None:
    tasks: list[asyncio.Task[object] | None] = []

    async def handler(session: RawWebSocketSession) -> None:
        tasks.append(asyncio.current_task())
        try:
            await session.receive()
        finally:
            await session.close(1001)

    wire = await Wire.upgrade(await serve(application(handler)))
    [task] = tasks
    assert task is not None
    task.cancel()
    assert await wire.read_to_end() == b"\x88\x02\x03\xe9"
    await wire.close()
