"""The ingress with `aiohttp_rawws.proxy`: whatever is asked for, the upstream answers."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

from aiohttp_rawws import proxy


def make_app(upstream: URL) -> web.Application:
    async def dialling(app: web.Application) -> AsyncIterator[None]:
        # No cookie jar of its own, and as many connections as there are visitors.
        connector = aiohttp.TCPConnector(limit=0)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as app[CLIENT]:
            yield

    async def ingress(request: web.Request) -> web.StreamResponse:
        return await proxy(request, request.app[CLIENT], upstream.join(request.rel_url))

    app = web.Application()
    app.cleanup_ctx.append(dialling)
    app.router.add_get("/{path:.*}", ingress)
    return app


CLIENT = web.AppKey("CLIENT", aiohttp.ClientSession)
