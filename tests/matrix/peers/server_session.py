"""Our `WebSocketSession`, with compression."""

import asyncio

from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws.layers import PermessageDeflate, WebSocketSession, websocket_handler

from .serving import HEARTBEAT, MOMENT, serve_application, visit


async def handler(websocket: WebSocketSession) -> None:
    assert websocket.session.request is not None
    async with visit(websocket.session.request.path) as visiting:
        if visiting.closing:
            await asyncio.sleep(MOMENT)
            await websocket.close()
        async for message in websocket:
            if isinstance(message.data, str):
                await websocket.send_str(message.data)
            else:
                await websocket.send_bytes(message.data)
        visiting.over(f"closed {websocket.close_code}")


if __name__ == "__main__":
    app = web.Application()
    aiohttp_rawws.setup(app, extensions=PermessageDeflate.accept)
    route = websocket_handler(handler, heartbeat=HEARTBEAT)
    app.add_routes([aiohttp_rawws.raw_websocket("/{tail:.*}", route)])
    serve_application("aiohttp", app)
