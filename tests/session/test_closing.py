"""A session ends its own side, and refuses to send afterwards."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from aiohttp_rawws import CloseCode, Frame, Opcode, RawWebSocketSession, SessionClosed
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import read_again, refuse_to_read, reset, taken
from tests.support.waiting import soon, turns
from tests.support.wire import Wire

BIG = 4 * 2**20  # more than the buffers of a narrow connection hold


# -- when nothing can be sent ----------------------------------------------------------------

SENDS: dict[str, Callable[[RawWebSocketSession, Frame], Awaitable[None]]] = {
    "send": RawWebSocketSession.send,
    "send_nowait": lambda session, frame: send_nowait(session, frame),
    "send_piece": RawWebSocketSession.send_piece,
}
EVERY_SEND = pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)


async def send_nowait(session: RawWebSocketSession, frame: Frame) -> None:
    session.send_nowait(frame)


Send = Callable[[RawWebSocketSession, Frame], Awaitable[None]]


@EVERY_SEND
async def test_after_a_close_frame_only_bytes_can_be_sent(serve: Serve, send: Send) -> None:
    """However it was sent, and whatever it says."""
    async with both_ends(serve) as (session, wire):
        assert session.close_sent is None
        await send(session, Frame(Opcode.CLOSE, b"?", False))
        assert session.close_sent == Frame(Opcode.CLOSE, b"?", False)
        for every in SENDS.values():
            with pytest.raises(SessionClosed, match="Close"):
                await every(session, Frame.pong())
        await session.close()
        await session.drain()
        assert not session.closed
        session.write(b"any bytes")
        assert await wire.read(12) == b"\x08\x01?any bytes"


async def test_bytes_that_are_a_close_frame_are_bytes(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        session.write(b"\x88\x00")
        assert session.close_sent is None
        await session.send(Frame.ping())
        assert await wire.read(4) == b"\x88\x00\x89\x00"


@EVERY_SEND
async def test_after_write_eof_nothing_can_be_sent(serve: Serve, send: Send) -> None:
    async with both_ends(serve) as (session, wire):
        session.write_eof()
        with pytest.raises(SessionClosed, match="half"):
            await send(session, Frame.ping())
        with pytest.raises(SessionClosed, match="half"):
            session.write(b"bytes")
        await session.close()
        assert session.close_sent is None
        assert await wire.read_to_end() == b""


@BOTH
@EVERY_SEND
async def test_after_abort_nothing_can_be_sent(serve: Serve, send: Send, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, _):
        session.abort()
        with pytest.raises(SessionClosed, match="closed"):
            await send(session, Frame.ping())
        with pytest.raises(SessionClosed, match="closed"):
            session.write(b"bytes")
        await session.wait_closed()
        with pytest.raises(SessionClosed, match="closed"):
            await send(session, Frame.ping())
        with pytest.raises(SessionClosed, match="closed"):
            await session.drain()
        await session.close()
        assert session.close_sent is None


@BOTH
@EVERY_SEND
async def test_nothing_can_be_sent_to_a_lost_peer(serve: Serve, send: Send, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        reset(wire)
        await session.wait_closed()
        with pytest.raises(SessionClosed) as caught:
            await send(session, Frame.ping())
        assert isinstance(caught.value, ConnectionError)
        assert caught.value.__cause__ is session.exception
        with pytest.raises(SessionClosed):
            session.write(b"bytes")
        with pytest.raises(SessionClosed):
            await session.drain()
        assert session.write_backlog == 0


async def test_a_refused_frame_leaves_nothing_behind(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.close(1001)
        with pytest.raises(SessionClosed):
            await session.send(Frame.close(1002))
        assert session.close_sent == Frame.close(1001)
        session.write_eof()
        assert await wire.read_to_end() == b"\x88\x02\x03\xe9"


# -- close, write_eof, abort -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ((), b"\x88\x02\x03\xe8"),
        ((None,), b"\x88\x00"),
        ((CloseCode.GOING_AWAY, "bye"), b"\x88\x05\x03\xe9bye"),
        ((4999, "a" * 123), b"\x88\x7d\x13\x87" + b"a" * 123),
        ((3000, "é" * 61 + "e"), b"\x88\x7d\x0b\xb8" + "é".encode() * 61 + b"e"),
    ],
)
async def test_close_sends_a_close_frame_once(
    serve: Serve, arguments: "tuple[int, str]", sent: bytes
) -> None:
    async with both_ends(serve) as (session, wire):
        await session.close(*arguments)  # and does not wait for the peer
        assert session.close_sent is not None
        assert session.close_sent.encode() == sent
        await session.close(1002, "again")
        assert session.close_sent.encode() == sent
        assert not session.closed
        session.write_eof()
        assert await wire.read_to_end() == sent


@pytest.mark.parametrize(
    "arguments",
    [
        (999,),
        (1004,),
        (1005,),
        (1006,),
        (1015,),
        (1016,),
        (2999,),
        (5000,),
        (65536,),
        (-1,),
        (1000, "a" * 124),
        (1000, "é" * 62),
        (None, "a reason without a code"),
    ],
)
async def test_what_close_does_not_send(serve: Serve, arguments: "tuple[int, str]") -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(ValueError, match="close"):
            await session.close(*arguments)
        assert session.close_sent is None
        await session.close(1000)
        assert await wire.read(4) == b"\x88\x02\x03\xe8"


async def test_close_after_the_peers_close(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x88, b"\x03\xe9")) as (session, wire):
        frame = await session.receive()
        await session.close(frame.close_code)
        assert await wire.read(4) == b"\x88\x02\x03\xe9"


async def test_a_close_in_reply_to_the_peers_frame_itself(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x88, b"\x03\xe9bye")) as (session, wire):
        await session.send(await session.receive())
        assert session.close_sent == session.close_received
        assert await wire.read(7) == b"\x88\x05\x03\xe9bye"


async def test_receiving_goes_on_after_an_own_close(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.close()
        wire.send(masked(0x82, b"under way") + masked(0x88, b"\x03\xe8"))
        assert [frame async for frame in session] == [Frame.binary(b"under way"), Frame.close(1000)]


async def test_abort_is_a_reset(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        session.abort()
        assert session.closed
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()


async def test_abort_over_tls_ends_the_connection(serve: Serve) -> None:
    async with both_ends(serve, tls=True) as (session, wire):
        session.abort()
        assert session.closed
        with contextlib.suppress(ConnectionError):
            assert await wire.read_to_end() == b""


@BOTH
async def test_abort_drops_what_was_not_sent(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(BIG)))
        session.abort()
        session.abort()
        await session.wait_closed()
        session.abort()
        assert session.write_backlog == 0
        assert session.exception is None
        read_again(wire)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await wire.read(BIG)


async def test_abort_while_a_read_is_handled(serve: Serve) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        async for frame in session:
            session.send_nowait(frame)
            session.abort()
            assert session.write_backlog == 0

    wire = await Wire.upgrade(await serve(application(handler)))
    wire.send(masked(0x81, b"one") + masked(0x81, b"two"))
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()


async def test_write_eof_ends_the_sending_half(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        session.send_nowait(Frame.text("last"))
        session.write_eof()
        session.write_eof()
        assert await wire.read_to_end() == b"\x81\x04last"
        assert not session.closed
        wire.send(masked(0x81, b"I can still talk") + masked(0x88))
        assert await session.receive() == Frame.text("I can still talk")
        assert await session.receive() == Frame.close()


async def test_write_eof_behind_a_backlog(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(BIG)))
        session.write_eof()
        read_again(wire)
        assert len(await wire.read_to_end()) == BIG + 10


async def test_write_eof_on_tls(serve: Serve) -> None:
    async with both_ends(serve, tls=True) as (session, wire):
        with pytest.raises(RuntimeError, match="TLS"):
            session.write_eof()
        await session.send(Frame.ping())
        assert await wire.read(2) == b"\x89\x00"


async def test_write_eof_of_a_lost_connection_is_quiet(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reset(wire)
        await session.wait_closed()
        session.write_eof()


async def test_write_eof_to_a_peer_that_has_ended_and_was_reset(serve: Serve) -> None:
    """What no loop has noticed, for it reads no more."""
    async with both_ends(serve) as (session, wire):
        wire.end()
        await session.wait_closed()
        reset(wire)
        await turns()
        session.write_eof()
        session.abort()
        assert session.closed


async def test_a_peer_that_half_closes_can_still_be_sent_to(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x81, b"last"))
        wire.end()
        await session.wait_closed()
        assert await session.receive() == Frame.text("last")
        with pytest.raises(EOFError):
            await session.receive()
        for number in range(100):
            await session.send(Frame.text(f"still {number % 10}"))
            assert await wire.read_frame() == (0x81, b"still %d" % (number % 10))
        assert not session.closed
        await session.close()
        assert await wire.read(4) == b"\x88\x02\x03\xe8"


async def test_both_halves_end(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.end()
        await session.wait_closed()
        session.write_eof()
        assert await soon(wire.read_to_end()) == b""
        await taken(session, wire)
