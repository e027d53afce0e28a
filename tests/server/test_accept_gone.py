"""Clients that go away before or while they are accepted."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tests.support.accepting import HELLO, accepting_echo, ordinary
from tests.support.handshakes import request
from tests.support.servers import BOTH, CANCELLATION, Contexts, forgotten, running
from tests.support.sockets import reset
from tests.support.waiting import soon
from tests.support.wire import Wire


async def gone_before(
    app: web.Application,
    tls: "Contexts | None",
    end: Callable[[Wire], object],
    arrived: asyncio.Event,
    gone: asyncio.Event,
    caplog: pytest.LogCaptureFixture,
    **options: Any,
) -> list[str]:
    """What the access log has of a client that goes away once its request has arrived."""
    caplog.set_level(logging.INFO, "aiohttp.access")
    log = logging.getLogger("aiohttp.access")
    options |= {"access_log": log, "access_log_format": "%s"}
    async with running(app, tls, **options) as (runner, address):
        wire = await Wire.open(address)
        wire.send(request() + HELLO)
        await soon(arrived.wait())
        end(wire)
        await soon(gone.wait())
        await forgotten(runner)
        with contextlib.suppress(ConnectionError):
            await wire.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [record.getMessage() for record in caplog.records if record.name == "aiohttp.access"]


GOES = pytest.mark.parametrize(
    "end", [reset, Wire.end, lambda wire: wire.writer.close()], ids=["reset", "half-close", "close"]
)


@BOTH
@CANCELLATION
@GOES
async def test_a_client_that_goes_away_before_accept(
    contexts: Contexts,
    tls: bool,
    end: Callable[[Wire], None],
    handler_cancellation: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Quietly, as with a route: accept raises what aiohttp takes for an answer."""
    if tls and end is Wire.end:
        pytest.skip("TLS has no half-closed connections")
    arrived, gone = asyncio.Event(), asyncio.Event()
    errors: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        arrived.set()
        try:
            while request.transport is not None:
                await asyncio.sleep(0)
            return await accepting_echo(request)
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            gone.set()

    logged = await gone_before(
        ordinary(handler),
        contexts if tls else None,
        end,
        arrived,
        gone,
        caplog,
        handler_cancellation=handler_cancellation,
    )
    [error] = errors
    if handler_cancellation:
        assert isinstance(error, asyncio.CancelledError)
    else:
        assert isinstance(error, web.HTTPException)
        assert isinstance(error, ConnectionResetError)
        assert "the client went away before the upgrade" in str(error)
        assert logged == ["499"]


@BOTH
@GOES
async def test_a_client_that_goes_away_while_it_is_accepted(
    contexts: Contexts,
    tls: bool,
    end: Callable[[Wire], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    if tls and end is Wire.end:
        pytest.skip("TLS has no half-closed connections")
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            arrived.set()
            while request.transport is not None:
                await asyncio.sleep(0)
            gone.set()

    app = ordinary(accepting_echo)
    app.on_response_prepare.append(wait)
    logged = await gone_before(app, contexts if tls else None, end, arrived, gone, caplog)
    assert logged == ["499"]


async def test_a_handler_may_do_something_about_a_client_that_went_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        arrived.set()
        while request.transport is not None:
            await asyncio.sleep(0)
        try:
            return await accepting_echo(request)
        except ConnectionError:
            return web.Response(status=499)
        finally:
            gone.set()

    logged = await gone_before(ordinary(handler), None, reset, arrived, gone, caplog)
    assert logged == ["499"]
