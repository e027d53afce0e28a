"""A shutdown of the server, with sessions and with upgrades under way."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import Frame, RawWebSocketSession, accept, setup
from aiohttp_rawws.layers import close_handshake
from tests.support.handshakes import Opening, answer, request
from tests.support.octets import masked
from tests.support.servers import (
    BOTH,
    CANCELLATION,
    Contexts,
    application,
    handler_tasks,
    ingress,
    running,
)
from tests.support.sockets import narrow
from tests.support.waiting import PATIENCE, soon
from tests.support.wire import ByHand, Wire

CLOSE = masked(0x88, b"\x03\xe8")
MEGABYTES = 8 * 2**20


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


# -- a peer that does not read ---------------------------------------------------------------


async def push_and_say_goodbye(session: RawWebSocketSession) -> None:
    """As the README has it."""
    narrow(session)
    try:
        while True:
            await session.send(Frame.binary(bytes(MEGABYTES)))
    except asyncio.CancelledError:
        await session.close(1001)
        raise


def pushing_route() -> web.Application:
    return application(push_and_say_goodbye, linger=LINGER)


def pushing_by_hand() -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            await push_and_say_goodbye(session)
        return session.response

    app = web.Application()
    setup(app, linger=LINGER)
    app.router.add_get("/", handler)
    return app


LINGER = 0.3


async def shut_down_before(app: web.Application, tls: "Contexts | None", visitors: int) -> float:
    """How long it takes, in seconds, with so many visitors that do not read."""
    loop = asyncio.get_running_loop()
    async with running(app, tls, shutdown_timeout=10 * PATIENCE) as (runner, address):
        wires = [await Wire.upgrade(address) for _ in range(visitors)]
        for wire in wires:
            await wire.read(10)
            wire.transport.pause_reading()
        await asyncio.sleep(0.1)
        began = loop.time()
        await soon(runner.cleanup())
        took = loop.time() - began
        for wire in wires:
            wire.transport.abort()
            await wire.close()
    assert not handler_tasks()
    return took


@BOTH
@pytest.mark.parametrize("make", [pushing_route, pushing_by_hand])
@pytest.mark.parametrize("visitors", [1, 8])
async def test_visitors_that_do_not_read_hold_a_shutdown_up_for_their_linger(
    contexts: Contexts, tls: bool, make: Callable[[], web.Application], visitors: int
) -> None:
    """All of them at the same time."""
    took = await shut_down_before(make(), contexts if tls else None, visitors)
    assert LINGER * 0.9 < took < LINGER * 2 + 1


@BOTH
async def test_a_proxied_visitor_that_does_not_read(
    contexts: Contexts, tls: bool, by_hand: ByHand, bare: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        while True:
            wire.send(Frame.binary(bytes(2**20)).encode())
            await wire.writer.drain()

    app = ingress(bare, await by_hand(script), linger=LINGER)
    took = await shut_down_before(app, contexts if tls else None, 4)
    assert took < LINGER * 2 + 1


@BOTH
async def test_a_stopped_handler_gets_a_polite_peers_close(contexts: Contexts, tls: bool) -> None:
    """That peer takes longer than the linger, but nothing is held back."""
    received: list[Frame | None] = []

    async def handler(session: RawWebSocketSession) -> None:
        try:
            await session.receive()
        finally:
            received.append(await close_handshake(session, 1001, timeout=PATIENCE))

    app = application(handler, linger=0.1)
    async with running(app, contexts if tls else None, shutdown_timeout=PATIENCE) as ends:
        runner, address = ends
        wire = await Wire.upgrade(address)
        stopping = asyncio.create_task(runner.cleanup())
        assert await wire.read_frame() == (0x88, b"\x03\xe9")
        await asyncio.sleep(0.5)
        wire.send(masked(0x88, b"\x03\xe9"))
        await soon(stopping)
        await wire.close()
    [frame] = received
    assert frame is not None
    assert frame.close_code == 1001


@BOTH
async def test_a_slow_reader_gets_the_goodbye_within_the_linger(
    contexts: Contexts, tls: bool
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        try:
            for _ in range(8):
                await session.send(Frame.binary(bytes(2**20)))
        except asyncio.CancelledError:
            await session.close(1001)
            raise

    app = application(handler, linger=PATIENCE)
    async with running(app, contexts if tls else None, shutdown_timeout=10 * PATIENCE) as ends:
        runner, address = ends
        wire = await Wire.upgrade(address)
        await wire.read(10)
        stopping = asyncio.create_task(runner.cleanup())
        assert (await wire.read_to_end()).endswith(b"\x88\x02\x03\xe9")
        await wire.close()
        await soon(stopping)
