"""The attributes of a session whose connection has ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import Frame, RawWebSocketSession, SessionClosed, connect
from tests.support.ends import both_ends
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import refuse_to_read, reset
from tests.support.waiting import patience, soon, turns
from tests.support.wire import Wire

KEPT = ("peername", "sockname", "sslcontext")


def told(session: RawWebSocketSession) -> "dict[str, Any]":
    return {name: session.get_extra_info(name) for name in KEPT}


async def lost(session: RawWebSocketSession) -> None:
    """Wait until the connection is lost, not just closing, and aiohttp has heard of it."""
    async with patience():
        while session.get_extra_info("socket") is not None:
            await asyncio.sleep(0)
    await turns()


def check(session: RawWebSocketSession, before: "dict[str, Any]") -> None:
    """It tells what it told before, and nothing that it is asked raises."""
    assert told(session) == before
    assert repr(before["peername"]) in repr(session)
    assert "closed" in repr(session)
    assert session.closed
    assert session.write_backlog == 0
    for name in ("socket", "ssl_object", "cipher", "peercert", "compression", "nothing"):
        assert session.get_extra_info(name, 5) == 5
        assert session.get_extra_info(name) is None
    session.abort()
    session.abort()
    if before["sslcontext"] is None:
        session.write_eof()
    with pytest.raises(SessionClosed):
        session.send_nowait(Frame.ping())
    with pytest.raises(SessionClosed):
        session.write(b"")


async def fin(session: RawWebSocketSession, wire: Wire) -> None:
    await wire.close()


async def rst(session: RawWebSocketSession, wire: Wire) -> None:
    reset(wire)


async def abort(session: RawWebSocketSession, wire: Wire) -> None:
    session.abort()


async def closed_by_others(session: RawWebSocketSession, wire: Wire) -> None:
    """As aiohttp does at a shutdown, and again where a handler fails."""
    assert session.request is not None
    transport = session.request.transport
    assert transport is not None
    transport.close()
    transport.close()
    assert session.closed
    assert session.write_backlog == 0
    assert "closed" in repr(session)
    session.get_extra_info("socket")
    session.abort()
    await wire.close()


@pytest.mark.parametrize("end", [fin, rst, abort, closed_by_others])
@BOTH
async def test_of_a_server(
    serve: Serve, end: Callable[[RawWebSocketSession, Wire], Awaitable[None]], tls: bool
) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        before = told(session)
        assert before["peername"] == wire.writer.get_extra_info("sockname")
        assert before["sockname"] == wire.writer.get_extra_info("peername")
        assert (before["sslcontext"] is not None) == tls
        await end(session, wire)
        if end is fin and not tls:
            session.abort()
        await lost(session)
        check(session, before)
    await turns()
    check(session, before)


@BOTH
async def test_once_the_handler_has_returned(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, _):
        before = told(session)
    await lost(session)
    check(session, before)


async def test_of_one_that_was_lost_with_unsent_output(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        before = told(session)
        while session.write_backlog < 2**20:
            session.send_nowait(Frame.binary(bytes(2**16)))
        session.abort()
        await lost(session)
        check(session, before)


@contextlib.asynccontextmanager
async def client(
    serve: Serve, handler: Callable[[RawWebSocketSession], Awaitable[None]], tls: bool
) -> AsyncIterator[RawWebSocketSession]:
    address = await serve(application(handler), tls=tls)
    async with (
        aiohttp.ClientSession() as http,
        connect(http, address.url(), ssl=address.ssl or True) as session,
    ):
        yield session


@pytest.mark.parametrize("how", ["returns", "aborts"])
@BOTH
async def test_of_a_client(serve: Serve, tls: bool, how: str) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await session.receive()
        if how == "aborts":
            session.abort()

    async with client(serve, handler, tls) as session:
        before = told(session)
        assert before["peername"][0] == "127.0.0.1"
        assert (before["sslcontext"] is not None) == tls
        await session.send(Frame.text("end"))
        await soon(session.wait_closed())
        if how == "returns" and not tls:
            assert not session.closed
            assert told(session) == before
    await lost(session)
    check(session, before)


@BOTH
async def test_of_a_client_whose_client_session_is_closed(serve: Serve, tls: bool) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await session.wait_closed()

    address = await serve(application(handler), tls=tls)
    async with aiohttp.ClientSession() as http:
        session = await connect(http, address.url(), ssl=address.ssl or True)
        before = told(session)
    await lost(session)
    check(session, before)


async def test_of_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    sessions: list[RawWebSocketSession] = []

    async def handler(session: RawWebSocketSession) -> None:
        sessions.append(session)
        await session.wait_closed()

    runner = web.AppRunner(application(handler), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as http,
            connect(http, "http://localhost/") as session,
        ):
            await turns()
            (server,) = sessions
            theirs, ours = told(server), told(session)
            assert (theirs["sockname"], theirs["peername"]) == (path, "")
            assert (ours["sockname"], ours["peername"]) == ("", path)
        await lost(session)
        await lost(server)
        check(session, ours)
        check(server, theirs)
    finally:
        await runner.cleanup()
