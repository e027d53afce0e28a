"""Both ends of one connection in the hands of a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp_rawws import RawWebSocketSession
from tests.support.servers import Serve, application
from tests.support.waiting import patience, soon
from tests.support.wire import Address, Wire


@contextlib.asynccontextmanager
async def both_ends(
    serve: "Serve",
    *,
    behind: bytes = b"",
    tls: bool = False,
    handler_cancellation: bool = False,
    **options: Any,
) -> AsyncIterator[tuple[RawWebSocketSession, Wire]]:
    """Yield a session that the test plays with itself, and its peer.

    The session's handler returns at the end of the block. `behind` is sent in the segment of the
    request.
    """
    given: asyncio.Future[RawWebSocketSession] = asyncio.get_running_loop().create_future()
    released = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        given.set_result(session)
        await released.wait()

    address: Address = await serve(
        application(handler, **options), tls=tls, handler_cancellation=handler_cancellation
    )
    wire = await Wire.upgrade(address, behind=behind)
    try:
        async with patience():
            yield await given, wire
    finally:
        released.set()
        await soon(wire.close())
