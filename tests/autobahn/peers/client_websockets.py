"""websockets' asyncio client, with its defaults but without a limit."""

import contextlib

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from . import attend


async def count(url: str) -> int:
    async with connect(url) as connection:
        return int(await connection.recv())


async def echo(url: str) -> None:
    with contextlib.suppress(WebSocketException, OSError):
        async with connect(url, max_size=None) as connection:
            async for message in connection:
                await connection.send(message)


if __name__ == "__main__":
    attend(count, echo)
