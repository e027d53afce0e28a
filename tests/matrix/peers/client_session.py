"""Our `WebSocketSession` on our client, with compression."""

import asyncio

import aiohttp

import aiohttp_rawws
from aiohttp_rawws.layers import PermessageDeflate, WebSocketSession

from .attending import HELLO, MOMENT, Cell, attend


async def talk(cell: Cell) -> None:
    async with (
        aiohttp.ClientSession() as client,
        aiohttp_rawws.connect(client, cell.url, extensions=PermessageDeflate.offer()) as session,
        WebSocketSession(session, heartbeat=cell.heartbeat) as websocket,
    ):
        cell.opened = True
        await websocket.send_str(HELLO)
        if cell.closing:
            await asyncio.sleep(MOMENT)
            await websocket.close()
        async for message in websocket:
            if not cell.got(message.data):
                continue
            if isinstance(message.data, str):
                await websocket.send_str(message.data)
            else:
                await websocket.send_bytes(message.data)
        cell.end = f"closed {websocket.close_code}"


if __name__ == "__main__":
    attend("aiohttp", talk)
