"""aiohttp's `WebSocketResponse`, with its defaults but without a limit."""

from aiohttp import WSMsgType, web

from . import serve_application


async def echo(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(max_msg_size=0)
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.BINARY:
            await response.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
    return response


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/", echo)
    serve_application(app)
