"""picows by its own layer of messages, with its defaults but without a limit."""

import socket
from contextlib import AbstractAsyncContextManager
from typing import Any

from picows.websockets.asyncio.server import ServerConnection, serve

from benchmarks.servers import run

from . import about


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def start(listener: socket.socket) -> AbstractAsyncContextManager[Any]:
    return await serve(echo, sock=listener, max_size=None)


if __name__ == "__main__":
    run(start, about("picows"))
