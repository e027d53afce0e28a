"""aiohttp's own WebSockets, with their defaults but without compression and a limit.

Its proxy is what is usually written by hand: two WebSockets, and a task for each direction.
"""

import asyncio

import aiohttp
from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketReader

from . import connect, options, serve_application, upstream

WebSocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def echo(socket: WebSocket) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)


async def copy(source: WebSocket, target: WebSocket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
    await target.close(code=source.close_code or 1000)


async def forward(visitor: web.WebSocketResponse) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(upstream(), compress=0, max_msg_size=0) as server,
    ):
        await asyncio.gather(copy(visitor, server), copy(server, visitor))


async def handle(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(compress=False, max_msg_size=0)
    await response.prepare(request)
    await (forward if options().kind == "proxy" else echo)(response)
    return response


async def client(url: str) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url, compress=0, max_msg_size=0) as socket,
    ):
        await echo(socket)


if __name__ == "__main__":
    build = "compiled" if "reader_c" in WebSocketReader.__module__ else "interpreted"
    about = f"aiohttp {aiohttp.__version__}", build
    if options().kind == "client":
        connect(client, *about)
    else:
        app = web.Application()
        app.router.add_get("/", handle)
        serve_application(app, *about)
