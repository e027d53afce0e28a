"""The ingress with `aiohttp_rawws.proxy`: whatever is asked for, the upstream answers."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

import aiohttp_rawws

CLIENT = web.AppKey("CLIENT", aiohttp.ClientSession)


def make_app(upstream: URL) -> web.Application:
    async def dialling(app: web.Application) -> AsyncIterator[None]:
        # No cookie jar of its own, and as many connections as there are visitors.
        connector = aiohttp.TCPConnector(limit=0)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as app[CLIENT]:
            yield

    async def ingress(request: web.Request) -> web.StreamResponse:
        # As the visitor wrote it.
        url = URL(f"{upstream.origin()}{request.rel_url.raw_path_qs}", encoded=True)
        return await aiohttp_rawws.proxy(request, request.app[CLIENT], url)

    app = web.Application()
    # So that a shutdown does not wait for the visitors to leave.
    aiohttp_rawws.setup(app)
    app.cleanup_ctx.append(dialling)
    app.router.add_get("/{path:.*}", ingress)
    return app
