"""The floor: bytes go back as they came, but no faster than they are read; no WebSocket at all."""

import asyncio
import socket
from typing import cast

from . import run, tls


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


async def start(listener: socket.socket) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(Echo, sock=listener, ssl=tls())


if __name__ == "__main__":
    run(start, "bare TCP")
