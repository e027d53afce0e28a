"""The attributes of a session."""

import asyncio
import re

import pytest
from aiohttp import web

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession, add_raw_websocket, setup
from tests.support.ends import both_ends
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve
from tests.support.sockets import reset
from tests.support.waiting import patience, soon, turns
from tests.support.wire import Wire


@BOTH
async def test_what_a_session_tells(serve: Serve, tls: bool) -> None:
    sessions: list[RawWebSocketSession] = []

    async def handler(session: RawWebSocketSession) -> None:
        sessions.append(session)
        assert session.request is not None
        await session.send(Frame.text(session.request.match_info["name"]))
        assert await session.receive() == Frame.ping()

    app = web.Application()
    setup(app, max_frame_size=4321)
    add_raw_websocket(app.router, "/rooms/{name}", handler, ["chat", "echo"])
    wire = await Wire.open(await serve(app, tls=tls))
    wire.send(request("/rooms/blue?a=1", Sec_WebSocket_Protocol="other, echo, chat"))
    await wire.read_head()
    assert await wire.read_frame() == (0x81, b"blue")
    [session] = sessions
    assert session.request is not None
    assert session.request.query == {"a": "1"}
    assert isinstance(session.response, web.StreamResponse)
    assert session.response.prepared
    assert session.response.status == 101
    assert session.is_client is False
    assert session.masking is False
    assert session.protocol == "echo"
    assert session.extensions is None
    assert session.max_frame_size == 4321
    assert session.closed is False
    assert session.close_received is None
    assert session.close_sent is None
    assert session.exception is None
    assert session.write_backlog == 0
    assert session.get_extra_info("peername") == wire.writer.get_extra_info("sockname")
    assert (session.get_extra_info("ssl_object") is not None) == tls
    assert session.get_extra_info("nothing of this name", 5) == 5
    assert re.fullmatch(
        r"<RawWebSocketSession server open peer=\('127.0.0.1', \d+\)>", repr(session)
    )
    wire.send(masked(0x89))
    assert await wire.read_to_end() == b""
    await wire.close()
    async with patience():
        while not session.closed:
            await asyncio.sleep(0)
    assert "server closed" in repr(session)


@pytest.mark.parametrize("name", ["closed", "close_received", "close_sent", "write_backlog"])
async def test_what_cannot_be_set(serve: Serve, name: str) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(AttributeError):
            setattr(session, name, None)


async def test_a_session_has_no_attributes_of_the_user(serve: Serve) -> None:
    """A misspelt `masking` is an error in both builds."""
    async with both_ends(serve) as (session, _):
        with pytest.raises(AttributeError):
            session.maksing = True  # type: ignore[attr-defined]


async def test_wait_closed_returns_at_the_end_of_the_stream(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        waiting = [asyncio.create_task(session.wait_closed()) for _ in range(3)]
        await turns()
        assert not any(task.done() for task in waiting)
        wire.end()
        await asyncio.gather(*waiting)
        await session.wait_closed()
        assert not session.closed


@BOTH
async def test_using_a_session_in_every_turn_until_it_is_lost(serve: Serve, tls: bool) -> None:
    """There is no moment at which its transport is half gone."""
    async with both_ends(serve, tls=tls, receive_limit=1000) as (session, wire):
        wire.send(masked(0x81, b"Hello") * 100)
        await turns()
        reset(wire)
        with pytest.raises(EndOfStream):
            while True:
                assert session.write_backlog >= 0
                assert "server" in repr(session)
                session.get_extra_info("peername")
                session.receive_nowait()
                await asyncio.sleep(0)
        assert session.closed


async def test_a_cancelled_wait_closed_leaves_the_others(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        first, second = (asyncio.create_task(session.wait_closed()) for _ in range(2))
        await turns()
        first.cancel()
        await turns()
        wire.end()
        await soon(second)
        assert first.cancelled()
