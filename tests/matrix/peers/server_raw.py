"""Our raw session: a handler that sends each data frame back, and has `reply` for the rest."""

import asyncio
import contextlib

from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import ProtocolError, RawWebSocketSession
from aiohttp_rawws.layers import Heartbeat, close_handshake, reply

from .serving import HEARTBEAT, MOMENT, serve_application, visit


async def handler(session: RawWebSocketSession) -> None:
    assert session.request is not None
    async with visit(session.request.path) as visiting:
        if visiting.closing:
            await asyncio.sleep(MOMENT)
            frame = await close_handshake(session)
            visiting.over(f"closed {frame.close_code if frame else None}")
            return
        how = await echo(session)
        visiting.over(how)


async def echo(session: RawWebSocketSession) -> str:
    try:
        async with beating(session):
            async for frame in session:
                await session.send(reply(frame) or frame)
        closed = session.close_received
        return f"closed {closed.close_code if closed else 1006}"
    except ProtocolError as error:
        await session.close(error.close_code)
        return f"ProtocolError {error.close_code}: {error}"
    except (TimeoutError, asyncio.TimeoutError):
        session.abort()
        return "TimeoutError"


def beating(session: RawWebSocketSession) -> contextlib.AbstractAsyncContextManager[object]:
    if HEARTBEAT is None:
        return contextlib.nullcontext()
    return Heartbeat(session, interval=HEARTBEAT, timeout=HEARTBEAT / 2)


if __name__ == "__main__":
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/{tail:.*}", handler)])
    serve_application("aiohttp", app)
