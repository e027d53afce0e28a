"""Frames that are too big to hold: pieces(), and the change from frames to pieces."""

import asyncio
import random

import pytest

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    FrameTooBig,
    Opcode,
    Piece,
    ProtocolError,
    RawWebSocketSession,
    Violation,
)
from tests.support.ends import both_ends
from tests.support.octets import MASK, long_frame, masked, xor
from tests.support.pieces import BIG, piece
from tests.support.servers import BOTH, Serve
from tests.support.sockets import taken
from tests.support.waiting import turns

CLOSE = masked(0x88)
HALF = len(BIG) // 2
DATA = long_frame(0x82, BIG)


async def next_piece(session: RawWebSocketSession) -> Piece:
    got = await anext(session.pieces())
    assert not isinstance(got, Frame)
    return got


# -- receiving -------------------------------------------------------------------------------------


@BOTH
async def test_a_big_frame_in_pieces(serve: Serve, tls: bool) -> None:
    pieces: list[Piece] = []
    async with both_ends(serve, tls=tls, max_frame_size=1000) as (session, wire):
        wire.send(DATA + CLOSE)
        async for got in session.pieces():
            if isinstance(got, Frame):
                assert got == Frame.close()
            else:
                pieces.append(got)
    assert len(pieces) > 1
    assert b"".join(part.payload for part in pieces) == BIG
    assert [part.offset for part in pieces] == [
        sum(len(before.payload) for before in pieces[:n]) for n in range(len(pieces))
    ]
    assert [part.last for part in pieces] == [False] * (len(pieces) - 1) + [True]
    same = {part._replace(offset=0, payload=b"", last=False) for part in pieces}
    assert same == {piece(b"", length=len(BIG), last=False, mask=MASK)}


async def test_small_frames_are_one_piece_each(serve: Serve) -> None:
    behind = masked(0x01, b"Hel") + masked(0x80, b"lo") + masked(0x82)
    async with both_ends(serve, behind=behind) as (session, _):
        assert [await next_piece(session) for _ in range(3)] == [
            piece(b"Hel", opcode=1, fin=False, mask=MASK),
            piece(b"lo", opcode=0, mask=MASK),
            piece(b"", mask=MASK),
        ]


