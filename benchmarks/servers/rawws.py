"""aiohttp_rawws: frame by frame, the handler everybody writes."""

import os
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

import aiohttp_rawws

from . import run

Handler = Callable[[aiohttp_rawws.RawWebSocketSession], Awaitable[None]]


async def echo(session: aiohttp_rawws.RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)
    await session.close()


def run_rawws(handler: Handler) -> None:
    """Serve `handler`; refuse the interpreted build unless the environment asked for it."""
    wanted = not os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS")
    if aiohttp_rawws.COMPILED is not wanted:
        raise SystemExit(
            "aiohttp_rawws runs interpreted here: build its extensions in place (pip install -e .)"
            if wanted
            else "aiohttp_rawws runs compiled although AIOHTTP_RAWWS_NO_EXTENSIONS is set"
        )

    async def start(listener: socket.socket) -> object:
        app = web.Application()
        aiohttp_rawws.setup(app)
        aiohttp_rawws.add_raw_websocket(app.router, "/", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        return runner

    run(
        start, f"aiohttp_rawws {aiohttp_rawws.__version__}", "compiled" if wanted else "interpreted"
    )


if __name__ == "__main__":
    run_rawws(echo)
