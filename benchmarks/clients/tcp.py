"""The floor: bytes go back as they came, no WebSocket at all."""

import asyncio
import ssl

from ..servers import parse
from ..servers.tcp import Echo
from . import run


class LastingEcho(Echo):
    """One that can be waited for."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()


async def echo(url: str, tls: ssl.SSLContext | None) -> None:
    _, protocol = await asyncio.get_running_loop().create_connection(
        LastingEcho, "127.0.0.1", parse().upstream, ssl=tls
    )
    await protocol.lost.wait()


if __name__ == "__main__":
    run(echo, "bare TCP")
