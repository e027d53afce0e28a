"""aiohttp's client, with compression."""

import asyncio

import aiohttp

from .attending import HELLO, MOMENT, Cell, attend


async def talk(cell: Cell) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(cell.url, heartbeat=cell.heartbeat, compress=15) as connection,
    ):
        cell.opened = True
        await connection.send_str(HELLO)
        if cell.closing:
            await asyncio.sleep(MOMENT)
            await connection.close()
        async for message in connection:
            if message.type is aiohttp.WSMsgType.ERROR:
                break
            if not cell.got(message.data):
                continue
            if message.type is aiohttp.WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await connection.send_bytes(message.data)
        error = connection.exception()
        cell.end = f"closed {connection.close_code}" + (f", {error}" if error else "")


if __name__ == "__main__":
    attend("aiohttp", talk)
