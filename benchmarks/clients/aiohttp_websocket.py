"""aiohttp's own `ws_connect`, with its defaults but without a limit."""

import ssl

import aiohttp
from aiohttp import WSMsgType

from ..servers.aiohttp_websocket import BUILD, VERSION
from . import run


async def echo(url: str, tls: ssl.SSLContext | None) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(url, compress=0, max_msg_size=0, ssl=tls or True) as socket,
    ):
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)


if __name__ == "__main__":
    run(echo, VERSION, BUILD)
