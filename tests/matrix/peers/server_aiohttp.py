"""aiohttp's `WebSocketResponse`."""

import asyncio

from aiohttp import WSMsgType, web

from .serving import HEARTBEAT, MOMENT, serve_application, visit


async def echo(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(heartbeat=HEARTBEAT)
    await response.prepare(request)
    async with visit(request.path) as visiting:
        if visiting.closing:
            await asyncio.sleep(MOMENT)
            await response.close()
        async for message in response:
            if message.type is WSMsgType.BINARY:
                await response.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await response.send_str(message.data)
        visiting.over(f"closed {response.close_code}")
    return response


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/{tail:.*}", echo)
    serve_application("aiohttp", app)
