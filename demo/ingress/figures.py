"""The CPU time of a proxy for each message that goes there and back.

This is a small measurement that shows the order of it. `benchmarks/` measures.
"""

import asyncio
import contextlib
import time
from typing import NamedTuple

from aiohttp_rawws import Frame, RawWebSocketSession

from .line import Line, beside

__all__ = ("FIGURES", "Figure", "cost")

#: The length of a round, and of the messages before it that do not count, in seconds.
ROUND = 0.5
WARM_UP = 0.1

#: With a single connection most of the time goes into processes that fall asleep and wake.
CONNECTIONS = 8


class Figure(NamedTuple):
    """Messages of `size` bytes, `in_flight` of them on each connection."""

    title: str
    size: int
    in_flight: int


FIGURES = (
    Figure("256 bytes, 32 in flight", 256, 32),
    Figure("256 bytes, 1 in flight", 256, 1),
    Figure("1 MiB, 1 in flight", 2**20, 1),
)


async def cost(line: Line, figure: Figure) -> float:
    """Return the microseconds of CPU time that the proxy takes for a message and its echo."""
    message = Frame.binary(bytes(figure.size))
    async with contextlib.AsyncExitStack() as stack:
        visitors = []
        for _ in range(CONNECTIONS):
            visitor, upstream = await stack.enter_async_context(line.joined())
            await stack.enter_async_context(beside(echo(upstream)))
            for _ in range(figure.in_flight):
                visitor.send_nowait(message)
            visitors.append(visitor)
        await bounce_all(visitors, WARM_UP)
        before = line.proxy.cpu_seconds()
        messages = await bounce_all(visitors, ROUND)
        after = line.proxy.cpu_seconds()
        if before is None or after is None:
            raise NotImplementedError("the CPU time of another process is known on Linux only")
        return (after - before) * 1e6 / messages


async def echo(session: RawWebSocketSession) -> None:
    async for frames in session.batches():
        for frame in frames:
            session.send_nowait(frame)
        await session.drain()


async def bounce_all(visitors: list[RawWebSocketSession], seconds: float) -> int:
    return sum(await asyncio.gather(*(bounce(visitor, seconds) for visitor in visitors)))


async def bounce(session: RawWebSocketSession, seconds: float) -> int:
    """Send back what comes for some seconds. Return the number of messages that came."""
    messages = 0
    until = time.monotonic() + seconds
    async for frames in session.batches():
        for frame in frames:
            session.send_nowait(frame)
        messages += len(frames)
        if time.monotonic() > until:
            break
    return messages
