"""The peers on `websockets`, and on what picows offers in place of it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from .attending import HELLO, MOMENT, Cell
from .serving import HEARTBEAT, visit

__all__ = ("client_by", "server_by")


def beat(heartbeat: float | None) -> dict[str, Any]:
    """Return the options of a heartbeat, which both libraries have."""
    return {} if heartbeat is None else {"ping_interval": heartbeat, "ping_timeout": heartbeat / 2}


def client_by(connect: Any) -> Callable[[Cell], Awaitable[None]]:
    """Return the client that uses a library's `connect`."""

    async def talk(cell: Cell) -> None:
        async with connect(cell.url, **beat(cell.heartbeat)) as connection:
            cell.opened = True
            await connection.send(HELLO)
            if cell.closing:
                await asyncio.sleep(MOMENT)
                await connection.close()
            async for message in connection:
                if cell.got(message):
                    await connection.send(message)
            cell.end = f"closed {connection.close_code}"

    return talk


def server_by(serve: Any) -> Callable[[socket.socket], Awaitable[Any]]:
    """Return the start of the server that uses a library's `serve`."""

    async def echo(connection: Any) -> None:
        async with visit(connection.request.path) as visiting:
            if visiting.closing:
                await asyncio.sleep(MOMENT)
                await connection.close()
            async for message in connection:
                await connection.send(message)
            visiting.over(f"closed {connection.close_code}")

    async def start(listener: socket.socket) -> Any:
        return await serve(echo, sock=listener, **beat(HEARTBEAT))

    return start
