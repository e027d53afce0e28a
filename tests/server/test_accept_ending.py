"""How the connection of accept() ends with its block."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import pytest
from aiohttp import web

from aiohttp_rawws import Frame, SessionClosed, accept
from tests.support.accepting import CLOSE, HELLO, WebHandler, accepting_echo, ordinary
from tests.support.octets import masked
from tests.support.servers import BOTH, CANCELLATION, Serve, running
from tests.support.waiting import soon
from tests.support.wire import Wire


async def test_the_connection_ends_with_the_block(serve: Serve) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            await session.send(Frame.text("inside"))
        assert session.closed
        with pytest.raises(SessionClosed):
            await session.send(Frame.text("outside"))
        await ended.wait()
        return session.response

    wire = await Wire.upgrade(await serve(ordinary(handler)))
    assert await wire.read_to_end() == b"\x81\x06inside"
    await wire.close()
    ended.set()


async def other_response(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await session.send(Frame.text("all"))
    return web.Response(text="not after a 101")


async def no_response(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await session.send(Frame.text("all"))
    return None  # type: ignore[return-value]


async def error_behind(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await session.send(Frame.text("all"))
    raise web.HTTPFound("/elsewhere")


@BOTH
@CANCELLATION
@pytest.mark.parametrize("handler", [other_response, no_response, error_behind])
async def test_nothing_comes_behind_the_block(
    serve: Serve, handler: WebHandler, tls: bool, handler_cancellation: bool
) -> None:
    address = await serve(ordinary(handler), tls=tls, handler_cancellation=handler_cancellation)
    wire = await Wire.upgrade(address, behind=HELLO)
    assert await wire.read_to_end() == b"\x81\x03all"
    await wire.close()


#: Made where they are raised: an exception that was raised holds what it came through.
ERRORS: dict[str, Callable[[], BaseException]] = {
    "an Exception": lambda: ValueError("broken"),
    "an HTTPException": lambda: web.HTTPFound("/elsewhere"),
    "a timeout": asyncio.TimeoutError,
    "ours, of another session": lambda: SessionClosed("of another session"),
}


@BOTH
@CANCELLATION
@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
async def test_an_error_in_the_block_aborts(
    serve: Serve, make: Callable[[], BaseException], tls: bool, handler_cancellation: bool
) -> None:
    """It is the handler's own, and leaves it; no byte of HTTP comes after the 101."""
    error = make()
    caught: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with accept(request):
                raise error
        except BaseException as raised:
            caught.append(raised)
            raise

    address = await serve(ordinary(handler), tls=tls, handler_cancellation=handler_cancellation)
    wire = await Wire.upgrade(address, behind=HELLO)
    if tls:
        with contextlib.suppress(ConnectionError):
            assert await wire.read_to_end() == b""
    else:
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
    assert caught == [error]
    await wire.close()


async def test_the_end_of_the_stream_ends_the_block(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            while True:
                await session.send(await session.receive())
        return session.response

    wire = await Wire.upgrade(await serve(ordinary(handler)), behind=HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


async def test_a_violation_ends_the_block(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    address = await serve(ordinary(accepting_echo))
    wire = await Wire.upgrade(address, behind=masked(0x83))
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()
    [record] = caplog.records
    assert (record.name, record.levelno) == ("aiohttp_rawws", logging.WARNING)
    assert record.exc_info is None


@pytest.mark.parametrize("installed", [False, True])
async def test_a_shutdown_reaches_accepted_sessions(installed: bool) -> None:
    """Promptly where `setup` was called, else when aiohttp ends its handlers, and hard."""
    entered = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            entered.set()
            try:
                await session.receive()
            finally:
                await session.close(1001)
        return session.response

    timeout = 200 if installed else 0.05
    async with running(ordinary(handler, installed), shutdown_timeout=timeout) as ends:
        runner, address = ends
        wire = await Wire.upgrade(address)
        await soon(entered.wait())
        stopping = asyncio.create_task(runner.cleanup())
        assert await wire.read_to_end() == (b"\x88\x02\x03\xe9" if installed else b"")
        await wire.close()
        await soon(stopping)
