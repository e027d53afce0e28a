"""Callbacks that a loop or a transport makes, in each order that they may come in."""

import asyncio

import pytest

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession
from aiohttp_rawws.session.session import connection_of
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import Serve
from tests.support.waiting import turns


def deliver(session: RawWebSocketSession, data: bytes) -> None:
    """Do what a transport does with what it has read."""
    connection = connection_of(session)
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))


# -- the wait of a task, as the task drives it -----------------------------------------------


async def test_a_coroutine_that_is_thrown_away_receives_no_longer(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        coroutine = session.receive()
        coroutine.send(None)
        with pytest.raises(RuntimeError, match="another task"):
            session.receive_nowait()
        coroutine.close()
        wire.send(masked(0x89))
        assert await session.receive() == Frame.ping()


async def test_a_coroutine_that_is_thrown_into_receives_no_longer(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        coroutine = session.receive()
        coroutine.send(None)
        with pytest.raises(LookupError):
            coroutine.throw(LookupError())
        wire.send(masked(0x89))
        assert await session.receive() == Frame.ping()


@pytest.mark.parametrize("number", range(6))
async def test_cancelled_in_each_turn_around_the_end_of_the_stream(
    serve: Serve, number: int
) -> None:
    """In one of them the task is woken already and has not run; it is cancelled all the same."""
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(session.receive())
        await turns()
        wire.end()
        await turns(number)
        cancelled = receiving.cancel()
        await asyncio.wait([receiving])
        assert receiving.cancelled() == cancelled
        with pytest.raises(EndOfStream):
            await session.receive()


async def test_a_task_that_is_woken_and_then_cancelled(serve: Serve) -> None:
    """It has not run yet, so its future must not take the cancellation for itself."""
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(session.receive())
        await turns()
        waiter = connection_of(session).receiver.more()
        assert waiter is not None
        waiter.wake(False)
        assert receiving.cancel()
        await asyncio.wait([receiving])
        assert receiving.cancelled()
        wire.send(masked(0x89))
        assert await session.receive() == Frame.ping()


async def test_a_frame_that_comes_while_a_task_runs(serve: Serve) -> None:
    """As asyncio's TLS does when a task closes it: the receiver runs later, in its own turn."""
    async with both_ends(serve, tls=True) as (session, _):
        receiving = asyncio.create_task(session.receive())
        await turns()
        deliver(session, masked(0x89))
        assert not receiving.done()
        assert await receiving == Frame.ping()


# -- the transport ---------------------------------------------------------------------------


async def test_bytes_that_come_after_reading_was_paused(serve: Serve) -> None:
    """As the TLS of Python 3.10 does: they are kept, in order."""
    async with both_ends(serve, receive_limit=1) as (session, wire):
        for number in range(10):
            deliver(session, masked(0x89, bytes([number])))
        wire.send(masked(0x8A))
        for number in range(10):
            assert await session.receive() == Frame.ping(bytes([number]))
        assert await session.receive() == Frame.pong()


async def test_bytes_that_come_after_an_abort(serve: Serve) -> None:
    async with both_ends(serve, receive_limit=1) as (session, _):
        session.abort()
        deliver(session, masked(0x89) * 2)
        assert await session.receive() == Frame.ping()
        assert await session.receive() == Frame.ping()
        with pytest.raises(EndOfStream):
            await session.receive()


async def test_a_connection_is_a_protocol_of_asyncio(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        connection = connection_of(session)
        assert isinstance(connection, asyncio.BufferedProtocol)
        # asyncio's TLS reads into a copy of anything else, and the data is lost.
        assert isinstance(connection.get_buffer(-1), memoryview)
        connection.connection_made(session.get_extra_info("none"))
        wire.send(masked(0x89))
        assert await session.receive() == Frame.ping()
