"""picows by its own layer of messages, with its defaults but without a limit."""

import socket

from picows.websockets.asyncio.server import Server, ServerConnection, serve

from . import serve as run


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def start(listener: socket.socket) -> Server:
    return await serve(echo, sock=listener, max_size=None)


if __name__ == "__main__":
    run(start)
