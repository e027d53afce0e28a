"""What is usually written by hand: two aiohttp WebSockets, a task each way copies messages.

Nobody compresses, no message is too big, and Pings and Pongs are left to the ends.
"""

import asyncio
from typing import TypeAlias

import aiohttp
from aiohttp import WSMsgType, web

from ..servers.aiohttp_websocket import run_aiohttp
from . import CLIENT, app_of, upstream

WebSocket: TypeAlias = web.WebSocketResponse | aiohttp.ClientWebSocketResponse

URL = upstream()


async def copy(source: WebSocket, target: WebSocket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is WSMsgType.PING:
            await target.ping(message.data)
        elif message.type is WSMsgType.PONG:
            await target.pong(message.data)
    await target.close(code=source.close_code or 1000)


async def handle(request: web.Request) -> web.WebSocketResponse:
    visitor = web.WebSocketResponse(compress=False, max_msg_size=0, autoping=False)
    await visitor.prepare(request)
    async with request.app[CLIENT].ws_connect(
        URL, compress=0, max_msg_size=0, autoping=False
    ) as server:
        await asyncio.gather(copy(visitor, server), copy(server, visitor))
    return visitor


if __name__ == "__main__":
    run_aiohttp(app_of(handle))
