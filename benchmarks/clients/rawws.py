"""aiohttp_rawws: frame by frame, as the server's handler does."""

import ssl
from collections.abc import Awaitable, Callable

import aiohttp

from aiohttp_rawws import RawWebSocketSession, connect

from ..servers.rawws import VERSION, build_wanted, echo
from . import run

Handler = Callable[[RawWebSocketSession], Awaitable[None]]


def run_rawws(handler: Handler) -> None:
    async def converse(url: str, tls: ssl.SSLContext | None) -> None:
        async with (
            aiohttp.ClientSession() as client,
            connect(client, url, ssl=tls or True) as session,
        ):
            await handler(session)

    run(converse, VERSION, build_wanted())


if __name__ == "__main__":
    run_rawws(echo)
