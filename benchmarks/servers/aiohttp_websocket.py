"""aiohttp's own `WebSocketResponse`, with its defaults but without a limit and compression."""

import aiohttp
from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketReader

from . import run_application

VERSION = f"aiohttp {aiohttp.__version__}"
BUILD = "compiled" if "reader_c" in WebSocketReader.__module__ else "interpreted"


def app_of(*, compress: bool) -> web.Application:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=compress, max_msg_size=0)
        await response.prepare(request)
        async for message in response:
            if message.type is WSMsgType.BINARY:
                await response.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await response.send_str(message.data)
        return response

    app = web.Application()
    app.router.add_get("/", echo)
    return app


def run_aiohttp(app: web.Application) -> None:
    run_application(app, VERSION, BUILD)


if __name__ == "__main__":
    run_aiohttp(app_of(compress=False))
