"""Our client with a `WebSocketSession`, as in the demo."""

import contextlib

import aiohttp

import aiohttp_rawws
from demo.conforming import echo_client

from . import attend


async def count(url: str) -> int:
    async with aiohttp.ClientSession() as client, aiohttp_rawws.connect(client, url) as session:
        return int((await session.receive()).payload)


async def echo(url: str) -> None:
    async with aiohttp.ClientSession() as client:
        # The suite breaks rules, and the connection.
        with contextlib.suppress(aiohttp_rawws.ProtocolError, aiohttp_rawws.SessionClosed):
            await echo_client(client, url)


if __name__ == "__main__":
    attend(count, echo)