async def test_the_payload_comes_as_it_arrives(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        header = b"\x01\x86" + MASK
        payload = xor(b"Hello!")
        wire.send(header + payload[:2])
        assert await next_piece(session) == Piece(
            Opcode.TEXT, False, False, False, False, 6, 0, b"He", False, MASK
        )
        wire.send(payload[2:5])
        assert (await next_piece(session))[5:9] == (6, 2, b"llo", False)
        wire.send(payload[5:] + masked(0x89))
        assert (await next_piece(session))[5:9] == (6, 5, b"!", True)
        assert await anext(session.pieces()) == Frame.ping()


async def test_a_header_alone_gives_no_piece(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        getting = asyncio.create_task(next_piece(session))
        wire.send(DATA[:14])
        await taken(session, wire)
        assert not getting.done()
        wire.send(DATA[14:15])
        assert (await getting).payload == BIG[:1]


async def test_control_frames_come_whole(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        getting = asyncio.ensure_future(anext(session.pieces()))
        for part in (b"\x89\x84", MASK, xor(b"pi"), xor(b"\0\0ng")[2:]):
            wire.send(part)
            await taken(session, wire)
        assert await getting == Frame.ping(b"ping")


async def test_the_limit_holds_for_control_frames(serve: Serve) -> None:
    lenient = Violation.ALL & ~Violation.LONG_CONTROL
    behind = masked(0x89, bytes(1000)) + masked(0x89, bytes(1001))
    async with both_ends(serve, behind=behind, max_frame_size=1000, reject=lenient) as ends:
        pieces = ends[0].pieces()
        assert await anext(pieces) == Frame(Opcode.PING, bytes(1000))
        with pytest.raises(FrameTooBig):
            await anext(pieces)


async def test_reserved_bits_and_violations_of_a_piece(serve: Serve) -> None:
    behind = masked(0b0111_0010, b"rsv")
    async with both_ends(serve, behind=behind, reject=Violation.NONE) as (session, _):
        got = await next_piece(session)
    assert (got.fin, got.rsv1, got.rsv2, got.rsv3) == (False, True, True, True)
    assert got.violations == Violation.RESERVED_BITS


async def test_a_violation_between_pieces(serve: Serve) -> None:
    async with both_ends(serve, behind=masked(0x82, b"a") + masked(0x83)) as (session, _):
        assert (await next_piece(session)).payload == b"a"
        for _ in range(2):
            with pytest.raises(ProtocolError):
                await next_piece(session)


async def test_a_message_may_go_on_in_pieces(serve: Serve) -> None:
    """That a frame is unfinished is known before its end, as with whole frames."""
    async with both_ends(serve) as (session, wire):
        wire.send(long_frame(0x02, BIG) + long_frame(0x80, BIG) + masked(0x80))
        sizes = {Opcode.BINARY: 0, Opcode.CONTINUATION: 0}
        with pytest.raises(ProtocolError) as caught:
            async for got in session.pieces():
                assert not isinstance(got, Frame)
                sizes[Opcode(got.opcode)] += len(got.payload)
    assert sizes == {Opcode.BINARY: len(BIG), Opcode.CONTINUATION: len(BIG)}
    assert caught.value.violation == Violation.UNEXPECTED_CONTINUATION


@BOTH
async def test_the_stream_ends_within_a_frame(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        wire.send(DATA[:HALF])
        closing = asyncio.create_task(wire.close())
        payload = b""
        async for got in session.pieces():
            assert not isinstance(got, Frame)
            assert not got.last
            payload += got.payload
        assert payload == BIG[: HALF - 14]
        with pytest.raises(EndOfStream):
            await session.receive()
        await closing


async def test_no_piece_is_lost_by_cancelling(serve: Serve) -> None:
    chance = random.Random(3)
    payload = b""
    async with both_ends(serve) as (session, wire):
        position = 0
        while len(payload) < len(BIG):
            getting = asyncio.create_task(next_piece(session))
            size = chance.choice([1, 100, 50_000])
            wire.send(DATA[position : position + size])
            position += size
            await turns(chance.randrange(4))
            getting.cancel()
            try:
                got = await getting
            except asyncio.CancelledError:
                continue
            assert got.offset == len(payload)
            payload += got.payload
    assert payload == BIG


# -- going over ------------------------------------------------------------------------------------


async def test_from_frames_to_pieces_and_back(serve: Serve) -> None:
    behind = b"".join(masked(0x82, b"%d" % number) for number in range(6))
    async with both_ends(serve, behind=behind) as (session, _):
        for number in (0, 2, 4):
            assert await session.receive() == Frame.binary(b"%d" % number)
            assert (await next_piece(session)).payload == b"%d" % (number + 1)


async def test_a_frame_that_is_under_way_goes_on_in_pieces(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(DATA[:HALF])
        await taken(session, wire)
        assert session.receive_nowait() is None
        assert (await next_piece(session)).payload == BIG[: HALF - 14]


async def test_a_frame_that_was_too_big_goes_on_in_pieces(serve: Serve) -> None:
    async with both_ends(serve, max_frame_size=1000) as (session, wire):
        wire.send(masked(0x89) + DATA)
        assert await session.receive() == Frame.ping()
        await turns(50)
        payload = b""
        while len(payload) < len(BIG):
            payload += (await next_piece(session)).payload
        assert payload == BIG
        wire.send(masked(0x82, b"small"))
        assert await session.receive() == Frame.binary(b"small")


@pytest.mark.parametrize("whole", [False, True], ids=["half of it came", "all of it came"])
async def test_a_frame_is_taken_in_pieces_to_its_end(serve: Serve, whole: bool) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(DATA[:HALF])
        payload = (await next_piece(session)).payload
        if whole:
            wire.send(DATA[HALF:] + masked(0x89))
            await turns(50)
        with pytest.raises(RuntimeError, match="half read"):
            await session.receive()
        with pytest.raises(RuntimeError, match="half read"):
            session.receive_nowait()
        if not whole:
            wire.send(DATA[HALF:] + masked(0x89))
        while len(payload) < len(BIG):
            payload += (await next_piece(session)).payload
        assert payload == BIG
        assert await session.receive() == Frame.ping()


@pytest.mark.parametrize("came", [20, 100_000, len(DATA)])
async def test_back_to_frames_the_limit_holds_again(serve: Serve, came: int) -> None:
    """However much of a frame came while pieces were wanted."""
    async with both_ends(serve, max_frame_size=50_000) as (session, wire):
        pieces = session.pieces()
        wire.send(masked(0x89))
        assert await anext(pieces) == Frame.ping()
        wire.send(DATA[:came])
        await turns(50)
        with pytest.raises(FrameTooBig) as caught:
            await session.receive()
        assert (caught.value.size, caught.value.limit) == (len(BIG), 50_000)


@BOTH
async def test_back_to_frames_reading_goes_on(serve: Serve, tls: bool) -> None:
    """A frame that waits in part, more of it than `receive_limit`, is read on as a whole."""
    async with both_ends(serve, receive_limit=1000, tls=tls) as (session, wire):
        wire.send(masked(0x89))
        assert await anext(session.pieces()) == Frame.ping()
        wire.send(DATA)
        await turns(50)
        assert await session.receive() == Frame.binary(BIG)
