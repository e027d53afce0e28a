"""`aiohttp_rawws.proxy` before the server whose URL the environment gives as AUTOBAHN_UPSTREAM."""

import os
import socket

import aiohttp
from aiohttp import web

import aiohttp_rawws
from benchmarks.servers import run

from . import about


async def start(listener: socket.socket) -> object:
    upstream = os.environ["AUTOBAHN_UPSTREAM"]
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def forward(request: web.Request) -> web.StreamResponse:
        return await aiohttp_rawws.proxy(request, session, upstream)

    app = web.Application()
    app.router.add_get("/", forward)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


if __name__ == "__main__":
    run(start, about("ours"))
