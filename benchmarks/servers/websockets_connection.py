"""websockets' asyncio server, without compression, limit and pings of its own."""

import socket
from importlib.util import find_spec

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.version import version

from . import run, tls

VERSION = f"websockets {version}"
BUILD = "compiled mask" if find_spec("websockets.speedups") else "interpreted"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def start(listener: socket.socket) -> Server:
    return await serve(
        echo, sock=listener, ssl=tls(), compression=None, max_size=None, ping_interval=None
    )


if __name__ == "__main__":
    run(start, VERSION, BUILD)
