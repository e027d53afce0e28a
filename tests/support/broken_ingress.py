"""An ingress with one fault, named by the path: `/{fault}/...`. The fault "none" is none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator

import aiohttp
from aiohttp import web
from yarl import URL

from aiohttp_rawws import Frame, HandshakeRefused, Opcode, RawWebSocketSession, accept, connect

__all__ = ("make_app",)

CLIENT = web.AppKey("CLIENT", aiohttp.ClientSession)
#: With a cookie jar.
JAR = web.AppKey("JAR", aiohttp.ClientSession)


def make_app(upstream: URL) -> web.Application:
    async def dialling(app: web.Application) -> AsyncIterator[None]:
        no_jar = aiohttp.DummyCookieJar()
        async with (
            aiohttp.ClientSession(cookie_jar=no_jar) as app[CLIENT],
            aiohttp.ClientSession() as app[JAR],
        ):
            yield

    async def ingress(request: web.Request) -> web.StreamResponse:
        fault, path = request.match_info["fault"], request.match_info["path"]
        offered = [
            name.strip()
            for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
            if name.strip()
        ]
        cookie = {"Cookie": request.headers["Cookie"]} if "Cookie" in request.headers else {}
        connecting = connect(
            request.app[JAR if fault == "cookie jar" else CLIENT],
            upstream / path,
            protocols=offered,
            headers={} if fault == "no cookies" else cookie,
            max_frame_size=(16 if fault == "16 MiB at most" else 64) * 2**20,
        )
        if fault == "early 101":
            return await early(request, connecting)
        # aiohttp 3.13 would keep whatever comes too early.
        assert request.transport is not None
        request.transport.pause_reading()
        try:
            server = await connecting
        except HandshakeRefused as refused:
            return refusal(refused, fault)
        finally:
            request.transport.resume_reading()
        chosen = offered[0] if fault == "first subprotocol" else server.protocol
        async with accept(request, protocol=chosen, max_frame_size=64 * 2**20) as visitor:
            await both(visitor, server, fault)
        return visitor.response

    app = web.Application()
    app.cleanup_ctx.append(dialling)
    app.router.add_get("/{fault}/{path}", ingress)
    return app


def refusal(refused: HandshakeRefused, fault: str) -> web.Response:
    headers = {} if refused.headers is None else dict(refused.headers)
    for name in ("Content-Length", "Content-Type", "Connection"):
        headers.pop(name, None)
    return web.Response(
        status=502 if fault == "502" else refused.status,
        body=b"" if fault == "no body" else refused.body,
        headers={} if fault == "no headers" else headers,
    )


async def early(
    request: web.Request, connecting: Awaitable[RawWebSocketSession]
) -> web.StreamResponse:
    """Accept first, then dial."""
    async with accept(request) as visitor:
        server = await connecting
        await both(visitor, server, "early 101")
    return visitor.response


async def both(visitor: RawWebSocketSession, server: RawWebSocketSession, fault: str) -> None:
    try:
        await asyncio.gather(forward(visitor, server, fault), forward(server, visitor, fault))
    finally:
        server.abort()


async def forward(source: RawWebSocketSession, target: RawWebSocketSession, fault: str) -> None:
    fragments: list[Frame] = []
    async for frame in source:
        for changed in change(frame, fault, fragments):
            await target.send(changed)
    end(source, target, fault)


def change(frame: Frame, fault: str, fragments: list[Frame]) -> Iterator[Frame]:
    if frame.opcode == Opcode.PING and fault == "ping()":
        yield Frame.ping(b"")
    elif frame.opcode == Opcode.PONG and fault == "pong()":
        yield Frame.pong(b"")
    elif frame.opcode == Opcode.CLOSE and fault == "close 1000":
        yield Frame.close(1000, frame.close_reason)
    elif frame.opcode == Opcode.CLOSE and fault == "no reason":
        yield Frame.close(frame.close_code)
    elif not frame.is_control and fault == "reassembled":
        fragments.append(frame)
        if frame.fin:
            message = b"".join(part.payload for part in fragments)
            yield Frame(fragments[0].opcode, message)
            fragments.clear()
    elif not frame.payload and not frame.fin and fault == "no empty fragments":
        return
    else:
        yield frame


def end(source: RawWebSocketSession, target: RawWebSocketSession, fault: str) -> None:
    if source.close_received is not None or target.closed:
        return
    reset = source.exception is not None
    if fault == "a Close of its own":
        target.send_nowait(Frame.close(1001))
    elif fault == ("FIN for a reset" if reset else "reset for a FIN"):
        target.write_eof() if reset else target.abort()
    elif fault == "both halves":
        target.write_eof()
        source.write_eof()
    elif fault != "deaf":
        target.abort() if reset else target.write_eof()
