"""Frames that are too big to hold: pieces(), and send_piece() as its twin."""

import asyncio
import random
from typing import Any

import pytest

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    FrameTooBig,
    Opcode,
    Piece,
    ProtocolError,
    RawWebSocketSession,
    SessionClosed,
    Violation,
)
from tests.support.ends import both_ends
from tests.support.octets import MASK, long_frame, masked, xor
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import narrow, reset, taken
from tests.support.waiting import turns
from tests.support.wire import Wire

CLOSE = masked(0x88)
BIG = random.Random(5).randbytes(2**20 + 3)
HALF = len(BIG) // 2
DATA = long_frame(0x82, BIG)


def piece(
    payload: bytes, offset: int = 0, length: "int | None" = None, last: bool = True, **kw: Any
) -> Piece:
    """A piece of a Binary frame, the whole of it unless said otherwise."""
    rest = {"opcode": Opcode.BINARY, "fin": True, "rsv1": False, "rsv2": False, "rsv3": False} | kw
    length = len(payload) if length is None else length
    return Piece(length=length, offset=offset, payload=payload, last=last, **rest)


async def next_piece(session: RawWebSocketSession) -> Piece:
    got = await anext(session.pieces())
    assert not isinstance(got, Frame)
    return got


# -- receiving -------------------------------------------------------------------------------


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


# -- going over ------------------------------------------------------------------------------


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


# -- sending ---------------------------------------------------------------------------------


@BOTH
async def test_pieces_are_sent_on_as_the_same_frames(serve: Serve, tls: bool) -> None:
    async def echo(session: RawWebSocketSession) -> None:
        session.masking = True  # with the key they came with: to the byte
        async for got in session.pieces():
            await session.send_piece(got)

    data = masked(0x01, b"small") + masked(0x89, b"ping") + long_frame(0x80, BIG) + masked(0x82)
    wire = await Wire.upgrade(await serve(application(echo), tls=tls))
    wire.send(data)
    assert await wire.read(len(data)) == data
    await wire.close()


