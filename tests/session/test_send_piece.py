"""Frames that are too big to hold: send_piece()."""

import asyncio

import pytest

from aiohttp_rawws import Frame, Piece, RawWebSocketSession, SessionClosed
from tests.support.ends import both_ends
from tests.support.octets import MASK, long_frame, masked, xor
from tests.support.pieces import BIG, piece
from tests.support.servers import BOTH, Serve, application
from tests.support.sockets import narrow, reset
from tests.support.waiting import turns
from tests.support.wire import Wire


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
