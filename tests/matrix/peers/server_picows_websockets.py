"""`picows.websockets`, its asyncio server."""

import asyncio
import socket
from typing import Any

from picows.websockets.asyncio.server import Server, ServerConnection, serve

from .serving import HEARTBEAT, MOMENT, visit
from .serving import serve as run


async def echo(connection: ServerConnection) -> None:
    assert connection.request is not None
    async with visit(connection.request.path) as visiting:
        if visiting.closing:
            await asyncio.sleep(MOMENT)
            await connection.close()
        async for message in connection:
            await connection.send(message)
        visiting.over(f"closed {connection.close_code}")


async def start(listener: socket.socket) -> Server:
    beat: dict[str, Any] = (
        {} if HEARTBEAT is None else {"ping_interval": HEARTBEAT, "ping_timeout": HEARTBEAT / 2}
    )
    return await serve(echo, sock=listener, **beat)


if __name__ == "__main__":
    run("picows", start)
