"""A conforming echo with compression, as a server and as a client: a `WebSocketSession` on each.

The Autobahn|Testsuite judges both, see docs/conformance.md.
"""

import aiohttp
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws.layers import PermessageDeflate, WebSocketSession, websocket_handler


async def echo(websocket: WebSocketSession) -> None:
    async for message in websocket:
        if isinstance(message.data, str):
            await websocket.send_str(message.data)
        else:
            await websocket.send_bytes(message.data)


async def echo_client(client: aiohttp.ClientSession, url: str) -> None:
    """Echo what a server sends, until the connection ends."""
    async with (
        aiohttp_rawws.connect(client, url, extensions=PermessageDeflate.offer()) as session,
        WebSocketSession(session) as websocket,
    ):
        await echo(websocket)


def make_app() -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app, extensions=PermessageDeflate.accept)
    app.add_routes([aiohttp_rawws.raw_websocket("/", websocket_handler(echo))])
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8080)
