"""Nothing is left of a client's connections, however they end."""

import asyncio
import contextlib
import gc
import os
import weakref
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession, add_raw_websocket
from aiohttp_rawws.client.answer import HandshakeRefused
from aiohttp_rawws.client.connect import connect
from tests.support.scripts import until_end
from tests.support.servers import BOTH, Serve, application, echo, left
from tests.support.waiting import patience, soon, turns, until
from tests.support.wire import ByHand


@BOTH
async def test_a_session_lives_without_anybody_holding_it(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    """The response is kept by the session, the session by its transport."""
    session = await connect(http, (await serve(application(echo), tls=tls)).url())
    alive = weakref.ref(session)
    del session
    gc.collect()
    again = alive()
    assert again is not None
    await again.send(Frame.text("Hello"))
    assert await soon(again.receive()) == Frame.text("Hello")
    again.abort()


async def test_a_session_that_is_over_is_forgotten(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async with connect(http, (await by_hand(until_end)).url()) as session:
        forgotten: list[weakref.ref[Any]] = [weakref.ref(session), weakref.ref(session.response)]
    del session
    await turns()
    gc.collect()
    assert [each() for each in forgotten] == [None, None]


async def test_a_connector_with_room_for_one(serve: Serve) -> None:
    """A connection that has ended makes room for the next."""
    url = (await serve(application(echo))).url()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        for _ in range(20):
            async with connect(http, url) as session, patience():
                await session.send(Frame.ping())
                assert await session.receive() == Frame.ping()


async def leave(http: aiohttp.ClientSession, url: str) -> None:
    async with connect(http, url) as session:
        await session.send(Frame.ping())


async def fail(http: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connect(http, url):
            raise ZeroDivisionError


async def close(http: aiohttp.ClientSession, url: str) -> None:
    async with connect(http, url) as session:
        await session.close()
        async for _ in session:
            pass


async def hang_up(http: aiohttp.ClientSession, url: str) -> None:
    session = await connect(http, url)
    session.response.close()


async def drop(http: aiohttp.ClientSession, url: str) -> None:
    session = await connect(http, url)
    session.abort()


async def lose(http: aiohttp.ClientSession, url: str) -> None:
    async with connect(http, f"{url}abort") as session:
        with pytest.raises(EndOfStream):
            await session.receive()


async def be_refused(http: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(HandshakeRefused):
        await connect(http, f"{url}none")


async def give_up(http: aiohttp.ClientSession, url: str) -> None:
    async def dial() -> None:
        await connect(http, url)

    task = asyncio.create_task(dial())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


WAYS = [leave, fail, close, hang_up, drop, lose, be_refused, give_up]


async def abort(session: RawWebSocketSession) -> None:
    session.abort()


@BOTH
async def test_a_thousand_connections_leave_nothing(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    app = application(echo)
    add_raw_websocket(app.router, "/abort", abort)
    url = (await serve(app, tls=tls)).url()
    files = len(os.listdir("/proc/self/fd"))
    tasks = len(asyncio.all_tasks())
    for _ in range(5):
        async with patience():
            for _ in range(25):
                await asyncio.gather(*(way(http, url) for way in WAYS))
    await until(lambda: not left(http))
    # What was refused may serve other requests.
    await soon(http.close())
    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
