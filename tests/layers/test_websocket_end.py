"""How a `WebSocketSession` ends: the closing handshake, losses, exceptions, heartbeats."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import pytest

import aiohttp_rawws
from aiohttp_rawws import EndOfStream, Frame, Piece, ProtocolError, RawWebSocketSession, Violation
from aiohttp_rawws.layers import Message, WebSocketSession, websocket_handler
from tests.support.ends import both_ends
from tests.support.heartbeats import next_ping
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application, running
from tests.support.waiting import soon, until
from tests.support.wire import Wire

NORMAL = b"\x03\xe8"


# -- close -----------------------------------------------------------------------------------------


async def test_close_waits_for_the_peers_close(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        closing = asyncio.ensure_future(websocket.close(1001, "bye"))
        assert await wire.read_frame() == (0x88, b"\x03\xe9bye")
        assert not closing.done()
        wire.send(masked(0x81, b"late") + masked(0x88, b"\x0f\xa0"))
        await closing
        assert websocket.close_code == 4000
        assert [message async for message in websocket] == []
        with pytest.raises(EndOfStream):
            await websocket.receive()
        await websocket.close()


async def test_the_task_that_receives_gets_the_peers_close(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)

        async def receive() -> list[Any]:
            return [message.data async for message in websocket]

        receiving = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(websocket.close())
        assert await wire.read_frame() == (0x88, NORMAL)
        wire.send(masked(0x81, b"late"))
        await asyncio.sleep(0.05)
        assert not closing.done()
        wire.send(masked(0x88, NORMAL))
        assert await receiving == ["late"]
        await closing
        assert websocket.close_code == 1000


async def test_a_close_that_was_not_received_yet(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        wire.send(masked(0x81, b"a") + masked(0x88, b"\x0f\xa0"))
        await until(lambda: session.peer_ended)
        session.abort()
        await session.wait_closed()
        assert websocket.close_code is None
        assert [message.data async for message in websocket] == ["a"]
        assert websocket.close_code == 4000


async def test_a_task_that_receives_no_more_while_another_closes(serve: Serve) -> None:
    """What it leaves is read where the block is left."""
    async with both_ends(serve) as (session, wire):
        async with WebSocketSession(session) as websocket:
            receiving = asyncio.ensure_future(websocket.receive())
            await asyncio.sleep(0)
            closing = asyncio.ensure_future(websocket.close())
            assert await wire.read_frame() == (0x88, NORMAL)
            wire.send(masked(0x81, b"a") + masked(0x81, b"b") + masked(0x88, b"\x0f\xa0"))
            assert (await receiving).data == "a"
            await closing
        assert websocket.close_code == 4000


async def test_a_task_that_receives_while_another_closes(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        closing = [asyncio.ensure_future(websocket.close()) for _ in range(2)]
        await asyncio.sleep(0)
        receiving = asyncio.ensure_future(websocket.receive())
        await asyncio.sleep(0)
        assert not receiving.done()
        assert await wire.read_frame() == (0x88, NORMAL)
        wire.send(masked(0x88, NORMAL))
        with pytest.raises(EndOfStream):
            await receiving
        await asyncio.gather(*closing)


@pytest.mark.parametrize("receives", [False, True])
async def test_a_peer_that_never_closes(serve: Serve, receives: bool) -> None:
    async with both_ends(serve, linger=0.1) as (session, wire):
        websocket = WebSocketSession(session, close_timeout=0.1)
        receiving = asyncio.ensure_future(websocket.receive()) if receives else None
        await asyncio.sleep(0)
        await websocket.close()
        assert websocket.close_code == 1006
        assert session.closed
        assert await wire.read_to_end() == b"\x88\x02" + NORMAL
        if receiving is not None:
            with pytest.raises(EndOfStream):
                await receiving


@pytest.mark.parametrize("receives", [False, True])
async def test_a_peer_that_reads_nothing(serve: Serve, receives: bool) -> None:
    async with both_ends(serve, linger=0.1) as (session, wire):
        websocket = WebSocketSession(session, close_timeout=0.1)
        wire.transport.pause_reading()
        while session.write_backlog < 2**20:
            session.send_nowait(Frame.binary(bytes(2**20)))
        receiving = asyncio.ensure_future(websocket.receive()) if receives else None
        await asyncio.sleep(0)
        await websocket.close()
        assert websocket.close_code == 1006
        if receiving is not None:
            with pytest.raises(EndOfStream):
                await receiving


async def test_without_autoclose_the_peer_can_still_be_told_something(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session, autoclose=False)
        wire.send(masked(0x88, NORMAL))
        assert [message async for message in websocket] == []
        assert not websocket.closed
        await websocket.send_str("last")
        await websocket.close(4000)
        assert websocket.closed
        assert [await wire.read_frame() for _ in "ab"] == [(0x81, b"last"), (0x88, b"\x0f\xa0")]


async def test_a_close_that_is_cancelled(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        websocket = WebSocketSession(session)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(websocket.close(), 0.05)
        wire.send(masked(0x81, b"late") + masked(0x88, NORMAL))
        assert [message.data async for message in websocket] == ["late"]
        assert websocket.close_code == 1000


# -- the block -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def connected(
    serve: Serve, handler: Any, *, tls: bool = False, **options: Any
) -> AsyncIterator[Wire]:
    """Yield a peer of a handler of a WebSocketSession."""
    address = await serve(application(websocket_handler(handler, **options), linger=0.3), tls=tls)
    wire = await Wire.upgrade(address)
    yield wire
    await soon(wire.close())


async def returns(websocket: WebSocketSession) -> None:
    await websocket.send_str("Hello")


async def fails(websocket: WebSocketSession) -> None:
    await websocket.send_str("Hello")
    raise ZeroDivisionError


async def finds_fault(websocket: WebSocketSession) -> None:
    await websocket.send_str("Hello")
    raise ProtocolError(Violation.NONE, 1003, "no texts here" + 200 * "!")


async def is_cancelled(websocket: WebSocketSession) -> None:
    await websocket.send_str("Hello")
    raise asyncio.CancelledError


@BOTH
@pytest.mark.parametrize(
    ("handler", "close"),
    [
        (returns, NORMAL),
        (fails, b"\x03\xf3"),
        (finds_fault, b"\x03\xebno texts here" + 110 * b"!"),
        (is_cancelled, b"\x03\xe9"),
    ],
)
async def test_the_close_of_a_block_arrives(
    serve: Serve, caplog: pytest.LogCaptureFixture, tls: bool, handler: Any, close: bytes
) -> None:
    async with connected(serve, handler, tls=tls) as wire:
        # Unread input must not cost the peer what was sent.
        wire.send(masked(0x82, bytes(60_000)))
        assert await wire.read_frame() == (0x81, b"Hello")
        assert await wire.read_frame() == (0x88, close)
        wire.send(masked(0x88, close))
        assert await wire.read_to_end() == b""

    def errors() -> int:
        return sum(record.levelno >= logging.ERROR for record in caplog.records)

    await until(lambda: errors() == (handler is fails))


async def test_a_block_that_is_left_after_the_end(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(EndOfStream):
            async with WebSocketSession(session) as websocket:
                wire.send(masked(0x88, b"\x0f\xa0"))
                await websocket.receive()
        assert await wire.read_frame() == (0x88, b"\x0f\xa0")
        async with WebSocketSession(session):
            pass


async def test_an_exception_that_ends_the_program(serve: Serve) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(SystemExit):
            async with WebSocketSession(session):
                raise SystemExit
        assert session.close_sent is None


async def test_an_exception_within_a_frame_in_pieces(serve: Serve) -> None:
    """No Close can be sent: the peer is reset."""
    async with both_ends(serve) as (session, wire):
        with pytest.raises(ZeroDivisionError):
            async with WebSocketSession(session):
                await session.send_piece(Piece(2, True, False, False, False, 2, 0, b"a", False))
                raise ZeroDivisionError
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()


async def test_a_server_that_stops(serve: Serve) -> None:
    async def waits(websocket: WebSocketSession) -> None:
        async for _ in websocket:
            pass

    async with running(application(websocket_handler(waits))) as (runner, address):
        wire = await Wire.upgrade(address)
        cleaning = asyncio.ensure_future(runner.cleanup())
        assert await wire.read_frame() == (0x88, b"\x03\xe9")
        wire.send(masked(0x88, b"\x03\xe9"))
        assert await wire.read_to_end() == b""
        await cleaning
        await wire.close()


async def test_a_client_that_fails(serve: Serve) -> None:
    received: list[Frame] = []

    async def handler(session: RawWebSocketSession) -> None:
        async for frame in session:
            received.append(frame)

    address = await serve(application(handler))
    async with aiohttp.ClientSession() as client:
        with pytest.raises(ZeroDivisionError):
            async with (
                aiohttp_rawws.connect(client, address.url()) as session,
                WebSocketSession(session),
            ):
                raise ZeroDivisionError
    assert received == [Frame.close(1011)]


async def test_a_generator_that_is_left(serve: Serve) -> None:
    received: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("a"))
        received.set_result(await session.receive())

    address = await serve(application(handler))

    async def messages() -> AsyncGenerator[Message, None]:
        async with (
            aiohttp.ClientSession() as client,
            aiohttp_rawws.connect(client, address.url()) as session,
            WebSocketSession(session) as websocket,
        ):
            async for message in websocket:
                yield message

    async with contextlib.aclosing(messages()) as generator:
        async for _ in generator:
            break
    assert await soon(received) == Frame.close(1001)


async def test_the_end_of_another_session(serve: Serve) -> None:
    """It is an error to this one, whose peer is told."""
    async with both_ends(serve) as (session, wire), both_ends(serve) as (other, other_wire):
        with pytest.raises(EndOfStream):
            async with WebSocketSession(session), WebSocketSession(other) as websocket:
                other_wire.end()
                await websocket.receive()
        assert await wire.read_frame() == (0x88, b"\x03\xf3")


async def test_a_peer_that_was_killed(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Its system sends a FIN. A handler that then sends has made no error."""
    ended = asyncio.Event()

    async def sends(websocket: WebSocketSession) -> None:
        websocket.session.add_end_callback(ended.set)
        await ended.wait()
        assert websocket.closed
        await websocket.send_str("late")

    async with connected(serve, sends) as wire:
        wire.end()
        assert await wire.read_to_end() == b""
    assert ended.is_set()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# -- the heartbeat ---------------------------------------------------------------------------------


