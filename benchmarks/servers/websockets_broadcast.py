"""websockets: the same by its own `broadcast`."""

import asyncio
import socket
from contextlib import AbstractAsyncContextManager
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.version import version

from . import run

members: set[ServerConnection] = set()


async def join(connection: ServerConnection) -> None:
    members.add(connection)
    try:
        async for message in connection:
            for _ in range(int(message[:8])):
                broadcast(members, message)
                await asyncio.sleep(0)
    finally:
        members.remove(connection)


async def start(listener: socket.socket) -> AbstractAsyncContextManager[Any]:
    return await serve(join, sock=listener, compression=None, ping_interval=None)


if __name__ == "__main__":
    run(start, f"websockets {version}")
