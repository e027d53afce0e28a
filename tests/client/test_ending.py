"""How a client's session ends its connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import EndOfStream, Frame, Opcode, SessionClosed
from aiohttp_rawws.client.connect import connect
from tests.support.handshakes import Opening, answer
from tests.support.octets import CLOSE, HELLO
from tests.support.scripts import until_end
from tests.support.servers import BOTH, Serve, application, echo, left
from tests.support.sockets import MEGABYTES, reset
from tests.support.waiting import PATIENCE, patience, soon, turns, until
from tests.support.wire import ByHand, Wire


@BOTH
async def test_leaving_the_block_ends_the_stream(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    """What was sent arrives, and no Close frame that nobody has sent."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script, tls=tls)).url()
    async with connect(http, url) as session:
        await session.send(Frame(Opcode.PING, mask=bytes(4)))
    assert await soon(data) == b"\x89\x80" + bytes(4)
    assert session.closed
    assert session.close_sent is None
    assert session.exception is None


@BOTH
async def test_megabytes_of_unread_input_do_not_cost_the_output(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.transport.pause_reading()
        wire.send(answer(opening))
        wire.send(Frame.binary(bytes(MEGABYTES)).encode())
        await soon(wire.writer.drain())
        wire.transport.resume_reading()
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script, tls=tls)).url()
    async with connect(http, url, linger=PATIENCE) as session:
        session.masking = False
        session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    assert await soon(data) == Frame.binary(bytes(MEGABYTES)).encode()


@BOTH
async def test_linger_bounds_the_wait_for_the_server(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    released = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        wire.transport.pause_reading()
        await released.wait()

    async with connect(http, (await by_hand(script, tls=tls)).url(), linger=0.1) as session:
        for _ in range(2):
            session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    await until(lambda: not left(http))
    released.set()


async def test_each_has_its_own_linger(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await wire.read_to_end()
        begun.set()
        await released.wait()

    async def end(linger: float) -> None:
        async with connect(http, url, linger=linger):
            pass

    begun, released = asyncio.Event(), asyncio.Event()
    url = (await by_hand(script)).url()
    patient = asyncio.create_task(end(PATIENCE))
    await soon(begun.wait())
    await soon(end(0.05))
    assert not patient.done()
    released.set()
    await soon(patient)


async def assert_reset(wire: Wire, tls: bool) -> None:
    """The stream ends with a RST; over TLS just anyhow."""
    try:
        await wire.read_to_end()
        ended = tls
    except ConnectionError:
        ended = True
    assert ended


@BOTH
@pytest.mark.parametrize("kind", [ValueError, SessionClosed, KeyError])
async def test_an_exception_in_the_block_aborts(
    by_hand: ByHand, http: aiohttp.ClientSession, kind: type[Exception], tls: bool
) -> None:
    error = kind("mine")
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await assert_reset(wire, tls)
        ended.set_result(None)

    url = (await by_hand(script, tls=tls)).url()
    with pytest.raises(type(error)) as caught:
        async with connect(http, url):
            raise error
    assert caught.value is error
    await soon(ended)


async def test_the_end_of_the_stream_may_leave_the_block(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """What was sent before, in answer to the Close for example, still arrives."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + CLOSE)
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script)).url()
    with pytest.raises(EndOfStream):
        async with connect(http, url) as session, patience():
            session.masking = False
            while True:
                await session.send(await session.receive())
    assert await soon(data) == CLOSE


@BOTH
async def test_a_cancelled_block_can_still_say_goodbye(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        data.set_result(await wire.read_to_end())

    async def work() -> None:
        async with connect(http, url) as session:
            session.masking = False
            try:
                while True:
                    await session.receive()
                    received.set()
            finally:
                await session.close(1001)

    received = asyncio.Event()
    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script, tls=tls)).url()
    task = asyncio.create_task(work())
    await soon(received.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(task)
    assert await soon(data) == b"\x88\x02\x03\xe9"


async def test_a_generator_that_is_closed(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    """It must not wait for anything any more."""

    async def texts() -> AsyncIterator[bytes]:
        async with connect(http, url) as session:
            async for frame in session:
                yield frame.payload

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        await assert_reset(wire, tls=False)

    url = (await by_hand(script)).url()
    generator: Any = texts()
    assert await soon(anext(generator)) == b"Hello"
    await soon(generator.aclose())


@BOTH
@pytest.mark.parametrize("how", ["close", "end", "reset"])
async def test_the_server_goes_away(
    by_hand: ByHand, http: aiohttp.ClientSession, how: str, tls: bool
) -> None:
    read = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        await read.wait()
        if how == "reset":
            reset(wire)
            return
        if how == "close":
            wire.send(CLOSE)
        wire.writer.close()
        await wire.writer.wait_closed()

    address = await by_hand(script, tls=tls)
    async with connect(http, address.url()) as session, patience():
        assert await session.receive() == Frame.text("Hello")
        read.set()
        with contextlib.suppress(EndOfStream):
            assert (await session.receive()).opcode == Opcode.CLOSE
        await session.wait_closed()
        if tls or how == "reset":
            # Plain TCP can still be sent to after the end of the other half.
            await until(lambda: not left(http))
            assert session.closed
            assert session.response.closed


async def test_a_server_that_half_closes_can_be_sent_to(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        wire.end()
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with connect(http, (await by_hand(script)).url()) as session:
        session.masking = False
        await soon(session.wait_closed())
        assert not session.closed
        await session.send(Frame.text("Hello"))
    assert await soon(data) == HELLO


@BOTH
async def test_response_close_ends_what_was_just_awaited(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    """As the end of a block does: what was sent arrives."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    session = await connect(http, (await by_hand(script, tls=tls)).url())
    session.masking = False
    assert await soon(session.receive()) == Frame.text("Hello")
    session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    session.response.close()
    await soon(session.wait_closed())
    assert await soon(data) == Frame.binary(bytes(MEGABYTES)).encode()
    with pytest.raises(EndOfStream):
        await session.receive()
    with pytest.raises(SessionClosed):
        await session.send(Frame.ping())


async def test_a_close_frame_alone_ends_nothing(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    session = await connect(http, (await by_hand(until_end)).url())
    await session.close()
    await turns()
    assert not session.closed
    assert left(http) == 1
    session.abort()
    await soon(session.wait_closed())


@BOTH
async def test_an_exit_stack_has_room_for_sessions(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    url = (await serve(application(echo), tls=tls)).url()
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connect(http, url)) for _ in range(10)]
        for session in sessions:
            await session.send(Frame.ping())
            assert await soon(session.receive()) == Frame.ping()
        assert left(http) == 10
    assert all(session.closed for session in sessions)


async def test_what_aiohttp_sees_of_the_connection(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async with connect(http, (await by_hand(until_end)).url()) as session:
        connection: Any = session.response.connection
        assert not connection.closed
        assert not connection.transport.is_closing()
        peer = session.get_extra_info("peername")
        assert connection.transport.get_extra_info("peername") == peer
        assert connection.transport.get_extra_info("nothing", 5) == 5
        session.abort()
        assert connection.closed
