"""aiohttp_rawws: the handlers that people write, as server, client and proxy."""

import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web
from yarl import URL

import aiohttp_rawws
from aiohttp_rawws import Frame, RawWebSocketSession, compat
from aiohttp_rawws.layers import MessageAssembler, PermessageDeflate, WebSocketSession, reply

from . import connect, options, serve_application, upstream


async def frames(session: RawWebSocketSession) -> None:
    """Frame by frame, the handler everybody writes."""
    async for frame in session:
        await session.send(frame)
    await session.close()


async def batches(session: RawWebSocketSession) -> None:
    """All frames that are ready at a time."""
    async for ready in session.batches():
        for frame in ready:
            await session.send(frame)
    await session.close()


async def each(session: RawWebSocketSession) -> None:
    """A plain function for each frame, with no task."""
    send = session.send_nowait
    await session.for_each(send)
    await session.close()


async def layers(session: RawWebSocketSession) -> None:
    """Whole messages, pings and closes answered: what aiohttp's server does by itself."""
    messages = MessageAssembler()
    async for frame in session:
        message = messages.feed(frame)
        if message is not None:
            data = message.data
            await session.send(Frame.text(data) if isinstance(data, str) else Frame.binary(data))
            continue
        answer = reply(frame)
        if answer is not None:
            await session.send(answer)


async def messages(session: RawWebSocketSession) -> None:
    """A `WebSocketSession`, which does all that by itself."""
    async with WebSocketSession(session) as websocket:
        async for message in websocket:
            if isinstance(message.data, str):
                await websocket.send_str(message.data)
            else:
                await websocket.send_bytes(message.data)


async def in_words_of_aiohttp(
    websocket: "compat.WebSocketResponse | compat.ClientWebSocketResponse",
) -> None:
    """The handler of aiohttp's peer, over `compat`."""
    async for message in websocket:
        if message.type is WSMsgType.BINARY:
            await websocket.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await websocket.send_str(message.data)


async def upgraded(request: web.Request) -> web.StreamResponse:
    websocket = compat.WebSocketResponse(compress=options().deflate, max_msg_size=0)
    await websocket.prepare(request)
    await in_words_of_aiohttp(websocket)
    return websocket


def tap(direction: str, frame: Frame) -> None:
    """Is shown every frame, and does nothing."""


def edit(direction: str, frame: Frame) -> None:
    """Is given every frame, and lets it pass as it is."""


HANDLERS = {"echo": frames, "batches": batches, "each": each, "client": frames}
HANDLERS |= {"echo-aiofastnet": frames, "layers": layers, "client-layers": layers}
HANDLERS |= {"messages": messages, "client-messages": messages}
PROXIES: dict[str, dict[str, Any]] = {
    "proxy": {},
    "proxy-http": {},
    "proxy-tap": {"tap": tap},
    "proxy-edit": {"edit": edit},
    "proxy-remask": {"remask": True},
}


def server(kind: str) -> web.Application:
    app = web.Application()
    if kind == "compat":
        app.router.add_get("/", upgraded)
        return app
    aiohttp_rawws.setup(app, extensions=PermessageDeflate.accept if options().deflate else None)
    aiohttp_rawws.add_raw_websocket(app.router, "/", HANDLERS[kind])
    return app


async def client(url: str) -> None:
    if options().kind == "client-compat":
        async with (
            aiohttp.ClientSession() as client,
            compat.ws_connect(client, url, compress=0, max_msg_size=0) as websocket,
        ):
            await in_words_of_aiohttp(websocket)
        return
    async with aiohttp.ClientSession() as client, aiohttp_rawws.connect(client, url) as session:
        await HANDLERS[options().kind](session)


def proxy(kind: str) -> web.Application:
    key = web.AppKey("client", aiohttp.ClientSession)

    async def clients(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as app[key]:
            yield

    async def handle(request: web.Request) -> web.StreamResponse:
        url = URL(upstream(request.rel_url.raw_path_qs), encoded=True)
        return await aiohttp_rawws.proxy(request, request.app[key], url, **PROXIES[kind])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    app.cleanup_ctx.append(clients)
    return app


def build() -> str:
    """The build that runs. Refuses the interpreted one unless the environment asks for it."""
    wanted = not os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS")
    if aiohttp_rawws.COMPILED is not wanted:
        raise SystemExit("aiohttp_rawws runs interpreted here: pip install -e . builds it in place")
    return "compiled" if wanted else "interpreted"


if __name__ == "__main__":
    about, kind = (f"aiohttp_rawws {aiohttp_rawws.__version__}", build()), options().kind
    if kind.startswith("client"):
        connect(client, *about)
    else:
        serve_application(proxy(kind) if kind in PROXIES else server(kind), *about)
