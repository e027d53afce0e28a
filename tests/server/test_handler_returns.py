"""How a connection ends when its handler returns."""

import asyncio
import sys

import pytest

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession, SessionClosed
from tests.support.octets import masked
from tests.support.servers import (
    BOTH,
    CANCELLATION,
    Contexts,
    Handler,
    Serve,
    application,
    forgotten,
    handler_tasks,
    running,
)
from tests.support.sockets import narrow, reset, unread
from tests.support.waiting import PATIENCE, soon, turns
from tests.support.wire import Wire

MEGABYTES = 8 * 2**20


@BOTH
@CANCELLATION
async def test_what_was_sent_arrives_then_the_stream_ends(
    serve: Serve, tls: bool, handler_cancellation: bool
) -> None:
    """And no Close frame that nobody has sent."""

    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("one"))
        await session.receive()
        await session.send(Frame.text("two"))

    app = application(handler)
    wire = await Wire.upgrade(
        await serve(app, tls=tls, handler_cancellation=handler_cancellation), behind=masked(0x89)
    )
    assert await wire.read_to_end() == b"\x81\x03one\x81\x03two"
    await wire.close()


@BOTH
async def test_a_handler_that_does_nothing(serve: Serve, tls: bool) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        pass

    wire = await Wire.upgrade(await serve(application(handler), tls=tls), behind=masked(0x89))
    assert await wire.read_to_end() == b""
    await wire.close()


async def read_nothing(session: RawWebSocketSession) -> None:
    pass


async def read_some(session: RawWebSocketSession) -> None:
    await session.receive()


async def let_it_pause(session: RawWebSocketSession) -> None:
    await session.receive()
    while session.receive_nowait() is None:
        await asyncio.sleep(0)
    await turns(50)
    assert unread(session) > 0


