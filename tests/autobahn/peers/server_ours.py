"""Our server with the layers, as in the demo."""

import socket

from aiohttp import web

from benchmarks.servers import run
from demo.conforming import make_app

from . import about


async def start(listener: socket.socket) -> object:
    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


if __name__ == "__main__":
    run(start, about("ours"))
