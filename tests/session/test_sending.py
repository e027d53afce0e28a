"""The bytes that a session sends, their order, and its system calls."""

import array
import asyncio
import os
import sys
from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, RawWebSocketSession
from tests.support.ends import both_ends
from tests.support.octets import MASK, masked, xor
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import BIG, narrow, read_again, refuse_to_read, segments
from tests.support.waiting import patience, turns
from tests.support.wire import Wire

# -- frames ----------------------------------------------------------------------------------------


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


# -- any bytes -------------------------------------------------------------------------------------


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


# -- order, and few system calls -------------------------------------------------------------------


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


@pytest.mark.parametrize("size", [10, 20_000])
async def test_nothing_overtakes_what_waits(serve: Serve, size: int) -> None:
    """Not even where the system has room again, and the loop has not run since."""
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(BIG)))
        await turns()
        descriptor = wire.writer.get_extra_info("socket").fileno()
        received = b"".join(os.read(descriptor, 2**14) for _ in range(8))
        session.send_nowait(Frame.binary(b"x" * size))
        received += os.read(descriptor, 2**14)
        read_again(wire)
        expected = Frame.binary(bytes(BIG)).encode() + Frame.binary(b"x" * size).encode()
        received += await wire.read(len(expected) - len(received))
        assert received == expected


@pytest.mark.parametrize("sizes", [[15_000, 15_000, 100_000], [15_000, 10, 60_000, 100_000]])
async def test_what_the_system_takes_in_part(serve: Serve, sizes: list[int]) -> None:
    """Frames that leave together, to a peer that has little room."""
    answers = [Frame.binary(bytes([n]) * size) for n, size in enumerate(sizes)]

    async def handler(session: RawWebSocketSession) -> None:
        narrow(session, size=1)
        async for _ in session:
            for answer in answers:
                session.send_nowait(answer)

    wire = await Wire.upgrade(await serve(application(handler)))
    expected = b"".join(answer.encode() for answer in answers)
    for _ in range(3):
        wire.send(masked(0x89))
        assert await wire.read(len(expected)) == expected
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
            # On a busy machine the kernel may pace a write out in two; two writes never are one.
            taken = set()
            for _ in range(5):
                before = segments(wire)
                await session.send(Frame.binary(bytes(size)))
                await wire.read(len(Frame.binary(bytes(size)).encode()))
                taken.add(segments(wire) - before)
            assert min(taken) == 1


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
