"""aiohttp_rawws: whoever sends a Binary has its payload sent to all, as often as its text says."""

import asyncio

import aiohttp_rawws
from aiohttp_rawws import Frame
from aiohttp_rawws.layers import broadcast

from .rawws import app_of, run_rawws

members: set[aiohttp_rawws.RawWebSocketSession] = set()


async def join(session: aiohttp_rawws.RawWebSocketSession) -> None:
    members.add(session)
    try:
        async for frame in session:
            if frame.is_control:
                continue
            for _ in range(int(frame.payload[:8])):
                broadcast(members, Frame.binary(frame.payload))
                await asyncio.sleep(0)
    finally:
        members.remove(session)


if __name__ == "__main__":
    run_rawws(app_of(join))
