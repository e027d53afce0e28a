"""websockets on asyncio, without compression, limit and pings of its own."""

import socket
from importlib.util import find_spec
from typing import Any

from websockets.asyncio import client, server
from websockets.asyncio.connection import Connection
from websockets.version import version

from . import TLS, connect, options, serve

PLAIN: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None}


async def echo(connection: Connection) -> None:
    async for message in connection:
        await connection.send(message)


async def start(listener: socket.socket, tls: TLS) -> server.Server:
    compression = "deflate" if options().deflate else None
    return await server.serve(echo, sock=listener, ssl=tls, **{**PLAIN, "compression": compression})


async def converse(url: str) -> None:
    async with client.connect(url, **PLAIN) as connection:
        await echo(connection)


if __name__ == "__main__":
    build = "compiled mask" if find_spec("websockets.speedups") else "interpreted"
    about = f"websockets {version}", build
    connect(converse, *about) if options().kind == "client" else serve(start, *about)
