"""The floor: bytes go back as they came, no WebSocket at all."""

import asyncio
import socket
from typing import cast

from . import run, tls


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def start(listener: socket.socket) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(Echo, sock=listener, ssl=tls())


if __name__ == "__main__":
    run(start, "bare TCP")
