"""Each way to receive as a function that yields the frames of a session up to its end."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from aiohttp_rawws import EndOfStream, Frame, Piece, RawWebSocketSession


async def by_receive(session: RawWebSocketSession) -> AsyncIterator[Frame]:
    while True:
        try:
            frame = await session.receive()
        except EndOfStream:
            return
        yield frame


async def by_polling(session: RawWebSocketSession) -> AsyncIterator[Frame]:
    while True:
        try:
            frame = session.receive_nowait()
        except EndOfStream:
            return
        if frame is None:
            await asyncio.sleep(0)
        else:
            yield frame


async def by_iteration(session: RawWebSocketSession) -> AsyncIterator[Frame]:
    async for frame in session:
        yield frame


async def by_batches(session: RawWebSocketSession) -> AsyncIterator[Frame]:
    async for frames in session.batches():
        assert frames
        for frame in frames:
            yield frame


async def by_pieces(session: RawWebSocketSession) -> AsyncIterator[Frame]:
    """Yield the frames that the pieces add up to."""
    payload = b""
    async for piece in session.pieces():
        if isinstance(piece, Frame):
            assert piece.is_control
            assert not payload
            yield piece
            continue
        assert piece.offset == len(payload)
        payload += piece.payload
        assert piece.last == (len(payload) == piece.length)
        if piece.last:
            yield whole(piece, payload)
            payload = b""


def whole(piece: Piece, payload: bytes) -> Frame:
    rsv = {"rsv1": piece.rsv1, "rsv2": piece.rsv2, "rsv3": piece.rsv3}
    return Frame(piece.opcode, payload, piece.fin, mask=piece.mask, **rsv)


Way = Callable[[RawWebSocketSession], AsyncIterator[Frame]]
WAYS = [by_receive, by_polling, by_iteration, by_batches, by_pieces]
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


async def all_frames(session: RawWebSocketSession, way: Way = by_receive) -> list[Frame]:
    return [frame async for frame in way(session)]


async def take_nowait(session: RawWebSocketSession) -> object:
    return session.receive_nowait()
