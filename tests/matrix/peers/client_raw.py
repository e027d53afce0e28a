"""Our raw session: each data frame is sent back, and `reply` does the rest."""

import asyncio
import contextlib

import aiohttp

import aiohttp_rawws
from aiohttp_rawws import Frame, ProtocolError, RawWebSocketSession
from aiohttp_rawws.layers import Heartbeat, close_handshake, reply

from .attending import HELLO, MOMENT, Cell, attend


async def talk(cell: Cell) -> None:
    async with (
        aiohttp.ClientSession() as client,
        aiohttp_rawws.connect(client, cell.url) as session,
    ):
        cell.opened = True
        await session.send(Frame.text(HELLO))
        if cell.closing:
            await asyncio.sleep(MOMENT)
            frame = await close_handshake(session)
            cell.end = f"closed {frame.close_code if frame else None}"
        else:
            await echo(cell, session)


async def echo(cell: Cell, session: RawWebSocketSession) -> None:
    try:
        async with beating(cell, session):
            async for frame in session:
                if frame.is_control or cell.got(frame.payload):
                    await session.send(reply(frame) or frame)
        closed = session.close_received
        cell.end = f"closed {closed.close_code if closed else 1006}"
    except ProtocolError as error:
        await session.close(error.close_code)
        cell.end = f"ProtocolError {error.close_code}: {error}"
    except (TimeoutError, asyncio.TimeoutError):
        session.abort()
        cell.end = "TimeoutError: the peer is silent"


def beating(
    cell: Cell, session: RawWebSocketSession
) -> contextlib.AbstractAsyncContextManager[object]:
    if cell.heartbeat is None:
        return contextlib.nullcontext()
    return Heartbeat(session, interval=cell.heartbeat, timeout=cell.heartbeat / 2)


if __name__ == "__main__":
    attend("aiohttp", talk)
