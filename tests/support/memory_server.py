"""A server in a process of its own that reports its memory (Linux).

Started by path, it prints its port.

- "/frames" takes one frame, "/pieces" the pieces of one. Each then sends a Text: the size of the
  payload, and by how much the resident memory had grown at its peak, in bytes.
- "/proxy/PORT" is a proxy to that port.
- "/growth" returns the growth of the memory at its peak since the last request for it, in bytes.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

from aiohttp_rawws import Frame, RawWebSocketSession, add_raw_websocket, proxy, setup


def memory(field: str) -> int:
    """Return a field of the process's memory status, in bytes."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def forget_peak() -> int:
    """Reset the peak to the resident memory, and return that."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


async def frames(session: RawWebSocketSession) -> None:
    before = forget_peak()
    frame = await session.receive()
    await report(session, len(frame.payload), memory("VmHWM") - before)


async def pieces(session: RawWebSocketSession) -> None:
    before = forget_peak()
    size = 0
    async for piece in session.pieces():
        size += len(piece.payload)
        if isinstance(piece, Frame) or piece.last:
            break
    await report(session, size, memory("VmHWM") - before)


async def report(session: RawWebSocketSession, size: int, growth: int) -> None:
    await session.send(Frame.text(f"{size} {growth}"))


CLIENT = web.AppKey("client", aiohttp.ClientSession)


async def clients(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as app[CLIENT]:
        yield


async def pass_on(request: web.Request) -> web.StreamResponse:
    port = request.match_info["port"]
    return await proxy(request, request.app[CLIENT], f"ws://127.0.0.1:{port}/")


class Growth:
    """The growth of the memory since the last request."""

    before = 0

    async def __call__(self, request: web.Request) -> web.Response:
        grown = memory("VmHWM") - self.before
        self.before = forget_peak()
        return web.Response(text=str(grown))


async def main() -> None:
    app = web.Application()
    app.cleanup_ctx.append(clients)
    app.router.add_route("*", "/proxy/{port}", pass_on)
    app.router.add_get("/growth", Growth().__call__)
    setup(app, max_frame_size=2**30)
    add_raw_websocket(app.router, "/frames", frames)
    add_raw_websocket(app.router, "/pieces", pieces)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
