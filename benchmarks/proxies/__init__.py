"""The proxies: each module passes all that comes on to an echo server and its answers back.

`python -m benchmarks.proxies.NAME --upstream PORT`; otherwise they are started as the servers are.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
from aiohttp import web

from ..servers import parse

CLIENT = web.AppKey("client", aiohttp.ClientSession)


def upstream() -> str:
    return f"ws://127.0.0.1:{parse().upstream}/"


def app_of(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    app.cleanup_ctx.append(_client)
    return app


async def _client(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as app[CLIENT]:
        yield
