"""`aiohttp_rawws.proxy` before the server whose URL the environment gives as AUTOBAHN_UPSTREAM."""

import os
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

import aiohttp_rawws

from . import serve_application

CLIENT = web.AppKey("client", aiohttp.ClientSession)


async def clients(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as app[CLIENT]:
        yield


async def forward(request: web.Request) -> web.StreamResponse:
    upstream = os.environ["AUTOBAHN_UPSTREAM"]
    return await aiohttp_rawws.proxy(request, request.app[CLIENT], upstream)


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/", forward)
    app.cleanup_ctx.append(clients)
    serve_application(app)
