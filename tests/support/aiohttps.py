"""aiohttp's own WebSockets, as a server under test."""

from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

__all__ = ("aiohttps_echo",)


def aiohttps_echo(*middlewares: Middleware, **options: Any) -> web.Application:
    """Return an echo of texts at `/`. `options` are those of `web.WebSocketResponse`."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(**options)
        await websocket.prepare(request)
        async for message in websocket:
            await websocket.send_str(message.data)
        return websocket

    app = web.Application(middlewares=middlewares)
    app.router.add_get("/", echo)
    return app
