"""websockets' asyncio client, without compression, limit and pings of its own."""

import ssl

from websockets.asyncio.client import connect

from ..servers.websockets_connection import BUILD, VERSION
from . import run


async def echo(url: str, tls: ssl.SSLContext | None) -> None:
    async with connect(
        url, ssl=tls, compression=None, max_size=None, ping_interval=None
    ) as connection:
        async for message in connection:
            await connection.send(message)


if __name__ == "__main__":
    run(echo, VERSION, BUILD)
