"""What a session puts on the wire, when, and when it refuses to."""

import array
import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiohttp_rawws import CloseCode, Frame, Opcode, RawWebSocketSession, SessionClosed

from .conftest import Serve
from .ends import application, both_ends, narrow, patience, reset, segments, soon, taken, turns
from .wire import MASK, Wire, masked, xor

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
#: More than the buffers of a narrow connection hold. Over TLS it takes two: asyncio does not count
#: what the transport below the encryption holds, and that takes one write of any size.
BIG = 4 * 2**20


def refuse_to_read(session: RawWebSocketSession, wire: Wire) -> None:
    narrow(session, wire.writer)
    wire.transport.pause_reading()


def read_again(wire: Wire) -> None:
    wire.transport.resume_reading()


# -- frames ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x82\x00"),
        (1, b"\x82\x01"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (0xC123, b"\x82\x7e\xc1\x23"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (2**20, b"\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x00"),
    ],
)
async def test_a_frame_of_each_length_form(
    serve: Serve, size: int, header: bytes, tls: bool
) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with both_ends(serve, tls=tls) as (session, wire):
        await session.send(Frame.binary(payload))
        assert await wire.read(len(header) + size) == header + payload


async def test_what_is_sent_is_the_frame_whatever_it_means(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        for head in range(256):
            if head & 0x0F == Opcode.CLOSE:
                continue  # ends sending
            bits: dict[str, Any] = {f"rsv{n}": bool(head & (0x80 >> n)) for n in (1, 2, 3)}
            session.send_nowait(Frame(head & 0x0F, b"x", head >= 0x80, **bits))
            assert await wire.read(3) == bytes([head, 1]) + b"x"


async def test_a_server_does_not_mask(serve: Serve) -> None:
    """Also not a client's frame that it sends back, which has a masking key."""
    async with both_ends(serve, behind=masked(0x81, b"Hello")) as (session, wire):
        frame = await session.receive()
        assert frame.mask == MASK
        await session.send(frame)
        assert await wire.read_frame() == (0x81, b"Hello")


async def test_masking_with_the_key_of_the_frame(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x81, b"Hello")) as (session, wire):
        session.masking = True
        await session.send(await session.receive())
        # The masked Hello of RFC 6455 section 5.7
        assert await wire.read(11) == b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"


