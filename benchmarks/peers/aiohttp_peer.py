"""aiohttp's own WebSockets, with their defaults but without compression and a limit.

Its proxies are what is usually written by hand: two WebSockets, and a task for each direction; a
request made of the visitor's, and its answer in chunks.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from . import connect, options, serve_application, upstream

CLIENT = web.AppKey("CLIENT", aiohttp.ClientSession)

#: The headers of a hop, in lower case.
HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"}
HOP |= {"host", "transfer-encoding", "upgrade"}

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


async def forward_plain(request: web.Request) -> web.StreamResponse:
    async with request.app[CLIENT].request(
        request.method,
        URL(upstream(request.rel_url.raw_path_qs, "http"), encoded=True),
        headers=end_to_end(request.headers),
        data=request.content if request.body_exists else None,
        allow_redirects=False,
    ) as answer:
        headers = end_to_end(answer.headers)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(request)
        by_any = options().kind == "proxy-http-any"
        body = answer.content
        async for data in body.iter_any() if by_any else body.iter_chunked(64 * 2**10):
            await response.write(data)
        await response.write_eof()
        return response


def end_to_end(headers: "CIMultiDictProxy[str]") -> "CIMultiDict[str]":
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP)


async def clients(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(auto_decompress=False) as app[CLIENT]:
        yield


async def handle(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(compress=options().deflate, max_msg_size=0)
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
        app.cleanup_ctx.append(clients)
        plain = options().kind.startswith("proxy-http")
        app.router.add_route("*", "/{path:.*}", forward_plain if plain else handle)
        serve_application(app, *about)
