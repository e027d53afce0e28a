"""aiohttp's own `WebSocketResponse`: the same by sending to one after the other."""

import asyncio

from aiohttp import web

from .aiohttp_websocket import run_aiohttp

members: set[web.WebSocketResponse] = set()


async def join(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(compress=False)
    await response.prepare(request)
    members.add(response)
    try:
        async for message in response:
            for _ in range(int(message.data[:8])):
                for member in tuple(members):
                    await member.send_bytes(message.data)
                await asyncio.sleep(0)
    finally:
        members.remove(response)
    return response


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/", join)
    run_aiohttp(app)
