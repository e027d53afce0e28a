"""The ingress as it is usually written: two aiohttp WebSockets, and a loop for each direction.

It is meant to be fair. It passes on the subprotocols that the visitor offers, answers and closes
nothing automatically, and leaves everything else as aiohttp has it.

Most copies of this loop in public code call `ping()` and `pong()` as here. Some pass the payload
on, since they lost connections without it. Most also have a branch that should pass a Close on. It
is never taken, because `async for` ends at a Close.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

import aiohttp
from aiohttp import WSMsgType, web
from yarl import URL

CLIENT = web.AppKey("CLIENT", aiohttp.ClientSession)

End: TypeAlias = web.WebSocketResponse | aiohttp.ClientWebSocketResponse

NOT_FORWARDED = {
    "connection",
    "content-length",
    "host",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
}


def make_app(upstream: URL) -> web.Application:
    async def dialling(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as app[CLIENT]:
            yield

    async def ingress(request: web.Request) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        protocols = [name.strip() for name in offered if name.strip()]
        visitor = web.WebSocketResponse(protocols=protocols, autoclose=False, autoping=False)
        await visitor.prepare(request)
        async with request.app[CLIENT].ws_connect(
            upstream.join(request.rel_url),
            headers=forwarded(request),
            protocols=protocols,
            autoclose=False,
            autoping=False,
        ) as server:
            loops = [
                asyncio.create_task(forward(visitor, server)),
                asyncio.create_task(forward(server, visitor)),
            ]
            _, pending = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
        return visitor

    app = web.Application()
    app.cleanup_ctx.append(dialling)
    app.router.add_get("/{path:.*}", ingress)
    return app


def forwarded(request: web.Request) -> dict[str, str]:
    headers = {
        name: value for name, value in request.headers.items() if name.lower() not in NOT_FORWARDED
    }
    headers["X-Forwarded-For"] = request.remote or ""
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = request.scheme
    return headers


async def forward(source: End, target: End) -> None:
    try:
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await target.ping()
            elif message.type is WSMsgType.PONG:
                await target.pong()
    except (ConnectionError, RuntimeError):
        # The target has closed.
        pass