async def test_a_peer_that_answers(serve: Serve) -> None:
    async with (
        both_ends(serve) as (session, wire),
        WebSocketSession(session, heartbeat=(0.05, 5)) as websocket,
    ):
        receiving = asyncio.ensure_future(websocket.receive_str())
        for _ in range(3):
            wire.send(masked(0x8A, await next_ping(wire)))
        wire.send(masked(0x81, b"a"))
        assert await receiving == "a"
        wire.send(masked(0x88))
        assert [message async for message in websocket] == []


async def test_a_silent_peer(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        async with WebSocketSession(session, heartbeat=0.1) as websocket:
            with pytest.raises(EndOfStream, match=r"silent for 0\.05 s after a ping") as caught:
                await websocket.receive()
            assert isinstance(caught.value.__cause__, TimeoutError)
            assert [message async for message in websocket] == []
        assert websocket.close_code == 1006
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()


async def test_a_handler_that_is_busy_after_the_end(serve: Serve) -> None:
    """The heartbeat leaves a block alone whose peer has ended."""
    async with both_ends(serve) as (session, wire):
        async with WebSocketSession(session, heartbeat=(0.02, 0.02)) as websocket:
            wire.send(masked(0x81, b"a") + masked(0x88))
            await asyncio.sleep(0.2)
            assert await websocket.receive_str() == "a"
        assert websocket.close_code == 1005
