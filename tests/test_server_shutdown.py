"""What a shutdown of the server does to sessions, and to upgrades under way."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import (
    Frame,
    RawWebSocketSession,
)

from .ends import BOTH, CANCELLATION, Contexts, application, handler_tasks, narrow, running, soon
from .wire import PATIENCE, Wire, masked, request

CLOSE = masked(0x88, b"\x03\xe8")
MEGABYTES = 8 * 2**20

Handler = Callable[[RawWebSocketSession], Awaitable[None]]


# -- the server shuts down -------------------------------------------------------------------


@BOTH
@CANCELLATION
async def test_a_shutdown_cancels_handlers_which_can_say_goodbye(
    contexts: Contexts, tls: bool, handler_cancellation: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        try:
            await session.send(Frame.text("ready"))
            async for _ in session:
                pass
        finally:
            await session.close(1001, "shutdown")

    options = {"handler_cancellation": handler_cancellation, "shutdown_timeout": 10 * PATIENCE}
    async with running(application(handler), contexts if tls else None, **options) as ends:
        runner, address = ends
        wires = [await Wire.upgrade(address) for _ in range(3)]
        for wire in wires:
            assert await wire.read_frame() == (0x81, b"ready")
        stopping = asyncio.create_task(runner.cleanup())
        for wire in wires:
            assert await wire.read_to_end() == b"\x88\x0a\x03\xe9shutdown"
            await wire.close()
        await soon(stopping)
    assert not caplog.records


async def test_a_shutdown_wakes_a_handler_that_waits_to_send(contexts: Contexts) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        for _ in range(4):
            await session.send(Frame.binary(bytes(MEGABYTES)))

    async with running(application(handler, linger=0.1), shutdown_timeout=10 * PATIENCE) as ends:
        runner, address = ends
        wire = await Wire.upgrade(address)
        wire.transport.pause_reading()
        await soon(runner.cleanup())
        await wire.close()


@BOTH
async def test_a_handler_that_swallows_the_cancellation_and_returns(
    contexts: Contexts, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("ready"))
        with contextlib.suppress(asyncio.CancelledError):
            await session.receive()
        await session.send(Frame.text("so what"))

    async with running(application(handler), contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        assert await wire.read_frame() == (0x81, b"ready")
        stopping = asyncio.create_task(runner.cleanup())
        assert await wire.read_to_end() == b"\x81\x07so what"
        await wire.close()
        await soon(stopping)
    assert not caplog.records


@CANCELLATION
async def test_a_handler_that_swallows_the_cancellation_and_goes_on(
    handler_cancellation: bool,
) -> None:
    """aiohttp waits as long as it does for any handler, then it ends too."""
    cancelled = 0

    async def handler(session: RawWebSocketSession) -> None:
        nonlocal cancelled
        await session.send(Frame.text("ready"))
        while cancelled < 2:
            try:
                await session.receive()
            except asyncio.CancelledError:
                cancelled += 1

    options: dict[str, Any] = {
        "handler_cancellation": handler_cancellation,
        "shutdown_timeout": 0.05,
    }
    async with running(application(handler, linger=0.1), **options) as (runner, address):
        wire = await Wire.upgrade(address)
        assert await wire.read_frame() == (0x81, b"ready")
        await soon(runner.cleanup())
        assert await wire.read_to_end() == b""
        await wire.close()
        assert not handler_tasks()


@BOTH
async def test_a_shutdown_finds_sessions_in_their_linger(contexts: Contexts, tls: bool) -> None:
    """There is nothing to cancel; aiohttp waits for them, no longer than it is told to."""

    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        for _ in range(2):
            session.send_nowait(Frame.binary(bytes(MEGABYTES)))

    app = application(handler, linger=10 * PATIENCE)
    async with running(app, contexts if tls else None, shutdown_timeout=0.05) as (runner, address):
        wire = await Wire.upgrade(address)
        wire.transport.pause_reading()
        await asyncio.sleep(0)
        await soon(runner.cleanup())
        assert not handler_tasks()
        wire.transport.resume_reading()
        with contextlib.suppress(ConnectionError):
            assert len(await wire.read_to_end()) < 2 * MEGABYTES
        await wire.close()


async def test_a_shutdown_ends_sessions_of_sub_applications() -> None:
    async def handler(session: RawWebSocketSession) -> None:
        try:
            await session.receive()
        finally:
            await session.close(1001)

    app, inner = web.Application(), web.Application()
    inner.add_subapp("/most", application(handler))
    app.add_subapp("/inner", inner)
    async with running(app, shutdown_timeout=10 * PATIENCE) as (runner, address):
        wire = await Wire.upgrade(address, "/inner/most/")
        stopping = asyncio.create_task(runner.cleanup())
        assert await wire.read_to_end() == b"\x88\x02\x03\xe9"
        await wire.close()
        await soon(stopping)


async def test_an_upgrade_under_way_is_cancelled_too() -> None:
    """A signal of the response holds it up until the shutdown has begun."""
    stopping: list[asyncio.Task[None]] = []
    goodbyes = 0

    async def hold_up(request: web.Request, response: web.StreamResponse) -> None:
        stopping.append(asyncio.create_task(runner.cleanup()))
        await stopped.wait()

    async def handler(session: RawWebSocketSession) -> None:
        nonlocal goodbyes
        try:
            await session.receive()
        finally:
            goodbyes += 1
            await session.close(1001)

    async def stop(app: web.Application) -> None:
        stopped.set()

    stopped = asyncio.Event()
    app = application(handler)
    app.on_response_prepare.append(hold_up)
    app.on_shutdown.append(stop)
    async with running(app, shutdown_timeout=10 * PATIENCE) as (runner, address):
        wire = await Wire.upgrade(address)
        assert await wire.read_to_end() == b"\x88\x02\x03\xe9"
        await wire.close()
        await soon(stopping[0])
        assert goodbyes == 1


async def test_a_shutdown_refuses_new_upgrades(caplog: pytest.LogCaptureFixture) -> None:
    """A request that was there before, behind a middleware that takes its time."""
    began, stopped = asyncio.Event(), asyncio.Event()

    @web.middleware
    async def slow(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        began.set()
        await stopped.wait()
        return await handler(request)

    async def stop(app: web.Application) -> None:
        stopped.set()

    async def handler(session: RawWebSocketSession) -> None:
        raise AssertionError("not reached")

    app = application(handler)
    app.middlewares.append(slow)
    app.on_shutdown.append(stop)
    async with running(app) as (runner, address):
        wire = await Wire.open(address)
        wire.send(request() + masked(0x89) * 300)
        await soon(began.wait())
        stopping = asyncio.create_task(runner.cleanup())
        status, headers = await wire.read_head()
        assert status == 503
        assert len(await wire.read_to_end()) == int(headers["Content-Length"])
        await wire.close()
        await soon(stopping)
    assert not caplog.records
