"""aiohttp's own `WebSocketResponse`, with its defaults but without a limit and compression."""

import socket

import aiohttp
from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketReader

from . import run


async def echo(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(compress=False, max_msg_size=0)
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.BINARY:
            await response.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
    return response


async def start(listener: socket.socket) -> object:
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


if __name__ == "__main__":
    build = "compiled" if "reader_c" in WebSocketReader.__module__ else "interpreted"
    run(start, f"aiohttp {aiohttp.__version__}", build)
