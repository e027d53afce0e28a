"""The floor: bytes go on as they came, but no faster than the other side reads."""

import asyncio
import socket
from typing import cast

from ..servers import parse, run, tls


class Side(asyncio.Protocol):
    """One connection of two; the client's makes the upstream's."""

    def __init__(self, other: "Side | None" = None) -> None:
        self.other = other
        self.peer: asyncio.Transport | None = None
        self.early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.other is None:
            self.connecting = asyncio.ensure_future(self.connect())
        else:
            self.peer, self.other.peer = self.other.transport, self.transport
            self.transport.write(self.other.early)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Side(self), "127.0.0.1", parse().upstream)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.early += data
        else:
            self.peer.write(data)

    def pause_writing(self) -> None:
        cast(asyncio.Transport, self.peer).pause_reading()

    def resume_writing(self) -> None:
        cast(asyncio.Transport, self.peer).resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self.peer is not None:
            self.peer.close()


async def start(listener: socket.socket) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(Side, sock=listener, ssl=tls())


if __name__ == "__main__":
    run(start, "bare TCP")
