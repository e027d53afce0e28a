"""aiohttp's `WebSocketResponse`, with its defaults but without a limit."""

import socket

from aiohttp import WSMsgType, web

from benchmarks.servers import run

from . import about


async def echo(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(max_msg_size=0)
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await response.send_bytes(message.data)
    return response


async def start(listener: socket.socket) -> object:
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


if __name__ == "__main__":
    run(start, about("aiohttp"))
