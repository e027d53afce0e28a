"""`websockets`, its asyncio client."""

import asyncio
from typing import Any

from websockets.asyncio.client import connect

from .attending import HELLO, MOMENT, Cell, attend


async def talk(cell: Cell) -> None:
    beat: dict[str, Any] = {}
    if cell.heartbeat is not None:
        beat = {"ping_interval": cell.heartbeat, "ping_timeout": cell.heartbeat / 2}
    async with connect(cell.url, **beat) as connection:
        cell.opened = True
        await connection.send(HELLO)
        if cell.closing:
            await asyncio.sleep(MOMENT)
            await connection.close()
        async for message in connection:
            if cell.got(message):
                await connection.send(message)
        cell.end = f"closed {connection.close_code}"


if __name__ == "__main__":
    attend("websockets", talk)
