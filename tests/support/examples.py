"""The examples of README.md and of the pages in docs/."""

import ast
import asyncio
import contextlib
import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame, RawWebSocketSession
from tests.support import ROOT

EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def examples(page: str | Path) -> list[str]:
    return EXAMPLE.findall((ROOT / page).read_text(encoding="utf-8"))


def example(page: str, word: str) -> str:
    """Return the one example of a page that has a word."""
    (found,) = (code for code in examples(page) if word in code)
    return found


async def run(code: str, names: dict[str, Any]) -> None:
    """Run an example, which may await at its top level, with the names that it takes for given."""
    names.setdefault("__name__", "shown")
    result = eval(compile(code, "shown", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.isawaitable(result):
        await asyncio.wait_for(result, 10)


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def exchange(
    client_session: aiohttp.ClientSession, url: str, *frames: Frame, **options: Any
) -> list[Frame]:
    """Send frames, and a Close behind them; all that comes back."""
    async with aiohttp_rawws.connect(client_session, url, **options) as session:
        for frame in (*frames, Frame.close(1000)):
            await session.send(frame)
        return [frame async for frame in session]


async def echo(session: RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


def echo_app(**options: Any) -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/{path:.*}", echo, **options)])
    return app
