"""`aiohttp_rawws.proxy` before the server whose URL the environment gives as AUTOBAHN_UPSTREAM."""

import os

from aiohttp import web

import aiohttp_rawws
from benchmarks.proxies import CLIENT, app_of
from benchmarks.servers import run_application

from . import about


async def forward(request: web.Request) -> web.StreamResponse:
    upstream = os.environ["AUTOBAHN_UPSTREAM"]
    return await aiohttp_rawws.proxy(request, request.app[CLIENT], upstream)


if __name__ == "__main__":
    run_application(app_of(forward), about("ours"))
