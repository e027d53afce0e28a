"""picows' client by its own layer of messages, with its defaults but without a limit."""

import contextlib
import logging

from picows.websockets.asyncio.client import connect
from picows.websockets.exceptions import WebSocketException

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
    # It logs each connection that the suite breaks.
    logging.disable()
    attend(count, echo)
