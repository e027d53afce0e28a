"""The frames that a session gives to its handler, in each way to receive."""

import asyncio
import random

import pytest
from aiohttp import web

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    Opcode,
    RawWebSocketSession,
    Violation,
    add_raw_websocket,
    setup,
)
from tests.support.conversation import CLOSE, HEARD, SPOKEN
from tests.support.ends import both_ends
from tests.support.handshakes import request
from tests.support.octets import long_frame, masked
from tests.support.servers import BOTH, Serve
from tests.support.sockets import taken
from tests.support.waiting import turns
from tests.support.ways import (
    EVERY_WAY,
    Way,
    all_frames,
    by_batches,
    by_iteration,
    by_pieces,
    by_receive,
)
from tests.support.wire import Wire

# -- every frame, in wire order --------------------------------------------------------------------


@BOTH
@EVERY_WAY
async def test_every_frame_arrives_in_wire_order(serve: Serve, way: Way, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        wire.send(SPOKEN)
        assert await all_frames(session, way) == HEARD


@BOTH
@EVERY_WAY
async def test_frames_in_the_segment_of_the_request(serve: Serve, way: Way, tls: bool) -> None:
    async with both_ends(serve, behind=SPOKEN, tls=tls) as (session, _):
        assert await all_frames(session, way) == HEARD


@pytest.mark.parametrize("cut", range(1, 7))
async def test_a_frame_cut_between_the_segment_of_the_request_and_the_next(
    serve: Serve, cut: int
) -> None:
    async with both_ends(serve, behind=SPOKEN[:cut]) as (session, wire):
        wire.send(SPOKEN[cut:])
        assert await all_frames(session) == HEARD


@BOTH
@EVERY_WAY
async def test_byte_by_byte(serve: Serve, way: Way, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        receiving = asyncio.create_task(all_frames(session, way))
        for position in range(len(SPOKEN)):
            wire.send(SPOKEN[position : position + 1])
            await taken(session, wire)
        assert await receiving == HEARD


async def test_opcodes_are_named_where_they_are_known(serve: Serve) -> None:
    async with both_ends(serve, behind=SPOKEN) as (session, _):
        opcodes = [frame.opcode for frame in await all_frames(session)]
    assert [type(opcode) for opcode in opcodes] == [Opcode] * len(HEARD)


@EVERY_WAY
async def test_reserved_bits_as_sent(serve: Serve, way: Way) -> None:
    # FIN RSV1 RSV2 RSV3 and four bits of opcode
    heads = [0b0100_0001, 0b0010_0000, 0b1001_0000, 0b1111_1001]
    data = b"".join(masked(head, b"x") for head in heads) + CLOSE
    lenient = Violation.ALL & ~Violation.RESERVED_BITS
    async with both_ends(serve, behind=data, reject=lenient) as (session, _):
        frames = await all_frames(session, way)
    assert [frame.encode()[0] for frame in frames[:-1]] == heads
    assert (frames[0].rsv1, frames[0].rsv2, frames[0].rsv3) == (True, False, False)
    assert (frames[1].rsv1, frames[1].rsv2, frames[1].rsv3) == (False, True, False)
    assert (frames[2].rsv1, frames[2].rsv2, frames[2].rsv3) == (False, False, True)


async def test_reserved_bits_belong_to_a_negotiated_extension(serve: Serve) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        frame = await session.receive()
        await session.send(Frame.text(f"{session.extensions} {frame.violations}"))

    app = web.Application()
    setup(app, extensions=lambda offer: f"{offer}; taken")
    add_raw_websocket(app.router, "/", handler)
    wire = await Wire.open(await serve(app))
    wire.send(request(Sec_WebSocket_Extensions="x-one") + masked(0xC1, b"x"))
    _, headers = await wire.read_head()
    assert headers["Sec-WebSocket-Extensions"] == "x-one; taken"
    assert (await wire.read_frame())[1] == b"x-one; taken Violation.NONE"
    await wire.close()


SIZES = [*range(126), 126, 127, 0xC123, 65535, 65536, 2**18 - 1, 2**18, 2**18 + 1]


@BOTH
@pytest.mark.parametrize("way", [by_receive, by_batches, by_pieces])
async def test_payloads_of_every_length_form(serve: Serve, way: Way, tls: bool) -> None:
    payloads = [random.Random(size).randbytes(size) for size in SIZES]
    async with both_ends(serve, tls=tls) as (session, wire):
        for payload in payloads:
            short = len(payload) <= 65535
            wire.send(masked(0x82, payload) if short else long_frame(0x82, payload))
        wire.send(CLOSE)
        frames = await all_frames(session, way)
    assert [frame.payload for frame in frames[:-1]] == payloads


async def test_a_frame_keeps_its_masking_key(serve: Serve) -> None:
    data = b"\x82\x82\x00\x00\x00\x00ab" + b"\x82\x82\x01\x02\x03\x04" + b"``" + CLOSE
    async with both_ends(serve, behind=data) as (session, _):
        first, second, _ = await all_frames(session)
    assert (first.mask, first.payload) == (bytes(4), b"ab")
    assert (second.mask, second.payload) == (b"\x01\x02\x03\x04", b"ab")


async def test_100_000_frames_in_order(serve: Serve) -> None:
    numbers = range(100_000)
    flood = b"".join(b"\x82\x84\x00\x00\x00\x00" + n.to_bytes(4, "big") for n in numbers)
    async with both_ends(serve) as (session, wire):
        wire.send(flood + CLOSE)
        frames = await all_frames(session, by_iteration)
    received = [int.from_bytes(frame.payload, "big") for frame in frames[:-1]]
    assert received == list(numbers)


@BOTH
@pytest.mark.parametrize("size", [2**20, 20 * 2**20], ids=["1 MiB", "20 MiB"])
async def test_a_big_frame(serve: Serve, size: int, tls: bool) -> None:
    payload = random.Random(size).randbytes(size)
    async with both_ends(serve, tls=tls, max_frame_size=size) as (session, wire):
        wire.send(long_frame(0x82, payload))
        frame = await session.receive()
    assert frame.payload == payload


async def test_ping_and_pong_are_not_answered(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89, b"are you there") + masked(0x8A, b"I am") + CLOSE)
        assert len(await all_frames(session)) == 3
        await session.send(Frame.text("the first thing that is sent"))
        assert await wire.read_frame() == (0x81, b"the first thing that is sent")


async def test_text_that_is_not_utf8_is_not_judged(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x81, b"\xff\xfe")) as (session, _):
        assert await session.receive() == Frame(Opcode.TEXT, b"\xff\xfe")