@BOTH
@pytest.mark.parametrize("begin", [read_nothing, read_some, let_it_pause])
async def test_megabytes_of_unread_input_do_not_cost_the_output(
    serve: Serve, begin: Handler, tls: bool
) -> None:
    """The peer writes all it has before it reads anything."""

    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        await begin(session)
        session.send_nowait(Frame.binary(bytes(MEGABYTES)))

    address = await serve(application(handler, linger=PATIENCE, receive_limit=1000), tls=tls)
    wire = await Wire.upgrade(address)
    narrow(wire.writer)
    wire.transport.pause_reading()
    wire.send(masked(0x82, bytes(60_000)) * (MEGABYTES // 60_000))
    await soon(wire.writer.drain())
    wire.transport.resume_reading()
    assert await wire.read_to_end() == Frame.binary(bytes(MEGABYTES)).encode()
    await wire.close()


async def test_a_peer_that_sends_on_until_it_hears_the_end(serve: Serve) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        session.send_nowait(Frame.binary(bytes(MEGABYTES)))

    wire = await Wire.upgrade(await serve(application(handler, linger=PATIENCE)))
    reading = asyncio.create_task(wire.read_to_end())
    while not reading.done():
        wire.send(masked(0x82, bytes(60_000)))
        await wire.writer.drain()
        await asyncio.sleep(0)
    assert await reading == Frame.binary(bytes(MEGABYTES)).encode()
    await wire.close()


@BOTH
async def test_a_slow_reader_gets_everything(serve: Serve, tls: bool) -> None:
    """It reads on only as long as it is asked to, a little each time."""
    if tls and sys.version_info < (3, 11):
        pytest.skip("a StreamReader of Python 3.10 fails where its TLS transport has ended")

    async def handler(session: RawWebSocketSession) -> None:
        session.send_nowait(Frame.binary(bytes(MEGABYTES)))

    wire = await Wire.upgrade(await serve(application(handler, linger=PATIENCE), tls=tls))
    for _ in range(MEGABYTES // 2**16):
        assert len(await wire.read(2**16)) == 2**16
        await asyncio.sleep(0)
    assert await wire.read_to_end() == bytes(10)
    await wire.close()


@BOTH
async def test_linger_ends_the_wait_for_a_peer_that_does_not_read(
    contexts: Contexts, tls: bool
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        for _ in range(2):
            session.send_nowait(Frame.binary(bytes(MEGABYTES)))

    app = application(handler, linger=0.1)
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        wire.transport.pause_reading()
        await forgotten(runner)
        assert not handler_tasks()
        wire.transport.resume_reading()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await wire.read(2 * MEGABYTES)
        await wire.close()


@BOTH
@pytest.mark.parametrize("linger", [0, 0.1])
async def test_linger_ends_the_wait_for_a_peer_that_does_not_end(
    contexts: Contexts, tls: bool, linger: float
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("all"))

    app = application(handler, linger=linger)
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        assert await wire.read(5) == b"\x81\x03all"
        await forgotten(runner)
        assert await wire.read_to_end() == b""
        await wire.close()


@BOTH
async def test_a_peer_that_ends_first(contexts: Contexts, tls: bool) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        async for _ in session:
            pass
        if not tls:  # which has no halves
            await session.send(Frame.text("all"))

    app = application(handler, linger=PATIENCE)
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        if tls:
            await wire.close()
        else:
            wire.end()
            assert await wire.read_to_end() == b"\x81\x03all"
            await wire.close()
        await forgotten(runner)


async def test_a_peer_that_ends_first_and_reads_late(contexts: Contexts) -> None:
    """The connection ends with the last byte that it reads, not with the linger."""

    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        await session.wait_closed()
        while not session.write_backlog:
            session.send_nowait(Frame.binary(bytes(1000)))

    async with running(application(handler, linger=10 * PATIENCE)) as (runner, address):
        wire = await Wire.upgrade(address)
        wire.transport.pause_reading()
        wire.end()
        await turns(50)
        wire.transport.resume_reading()
        assert len(await wire.read_to_end()) % 1004 == 0
        await forgotten(runner)
        await wire.close()


@BOTH
@CANCELLATION
async def test_a_peer_that_is_reset_meanwhile(
    contexts: Contexts, tls: bool, handler_cancellation: bool
) -> None:
    finished = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        await session.wait_closed()
        await asyncio.sleep(0.01)
        finished.set()

    app = application(handler)
    options = {"handler_cancellation": handler_cancellation}
    async with running(app, contexts if tls else None, **options) as (runner, address):
        wire = await Wire.upgrade(address)
        reset(wire)
        await soon(finished.wait())
        await forgotten(runner)


@BOTH
async def test_a_peer_that_is_reset_during_the_linger(contexts: Contexts, tls: bool) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        narrow(session)
        for _ in range(2):
            session.send_nowait(Frame.binary(bytes(MEGABYTES)))

    app = application(handler, linger=PATIENCE)
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        await wire.read(1)
        reset(wire)
        await forgotten(runner)


async def test_who_is_left_receiving_hears_of_the_end_at_once(serve: Serve) -> None:
    """Though the peer takes its time, and there is time to linger."""
    left: list[asyncio.Task[Frame]] = []

    async def handler(session: RawWebSocketSession) -> None:
        left.append(asyncio.create_task(session.receive()))
        await asyncio.sleep(0)

    wire = await Wire.upgrade(await serve(application(handler, linger=10 * PATIENCE)))
    with pytest.raises(EndOfStream):
        await soon(left[0])
    await wire.close()


@BOTH
async def test_after_its_handler_a_session_is_closed(contexts: Contexts, tls: bool) -> None:
    """Also for a task that it has left behind, which receives."""
    sessions: list[RawWebSocketSession] = []
    left: list[asyncio.Task[Frame]] = []

    async def handler(session: RawWebSocketSession) -> None:
        sessions.append(session)
        left.append(asyncio.create_task(session.receive()))
        await asyncio.sleep(0)

    app = application(handler)
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address)
        assert await wire.read_to_end() == b""
        with pytest.raises(EndOfStream):
            await soon(left[0])
        await wire.close()
        await forgotten(runner)
        assert sessions[0].closed
        with pytest.raises(SessionClosed):
            await sessions[0].send(Frame.ping())
        with pytest.raises(EndOfStream):
            await sessions[0].receive()
        assert sessions[0].write_backlog == 0


async def test_a_handler_that_has_aborted(contexts: Contexts) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        session.abort()

    async with running(application(handler)) as (runner, address):
        wire = await Wire.upgrade(address)
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
        await forgotten(runner)


async def test_a_handler_that_has_half_closed(contexts: Contexts) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("bye"))
        session.write_eof()

    async with running(application(handler)) as (runner, address):
        wire = await Wire.upgrade(address)
        assert await wire.read_to_end() == b"\x81\x03bye"
        await wire.close()
        await forgotten(runner)
