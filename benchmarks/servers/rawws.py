"""aiohttp_rawws: frame by frame, the handler everybody writes."""

import os
from collections.abc import Awaitable, Callable

from aiohttp import web

import aiohttp_rawws

from . import run_application

VERSION = f"aiohttp_rawws {aiohttp_rawws.__version__}"

Handler = Callable[[aiohttp_rawws.RawWebSocketSession], Awaitable[None]]


async def echo(session: aiohttp_rawws.RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)
    await session.close()


def app_of(handler: Handler) -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app)
    aiohttp_rawws.add_raw_websocket(app.router, "/", handler)
    return app


def run_rawws(app: web.Application) -> None:
    run_application(app, VERSION, build_wanted())


def build_wanted() -> str:
    """The build that runs; refuse the interpreted one unless the environment asked for it."""
    wanted = not os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS")
    if aiohttp_rawws.COMPILED is not wanted:
        raise SystemExit(
            "aiohttp_rawws runs interpreted here: build its extensions in place (pip install -e .)"
            if wanted
            else "aiohttp_rawws runs compiled although AIOHTTP_RAWWS_NO_EXTENSIONS is set"
        )
    return "compiled" if wanted else "interpreted"


if __name__ == "__main__":
    run_rawws(app_of(echo))
