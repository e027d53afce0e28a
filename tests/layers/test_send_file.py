"""Frames of any size: `send_file` and `pieces_of`."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiohttp_rawws import Opcode, Piece, SessionClosed
from aiohttp_rawws.layers import pieces_of, send_file
from tests.support.ends import both_ends
from tests.support.servers import BOTH, Serve


async def bytes_of(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# -- send_file -------------------------------------------------------------------------------------


@BOTH
async def test_a_file_is_the_payload_of_one_frame(serve: Serve, tls: bool) -> None:
    data = bytes(range(256)) * 4096
    async with both_ends(serve, tls=tls) as (session, wire):
        file = io.BytesIO(b"ignored" + data + b"left")
        file.seek(7)
        sending = asyncio.ensure_future(send_file(session, file, len(data)))
        assert await wire.read_frame() == (0x82, data)
        await sending
        assert file.read() == b"left"
        await send_file(session, io.BytesIO(b"text"), 4, opcode=Opcode.TEXT)
        await send_file(session, io.BytesIO(), 0)
        assert await wire.read_frame() == (0x81, b"text")
        assert await wire.read_frame() == (0x82, b"")


@pytest.mark.parametrize("data", [b"", b"abc"])
async def test_a_file_that_is_too_short_resets_the_connection(serve: Serve, data: bytes) -> None:
    async with both_ends(serve) as (session, wire):
        with pytest.raises(EOFError, match=f"the file has {len(data)} of 4 bytes"):
            await send_file(session, io.BytesIO(data), 4)
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()


async def test_a_file_that_cannot_be_read(serve: Serve) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert threading.current_thread() is not threading.main_thread()
            raise OSError("the disk is gone")

    async with both_ends(serve) as (session, wire):
        with pytest.raises(OSError, match="the disk is gone"):
            await send_file(session, Broken(), 4)
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
        with pytest.raises(SessionClosed):
            await send_file(session, io.BytesIO(b"abc"), 3)


async def test_a_file_whose_sending_is_cancelled(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        size = 16 * 2**20
        sending = asyncio.ensure_future(send_file(session, io.BytesIO(bytes(size)), size))
        await wire.read(10)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert session.closed
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()


async def test_nothing_is_reset_before_anything_is_sent(serve: Serve) -> None:
    wrong: Any = object()
    async with both_ends(serve) as (session, wire):
        with pytest.raises(TypeError, match="send_file takes a session"):
            await send_file(wrong, io.BytesIO(), 0)
        with pytest.raises(ValueError, match="size"):
            await send_file(session, io.BytesIO(), -1)
        with pytest.raises(ValueError, match="control frame"):
            await send_file(session, io.BytesIO(), 0, opcode=Opcode.PING)
        await session.send_piece(Piece(2, True, False, False, False, 2, 0, b"a", False))
        with pytest.raises(RuntimeError, match="half sent"):
            await send_file(session, io.BytesIO(b"b"), 1)
        await session.send_piece(Piece(2, True, False, False, False, 2, 1, b"b", True))
        assert await wire.read_frame() == (0x82, b"ab")


async def test_two_files_at_a_time(serve: Serve) -> None:
    """The second one is refused, and the first one is none the worse."""
    data = bytes(16 * 2**20)
    async with both_ends(serve) as (session, wire):
        wire.transport.pause_reading()
        sending = [
            asyncio.ensure_future(send_file(session, io.BytesIO(data), len(data))) for _ in "ab"
        ]
        (second,), (first,) = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        with pytest.raises(RuntimeError, match="half sent"):
            await second
        wire.transport.resume_reading()
        assert await wire.read_frame() == (0x82, data)
        await first


# -- pieces_of -------------------------------------------------------------------------------------


async def test_pieces_of_a_source(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        async for piece in pieces_of(Opcode.TEXT, 5, bytes_of(b"He", b"", b"llo", b"")):
            assert piece.length == 5
            await session.send_piece(piece)
        async for piece in pieces_of(Opcode.BINARY, 0, bytes_of()):
            await session.send_piece(piece)
        assert await wire.read_frame() == (0x81, b"Hello")
        assert await wire.read_frame() == (0x82, b"")


@pytest.mark.parametrize("parts", [(), (b"ab",), (b"ab", b"cd"), (b"abc", b"d")])
async def test_a_source_of_another_size(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="for a frame of 3"):
        async for piece in pieces_of(Opcode.BINARY, 3, bytes_of(*parts)):
            assert piece.offset + len(piece.payload) <= 3


async def test_arguments_that_make_no_frame() -> None:
    wrong: Any = [b"abc"]
    with pytest.raises(TypeError, match="asynchronous iterable"):
        pieces_of(Opcode.BINARY, 3, wrong)
    with pytest.raises(ValueError, match="control frame"):
        pieces_of(Opcode.CLOSE, 0, bytes_of())
    with pytest.raises(ValueError, match="opcode"):
        pieces_of(16, 0, bytes_of())
    with pytest.raises(TypeError, match="size"):
        pieces_of(Opcode.BINARY, True, bytes_of())