# -- batches ---------------------------------------------------------------------------------------


async def test_a_batch_is_everything_that_is_ready(serve: Serve) -> None:
    async with both_ends(serve, behind=SPOKEN) as (session, _):
        assert [batch async for batch in session.batches()] == [HEARD]


async def test_a_batch_waits_for_the_first_frame_only(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        batches = session.batches()
        waiting = asyncio.ensure_future(anext(batches))
        await turns()
        wire.send(masked(0x89, b"1") + masked(0x89, b"2"))
        assert await waiting == [Frame.ping(b"1"), Frame.ping(b"2")]
        wire.send(masked(0x89, b"3"))
        assert await anext(batches) == [Frame.ping(b"3")]


async def test_batches_iterate_as_often_as_one_likes(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x89, b"1")) as (session, wire):
        async for batch in session.batches():
            assert batch == [Frame.ping(b"1")]
            break
        wire.send(CLOSE)
        assert [batch async for batch in session.batches()] == [[Frame.close(1000, "bye")]]


# -- receive_nowait --------------------------------------------------------------------------------


async def test_receive_nowait_gives_none_while_nothing_is_there(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        assert session.receive_nowait() is None
        wire.send(SPOKEN[:3])
        await taken(session, wire)
        assert session.receive_nowait() is None
        wire.send(SPOKEN[3:])
        await taken(session, wire)
        assert [session.receive_nowait() for _ in HEARD] == HEARD
        with pytest.raises(EndOfStream):
            session.receive_nowait()
