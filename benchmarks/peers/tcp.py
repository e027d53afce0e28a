"""The floor in Python: bytes pass as they come, no faster than they are read; no WebSocket."""

import asyncio
import socket
from typing import cast

from . import TLS, connect, options, serve


class Side(asyncio.Protocol):
    """One of two connections of a proxy. The client's makes the upstream's."""

    def __init__(self, other: "Side | None" = None) -> None:
        self.other = other
        self.peer: asyncio.Transport | None = None
        self.early = b""
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.other is None:
            self.connecting = asyncio.ensure_future(self.connect())
        else:
            self.peer, self.other.peer = self.other.transport, self.transport
            self.transport.write(self.other.early)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Side(self), "127.0.0.1", options().upstream)

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
        self.lost.set()
        if self.peer is not None:
            self.peer.close()


class Echo(Side):
    """Both sides at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self.peer = cast(asyncio.Transport, transport)


async def server(listener: socket.socket, tls: TLS) -> asyncio.Server:
    protocol = Side if options().kind == "proxy" else Echo
    return await asyncio.get_running_loop().create_server(protocol, sock=listener, ssl=tls)


async def client(url: str) -> None:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(Echo, "127.0.0.1", options().upstream)
    await protocol.lost.wait()


if __name__ == "__main__":
    connect(client, "bare TCP") if options().kind == "client" else serve(server, "bare TCP")
