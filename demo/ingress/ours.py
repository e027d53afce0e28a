"""The ingress with `aiohttp_rawws.proxy`: the upstream answers."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

import aiohttp_rawws

CLIENT = web.AppKey("CLIENT", aiohttp.ClientSession)


def make_app(upstream: URL) -> web.Application:
    async def dialling(app: web.Application) -> AsyncIterator[None]:
        # No cookies, which would pass to the next visitor, and no limit to the connections.
        connector = aiohttp.TCPConnector(limit=0)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as app[CLIENT]:
            yield

    async def ingress(request: web.Request) -> web.StreamResponse:
        # `encoded` keeps the path and the query as the visitor wrote them.
        url = URL(f"{upstream.origin()}{request.rel_url.raw_path_qs}", encoded=True)
        return await aiohttp_rawws.proxy(request, request.app[CLIENT], url)

    app = web.Application()
    # A shutdown then does not wait for the visitors to leave.
    aiohttp_rawws.setup(app)
    app.cleanup_ctx.append(dialling)
    app.router.add_get("/{path:.*}", ingress)
    return app
