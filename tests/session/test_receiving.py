"""What a session gives to its handler: frames, in every way there is to take them."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    Opcode,
    RawWebSocketError,
    RawWebSocketSession,
    Violation,
    add_raw_websocket,
    setup,
)
from tests.support.ends import both_ends
from tests.support.handshakes import request
from tests.support.octets import long_frame, masked
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import reset, taken
from tests.support.waiting import patience, soon, turns
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

CLOSE = masked(0x88, b"\x03\xe8bye")


# -- every frame, in wire order --------------------------------------------------------------

CONVERSATION = [
    (masked(0x01, b"He"), Frame(Opcode.TEXT, b"He", False)),
    (masked(0x89, b"ping"), Frame(Opcode.PING, b"ping")),
    (masked(0x00, b"ll"), Frame(Opcode.CONTINUATION, b"ll", False)),
    (masked(0x8A, b"pong"), Frame(Opcode.PONG, b"pong")),
    (masked(0x80, b"o"), Frame(Opcode.CONTINUATION, b"o")),
    (masked(0x82, b""), Frame(Opcode.BINARY)),
    (masked(0x81, bytes(126)), Frame(Opcode.TEXT, bytes(126))),
    (masked(0x8A, b""), Frame(Opcode.PONG)),
    (CLOSE, Frame.close(1000, "bye")),
]
SPOKEN = b"".join(data for data, _ in CONVERSATION)
HEARD = [frame for _, frame in CONVERSATION]


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


# -- batches ---------------------------------------------------------------------------------


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


# -- receive_nowait --------------------------------------------------------------------------


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


# -- the end of the stream -------------------------------------------------------------------

Take = Callable[[RawWebSocketSession], Awaitable[object]]


async def take_nowait(session: RawWebSocketSession) -> object:
    return session.receive_nowait()


TAKES = pytest.mark.parametrize("take", [RawWebSocketSession.receive, take_nowait])


@TAKES
async def test_after_a_close_nothing_is_received(serve: Serve, take: Take) -> None:
    behind = CLOSE + masked(0x81, b"late") + b"\xff\xff and no WebSocket at all"
    async with both_ends(serve, behind=behind) as (session, wire):
        assert session.close_received is None
        assert await session.receive() == Frame.close(1000, "bye")
        wire.send(b"more of it")
        await taken(session, wire)
        for _ in range(3):
            with pytest.raises(EndOfStream, match="Close") as caught:
                await take(session)
            assert caught.value.__cause__ is None
        assert session.close_received == Frame.close(1000, "bye")
        assert not session.closed
        await session.send(Frame.text("still here"))
        assert await wire.read_frame() == (0x81, b"still here")


@EVERY_WAY
async def test_later_bytes_are_delivered_and_flagged_without_after_close(
    serve: Serve, way: Way
) -> None:
    lenient = Violation.ALL & ~Violation.AFTER_CLOSE
    behind = CLOSE + masked(0x89, b"late") + masked(0x88, b"\x03\xe9")
    async with both_ends(serve, behind=behind, reject=lenient) as (session, wire):
        wire.send(masked(0x81, b"later"))
        wire.end()
        frames = await all_frames(session, way)
        assert session.close_received == Frame.close(1000, "bye")
    assert frames == [
        Frame.close(1000, "bye"),
        Frame.ping(b"late"),
        Frame.close(1001),
        Frame.text("later"),
    ]
    if way is not by_pieces:
        flags = [frame.violations for frame in frames]
        assert flags == [Violation.NONE, *[Violation.AFTER_CLOSE] * 3]


@EVERY_WAY
async def test_the_end_of_the_stream_ends_receiving(serve: Serve, way: Way) -> None:
    async with both_ends(serve, behind=masked(0x81, b"last")) as (session, wire):
        receiving = asyncio.create_task(all_frames(session, way))
        wire.end()
        assert await receiving == [Frame.text("last")]
        assert session.close_received is None
        assert session.exception is None
        with pytest.raises(EndOfStream) as caught:
            await session.receive()
        assert caught.value.__cause__ is None


@BOTH
@EVERY_WAY
async def test_a_reset_ends_receiving_and_tells_why(serve: Serve, way: Way, tls: bool) -> None:
    async with both_ends(serve, behind=masked(0x81, b"last"), tls=tls) as (session, wire):
        receiving = asyncio.create_task(all_frames(session, way))
        await turns()
        reset(wire)
        assert await receiving == [Frame.text("last")]
        assert session.closed
        assert isinstance(session.exception, ConnectionResetError)
        with pytest.raises(EndOfStream, match="lost") as caught:
            await session.receive()
        assert caught.value.__cause__ is session.exception


@BOTH
async def test_an_unfinished_frame_at_the_end_is_dropped(serve: Serve, tls: bool) -> None:
    behind = masked(0x89) + masked(0x81, b"unfinished")[:-1]
    async with both_ends(serve, behind=behind, tls=tls) as (session, wire):
        await wire.close()
        assert await session.receive() == Frame.ping()
        with pytest.raises(EndOfStream, match="middle of a frame"):
            await session.receive()


async def test_end_of_stream_is_an_eof_error(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.end()
        with pytest.raises(EOFError) as caught:
            await session.receive()
        assert isinstance(caught.value, RawWebSocketError)


@BOTH
@pytest.mark.parametrize("handler_cancellation", [False, True])
async def test_a_disconnect_wakes_whoever_waits(
    serve: Serve, tls: bool, handler_cancellation: bool
) -> None:
    """Also where aiohttp cancels handlers: a raw handler sees the same."""
    async with both_ends(serve, tls=tls, handler_cancellation=handler_cancellation) as ends:
        session, wire = ends
        receiving = asyncio.create_task(session.receive())
        closing = asyncio.create_task(session.wait_closed())
        await turns()
        reset(wire)
        await closing
        with pytest.raises(EndOfStream):
            await receiving
        await turns()


@pytest.mark.parametrize("handler_cancellation", [False, True])
async def test_a_handler_that_waits_for_something_else_is_not_cancelled(
    serve: Serve, handler_cancellation: bool
) -> None:
    lost, released, returned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        await session.wait_closed()
        lost.set()
        await released.wait()
        returned.set()

    address = await serve(application(handler), handler_cancellation=handler_cancellation)
    wire = await Wire.upgrade(address)
    reset(wire)
    await soon(lost.wait())
    await turns()
    released.set()
    await soon(returned.wait())


# -- cancelling, and receiving in two tasks --------------------------------------------------


async def test_a_frame_survives_every_cancelled_receive(serve: Serve) -> None:
    """Whatever the moment: before the frame, with it, or after the task was woken for it."""
    chance = random.Random(1)
    received: list[Frame] = []
    async with both_ends(serve) as (session, wire):
        for number in range(500):
            receiving = asyncio.create_task(session.receive())
            if chance.random() < 0.8:
                wire.send(masked(0x81, str(number).encode()))
            await turns(chance.randrange(5))
            receiving.cancel()
            try:
                received.append(await receiving)
            except asyncio.CancelledError:
                continue
        wire.send(CLOSE)
        received += await all_frames(session)
    numbers = [int(frame.payload) for frame in received[:-1]]
    assert numbers == sorted(set(numbers))
    chance = random.Random(1)
    sent = [number for number in range(500) if (chance.random() < 0.8, chance.randrange(5))[0]]
    assert numbers == sent


async def send_now_and_then(wire: Wire, pause: float) -> None:
    for number in range(100):
        wire.send(masked(0x81, str(number).encode()))
        await asyncio.sleep(pause)


@pytest.mark.parametrize("timeout", [0.0001, 0.001])
async def test_a_frame_survives_every_timeout(serve: Serve, timeout: float) -> None:
    async with both_ends(serve) as (session, wire):
        sending = asyncio.create_task(send_now_and_then(wire, timeout))
        received: list[bytes] = []
        while len(received) < 100:
            try:
                frame = await asyncio.wait_for(session.receive(), timeout)
            except asyncio.TimeoutError:
                continue
            received.append(frame.payload)
        assert received == [str(number).encode() for number in range(100)]
        await sending


async def test_cancelled_in_the_turn_in_which_the_stream_ends(serve: Serve) -> None:
    """The task is woken already; the cancellation still reaches it."""
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(session.receive())
        closing = asyncio.create_task(session.wait_closed())
        closing.add_done_callback(lambda _: receiving.cancel())
        await turns()
        wire.end()
        await asyncio.wait([receiving])
        assert receiving.cancelled() or isinstance(receiving.exception(), EndOfStream)
        with pytest.raises(EndOfStream):
            await session.receive()


async def start(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


SECOND: dict[str, Callable[[RawWebSocketSession], Awaitable[object]]] = {
    "receive": lambda session: session.receive(),
    "receive_nowait": take_nowait,
    "async for": lambda session: anext(aiter(session)),
    "batches": lambda session: anext(session.batches()),
    "pieces": lambda session: anext(session.pieces()),
}


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", [name for name in SECOND if name != "receive_nowait"])
async def test_one_task_receives_at_a_time(serve: Serve, first: str, second: str) -> None:
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(start(SECOND[first](session)))
        await turns()
        with pytest.raises(RuntimeError, match="another task"):
            await SECOND[second](session)
        wire.send(masked(0x89, b"for the first"))
        got = await receiving
        assert (got[0] if isinstance(got, list) else got) == Frame.ping(b"for the first")


async def test_one_task_after_another_may_receive(serve: Serve) -> None:
    async with both_ends(serve, behind=SPOKEN) as (session, _):
        tasks = [await asyncio.create_task(session.receive()) for _ in HEARD]
        assert tasks == HEARD


async def test_a_shielded_receive_goes_on(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.ensure_future(session.receive())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(receiving), 0.001)
        wire.send(masked(0x89))
        assert await receiving == Frame.ping()


# -- what it tells ---------------------------------------------------------------------------


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
