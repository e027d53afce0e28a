"""aiohttp's own `WebSocketResponse`, which compresses by default."""

from aiohttp import WSMsgType, web

from .aiohttp_websocket import run_aiohttp


async def echo(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(max_msg_size=0)
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
    return response


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/", echo)
    run_aiohttp(app)