async def test_pieces_are_sent_unmasked_by_a_server(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send_piece(piece(b"Hel", 0, 5, False, mask=MASK))
        await session.send_piece(piece(b"lo", 3, 5))
        assert await wire.read(7) == b"\x82\x05Hello"


async def test_pieces_have_one_fresh_key_for_a_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        session.masking = True
        keys = []
        for _ in range(2):
            for offset in range(0, 10, 3):
                part = b"0123456789"[offset : offset + 3]
                await session.send_piece(piece(part, offset, 10, offset == 9))
            assert await wire.read(2) == b"\x82\x8a"
            keys.append(await wire.read(4))
            assert xor(await wire.read(10), keys[-1]) == b"0123456789"
    assert keys[0] != keys[1]


async def test_masking_is_settled_at_the_beginning_of_a_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send_piece(piece(b"He", 0, 5, False))
        session.masking = True
        await session.send_piece(piece(b"llo", 2, 5))
        assert await wire.read(7) == b"\x82\x05Hello"


async def test_the_header_leaves_with_the_first_piece(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send_piece(piece(b"x", 0, 2**40, False, rsv2=True, fin=False, opcode=1))
        assert await wire.read(11) == b"\x21\x7f" + (2**40).to_bytes(8, "big") + b"x"


async def test_an_empty_frame_as_a_piece(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send_piece(piece(b""))
        await session.send(Frame.ping())
        assert await wire.read(4) == b"\x82\x00\x89\x00"


async def test_empty_pieces_add_nothing(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        for part in (piece(b"", 0, 1, False), piece(b"", 0, 1, False), piece(b"x", 0, 1)):
            await session.send_piece(part)
        await session.send(Frame.ping())
        assert await wire.read(5) == b"\x82\x01x\x89\x00"


async def test_a_payload_of_a_piece_may_be_any_bytes(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        payload = bytearray(b"xyz")
        await session.send_piece(piece(payload))  # type: ignore[arg-type]
        payload[:] = b"---"
        await session.send_piece(piece(memoryview(b"abc")))  # type: ignore[arg-type]
        assert await wire.read(10) == b"\x82\x03xyz\x82\x03abc"


WRONG_FIRST = {
    "not at the beginning": piece(b"x", 1, 2),
    "over the end": piece(b"xyz", 0, 2),
    "not the last": piece(b"xy", 0, 2, False),
    "not yet the last": piece(b"x", 0, 2, True),
    "a control frame": piece(b"x", opcode=9),
    "no opcode": piece(b"x", opcode=16),
    "a length with its top bit set": piece(b"x", 0, 2**63, False),
    "a length below 0": piece(b"", 0, -1),
}


@pytest.mark.parametrize("wrong", WRONG_FIRST.values(), ids=WRONG_FIRST)
async def test_a_wrong_first_piece_leaves_nothing_behind(serve: Serve, wrong: Piece) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(ValueError, match=r"\w"):
            await session.send_piece(wrong)
        await session.send(Frame.ping(b"none of it was sent"))
        await session.send_piece(piece(b"x"))
        assert await wire.read(24) == b"\x89\x13none of it was sent\x82\x01x"


WRONG_NEXT = {
    "a gap": piece(b"x", 3, 5, False),
    "once more": piece(b"ab", 0, 5, False),
    "another length": piece(b"x", 2, 6, False),
    "over the end": piece(b"cdef", 2, 5),
    "not the last": piece(b"cde", 2, 5, False),
    "not yet the last": piece(b"cd", 2, 5),
}


@pytest.mark.parametrize("wrong", WRONG_NEXT.values(), ids=WRONG_NEXT)
async def test_a_wrong_next_piece_changes_nothing(serve: Serve, wrong: Piece) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send_piece(piece(b"ab", 0, 5, False))
        with pytest.raises(ValueError, match=r"of 5|of 6"):
            await session.send_piece(wrong)
        await session.send_piece(piece(b"cde", 2, 5))
        assert await wire.read(7) == b"\x82\x05abcde"


async def test_nothing_else_is_sent_within_a_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send_piece(piece(b"ab", 0, 4, False))
        for frame in (Frame.ping(), Frame.text("no"), Frame.close()):
            with pytest.raises(RuntimeError, match="half sent"):
                await session.send(frame)
            with pytest.raises(RuntimeError, match="half sent"):
                session.send_nowait(frame)
            with pytest.raises(RuntimeError, match="half sent"):
                await session.send_piece(frame)
        await session.send_piece(piece(b"cd", 2, 4))
        await session.send(Frame.ping())
        assert await wire.read(8) == b"\x82\x04abcd\x89\x00"


async def test_a_close_sent_as_a_piece_is_a_close(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        await session.send_piece(Frame.close(1001))
        assert session.close_sent == Frame.close(1001)
        with pytest.raises(SessionClosed):
            await session.send_piece(piece(b"x"))
        assert await wire.read(4) == b"\x88\x02\x03\xe9"


@pytest.mark.parametrize("item", [Frame.ping(), piece(b"x")], ids=["frame", "piece"])
async def test_no_piece_goes_to_a_lost_connection(serve: Serve, item: "Piece | Frame") -> None:
    async with both_ends(serve) as (session, wire):
        reset(wire)
        await session.wait_closed()
        await turns()
        with pytest.raises(SessionClosed):
            await session.send_piece(item)


async def test_what_is_no_piece(serve: Serve) -> None:
    async with both_ends(serve) as (session, _):
        with pytest.raises(TypeError, match="bytes"):
            await session.send_piece(b"bytes")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="str"):
            await session.send_piece(piece("text"))  # type: ignore[arg-type]
        await session.send(Frame.ping())


@BOTH
@pytest.mark.parametrize("masking", [False, True], ids=["unmasked", "masked"])
async def test_send_piece_waits_while_the_peer_does_not_read(
    serve: Serve, tls: bool, masking: bool
) -> None:
    size = 8 * 2**20
    async with both_ends(serve, tls=tls) as (session, wire):
        narrow(session, wire.writer)
        session.masking = masking
        sent = 0

        async def send() -> None:
            nonlocal sent
            while sent < size:
                part = piece(bytes(2**16), sent, size, sent + 2**16 == size, mask=bytes(4))
                sent += 2**16
                await session.send_piece(part)

        wire.transport.pause_reading()
        sending = asyncio.create_task(send())
        await turns(300)
        assert sent < size / 2
        wire.transport.resume_reading()
        header = b"\x82\xff" if masking else b"\x82\x7f"
        assert (await wire.read(2)) == header
        assert int.from_bytes(await wire.read(8), "big") == size
        assert await wire.read(size + 4 * masking) == bytes(size + 4 * masking)
        await sending
