"""Frames of any size from sources that are read while they are sent."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from ..session.checks import check_int
from ..session.sender import half_sent
from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import shown
from ..wire.frames import Frame
from ..wire.names import Opcode
from ..wire.pieces import Piece

__all__ = ("pieces_of", "send_file")

#: How much of a file is read at a time, in bytes.
CHUNK = 256 * 1024


class Readable(Protocol):
    """A binary file, as far as it is read here."""

    def read(self, size: int, /) -> bytes: ...


async def send_file(
    session: RawWebSocketSession, file: Readable, size: int, *, opcode: int = Opcode.BINARY
) -> None:
    """Send the next `size` bytes of a binary file as the payload of one frame.

        with open(path, "rb") as file:
            await send_file(session, file, os.fstat(file.fileno()).st_size)

    The file is read in a thread, 256 KiB at a time, and no faster than the peer takes it. It is
    sent as it is, whether or not compression was negotiated. Nothing else can be sent meanwhile,
    a Pong neither.

    A frame that was begun has to be finished. So whatever breaks it off, a cancellation included,
    resets the connection and is raised: EOFError for a file that is too short, SessionClosed, what
    `file.read` raises. Before anything is sent: TypeError or ValueError for arguments that do not
    fit, RuntimeError if another frame is half sent.
    """
    if not isinstance(session, RawWebSocketSession):
        raise TypeError(f"send_file takes a session, got {shown(session)}")
    check_frame(opcode, size)
    sender = connection_of(session).sender
    if sender.unfinished:
        raise half_sent()
    offset = 0
    try:
        while True:
            data = await asyncio.to_thread(file.read, min(CHUNK, size - offset))
            if size and not data:
                raise EOFError(f"the file has {offset} of {size} bytes")
            if not offset and sender.unfinished:
                # Another frame was begun meanwhile.
                raise half_sent()
            piece = piece_at(opcode, size, offset, data)
            offset += len(data)
            await session.send_piece(piece)
            if offset == size:
                return
    except BaseException:
        if offset or not sender.unfinished:
            session.abort()
        raise


def pieces_of(
    opcode: int, size: int, source: AsyncIterable[bytes | bytearray | memoryview]
) -> AsyncIterator[Piece]:
    """Return the pieces of one frame of `size` bytes, for `session.send_piece`.

        async for piece in pieces_of(Opcode.BINARY, size, source):
            await session.send_piece(piece)

    `source` gives the bytes, as they come and cut as it likes. ValueError where it gives more or
    less than `size` bytes: a frame that was begun cannot be finished then, and only `abort` is
    left. At the call: ValueError for an opcode of a control frame or a negative size, TypeError
    for arguments of other types.
    """
    check_frame(opcode, size)
    if not isinstance(source, AsyncIterable):
        raise TypeError(f"pieces_of takes an asynchronous iterable, got {shown(source)}")
    return cut(opcode, size, source)


async def cut(
    opcode: int, size: int, source: AsyncIterable[bytes | bytearray | memoryview]
) -> AsyncIterator[Piece]:
    offset = 0
    async for data in source:
        payload = bytes(data)
        end = offset + len(payload)
        if end > size:
            raise ValueError(f"the source gave {end} bytes or more for a frame of {size}")
        if payload:
            yield piece_at(opcode, size, offset, payload)
            offset = end
    if offset < size:
        raise ValueError(f"the source gave {offset} bytes for a frame of {size}")
    if not size:
        yield piece_at(opcode, 0, 0, b"")


def check_frame(opcode: int, size: int) -> None:
    """Raise TypeError or ValueError for what no frame in pieces can have."""
    check_int("size", size, least=0)
    if Frame(opcode).is_control:
        raise ValueError("a control frame is sent whole, with send()")


def piece_at(opcode: int, size: int, offset: int, payload: bytes) -> Piece:
    last = offset + len(payload) == size
    return Piece(opcode, True, False, False, False, size, offset, payload, last)