@pytest.mark.parametrize("size", [5, 100_000])
async def test_masking_with_a_fresh_key(serve: Serve, size: int) -> None:
    keys = set()
    payload = bytes(range(250)) * (size // 250) + b"Hello"[: size % 250]
    header = len(Frame.binary(payload).encode()) - size
    async with both_ends(serve) as (session, wire):
        session.masking = True
        for _ in range(5):
            await session.send(Frame.binary(payload))
            sent = await wire.read(header + 4 + size)
            assert sent[1] & 0x80
            keys.add(key := sent[header : header + 4])
            assert xor(sent[header + 4 :], key) == payload
        session.masking = False
        await session.send(Frame.binary(payload))
        assert (await wire.read(header + size))[header:] == payload
    assert len(keys) == 5


async def test_a_ping_and_a_pong_are_sent_like_any_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send(Frame.ping(b"1"))
        await session.send(Frame.pong(b"2"))
        assert await wire.read(6) == b"\x89\x011\x8a\x012"


@pytest.mark.parametrize("thing", ["text", b"bytes", None, 1])
async def test_only_frames_are_sent(serve: Serve, thing: object) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(TypeError):
            session.send_nowait(thing)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await session.send(thing)  # type: ignore[arg-type]
        await session.send(Frame.ping())
        assert await wire.read(2) == b"\x89\x00"


# -- any bytes -------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("size", [0, 10, 100_000], ids=str)
async def test_write_puts_any_bytes_on_the_wire(serve: Serve, size: int, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        session.write(b"\xff" * size)
        session.write(b"end")
        assert await wire.read(size + 3) == b"\xff" * size + b"end"


@pytest.mark.parametrize(
    "data",
    [
        bytearray(b"\x01\x02\x03\x04"),
        memoryview(b"\x01\x02\x03\x04"),
        memoryview(b"\x01-\x02-\x03-\x04-")[::2],
        array.array("B", [1, 2, 3, 4]),
    ],
    ids=lambda data: type(data).__name__,
)
async def test_bytes_like_objects(serve: Serve, data: "bytearray | memoryview") -> None:
    async with both_ends(serve) as (session, wire):
        session.write(data)
        session.send_nowait(Frame.binary(data))
        assert await wire.read(10) == b"\x01\x02\x03\x04\x82\x04\x01\x02\x03\x04"


@pytest.mark.parametrize("data", ["text", 5, None])
async def test_what_is_not_bytes_like(serve: Serve, data: object) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(TypeError, match="bytes-like"):
            session.write(data)  # type: ignore[arg-type]


@BOTH
async def test_payloads_are_taken_as_they_are_at_the_call(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        data = bytearray(b"a" * BIG)
        session.write(data)
        session.send_nowait(Frame.binary(data))
        data[:] = b"b" * BIG
        read_again(wire)
        assert (await wire.read(2 * BIG + 10)).count(b"b") == 0


# -- order, and few system calls -------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("size", [10, 20_000, 70_000, 300_000], ids=str)
async def test_frames_and_bytes_leave_in_the_order_of_the_calls(
    serve: Serve, size: int, tls: bool
) -> None:
    sent = b""

    async def handler(session: RawWebSocketSession) -> None:
        nonlocal sent
        async for frame in session:
            for number in range(5):
                answer = Frame.binary(bytes([number]) * (size >> number))
                session.send_nowait(answer)
                session.write(frame.payload)
                await session.send(Frame.ping(frame.payload))
                sent += answer.encode() + frame.payload + Frame.ping(frame.payload).encode()

    wire = await Wire.upgrade(await serve(application(handler), tls=tls))
    wire.send(b"".join(masked(0x82, b"%d" % number) for number in range(5)))
    await asyncio.sleep(0)
    async with patience():
        received = await wire.read(5)
        while sent.count(b"\x89\x014") < 5:
            received += await wire.read(len(sent) - len(received))
        received += await wire.read(len(sent) - len(received))
    assert received == sent
    await wire.close()


@pytest.mark.skipif(sys.platform != "linux", reason="counts segments as Linux does")
@pytest.mark.parametrize("number", [1, 100, 1000])
async def test_what_answers_one_read_leaves_at_once(serve: Serve, number: int) -> None:
    """Each write of a connection without Nagle's algorithm is a segment of its own."""

    async def pong(session: RawWebSocketSession) -> None:
        async for frame in session:
            await session.send(Frame.pong(frame.payload))

    wire = await Wire.upgrade(await serve(application(pong)))
    await turns()
    for _ in range(3):
        before = segments(wire)
        wire.send(masked(0x89, b"ping") * number)
        assert await wire.read(6 * number) == b"\x8a\x04ping" * number
        assert segments(wire) == before + 1
    await wire.close()


@pytest.mark.skipif(sys.platform != "linux", reason="counts segments as Linux does")
async def test_header_and_payload_leave_together(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        for size in (10, 1000, 20_000, 40_000):
            before = segments(wire)
            await session.send(Frame.binary(bytes(size)))
            await wire.read(len(Frame.binary(bytes(size)).encode()))
            assert segments(wire) == before + 1


@BOTH
async def test_what_is_sent_leaves_before_the_handler_waits(serve: Serve, tls: bool) -> None:
    """For anything at all: here for something that happens only once the frame has come."""
    came = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        async for frame in session:
            session.send_nowait(frame)
            await came.wait()
            came.clear()
            session.send_nowait(Frame.text("then"))

    wire = await Wire.upgrade(await serve(application(handler), tls=tls))
    for _ in range(3):
        wire.send(masked(0x81, b"first"))
        assert await wire.read_frame() == (0x81, b"first")
        came.set()
        assert await wire.read_frame() == (0x81, b"then")
    await wire.close()


@BOTH
async def test_a_session_may_answer_on_another(serve: Serve, tls: bool) -> None:
    """What was sent to the others while one read is handled leaves as well."""
    sessions: list[RawWebSocketSession] = []

    async def broadcast(session: RawWebSocketSession) -> None:
        sessions.append(session)
        async for frame in session:
            for each in sessions:
                each.send_nowait(frame)

    address = await serve(application(broadcast), tls=tls)
    wires = [await Wire.upgrade(address) for _ in range(3)]
    wires[0].send(masked(0x81, b"all"))
    for wire in wires:
        assert await wire.read_frame() == (0x81, b"all")
    for wire in wires:
        await wire.close()


# -- waiting ---------------------------------------------------------------------------------


async def test_a_send_that_fills_nothing_never_gives_way(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        others: list[str] = []
        asyncio.get_running_loop().call_soon(others.append, "ran")
        for _ in range(100):
            await session.send(Frame.ping())
            await session.drain()
        assert others == []
        assert await wire.read(200) == b"\x89\x00" * 100


WAIT: dict[str, Callable[[RawWebSocketSession], Awaitable[None]]] = {
    "send": lambda session: session.send(Frame.ping()),
    "drain": RawWebSocketSession.drain,
    "close": RawWebSocketSession.close,
}
WAITING = pytest.mark.parametrize("wait", WAIT.values(), ids=WAIT)


@BOTH
@WAITING
async def test_waiting_for_a_peer_that_does_not_read(
    serve: Serve, wait: Callable[[RawWebSocketSession], Awaitable[None]], tls: bool
) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        for _ in range(2):
            session.send_nowait(Frame.binary(bytes(BIG)))
        assert session.write_backlog > BIG / 2
        waiting = asyncio.ensure_future(wait(session))
        await turns(100)
        assert not waiting.done()
        read_again(wire)
        for _ in range(2):
            assert await wire.read(BIG + 10) == Frame.binary(bytes(BIG)).encode()
        await waiting


@BOTH
async def test_send_nowait_never_waits(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        for _ in range(3):
            session.send_nowait(Frame.binary(bytes(BIG)))
        session.send_nowait(Frame.ping())
        assert session.write_backlog > 1.5 * BIG
        read_again(wire)
        for _ in range(3):
            await wire.read(BIG + 10)
        assert await wire.read(2) == b"\x89\x00"
        assert session.write_backlog == 0


async def test_a_cancelled_send_has_sent_its_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        sending = asyncio.create_task(session.send(Frame.binary(bytes(BIG))))
        await turns()
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
        session.send_nowait(Frame.ping())
        read_again(wire)
        await wire.read(BIG + 10)
        assert await wire.read(2) == b"\x89\x00"


async def test_several_tasks_may_send(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        frames = [Frame.binary(bytes([n]) * (BIG // 8)) for n in range(8)]
        sending = [asyncio.create_task(session.send(frame)) for frame in frames]
        await turns()
        read_again(wire)
        for frame in frames:
            data = frame.encode()
            assert await wire.read(len(data)) == data
        await asyncio.gather(*sending)


@BOTH
async def test_a_lost_peer_wakes_everyone(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(BIG)))
        sending = asyncio.create_task(session.send(Frame.binary(bytes(BIG))))
        draining = asyncio.create_task(session.drain())
        closing = asyncio.create_task(session.close())
        waiting = asyncio.create_task(session.wait_closed())
        receiving = asyncio.create_task(session.receive())
        await turns(50)
        reset(wire)
        tasks = [sending, draining, closing, waiting, receiving]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result).__name__ for result in results] == [
            "SessionClosed",
            "SessionClosed",
            "NoneType",  # close() is quiet
            "NoneType",
            "EndOfStream",
        ]
        assert isinstance(session.exception, ConnectionError)
        for result in (results[0], results[1], results[4]):
            assert isinstance(result, BaseException)
            assert result.__cause__ is session.exception


@BOTH
async def test_a_task_that_only_sends_hears_of_a_lost_peer(serve: Serve, tls: bool) -> None:
    """Though it never gives way to the loop, which would tell."""
    async with both_ends(serve, tls=tls) as (session, wire):
        reset(wire)
        await asyncio.sleep(0)
        with pytest.raises(SessionClosed):
            for _ in range(1000):
                await session.send(Frame.binary(bytes(300_000)))


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
