"""A peer that writes and reads every byte by hand, over a real socket."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from multidict import CIMultiDict

from tests.support.handshakes import Opening, request
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Address:
    """The address of a test server, and the TLS context for its clients or None.

    If `path` is set, the server listens on that Unix socket; host and port are for its URLs.
    """

    host: str
    port: int
    ssl: "ssl.SSLContext | None" = None
    path: str = ""

    def url(self, path: str = "/", scheme: str = "ws") -> str:
        return f"{scheme}{'s' if self.ssl else ''}://{self.host}:{self.port}{path}"


class Wire:
    """One connection: `send` bytes, `read` bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def transport(self) -> asyncio.Transport:
        return cast(asyncio.Transport, self.writer.transport)

    @classmethod
    async def open(cls, address: Address) -> "Wire":
        if address.path:
            name = address.host if address.ssl else None
            opening = asyncio.open_unix_connection(
                address.path, ssl=address.ssl, server_hostname=name
            )
        else:
            opening = asyncio.open_connection(address.host, address.port, ssl=address.ssl)
        return cls(*await opening)

    @classmethod
    async def upgrade(cls, address: Address, path: str = "/", behind: bytes = b"") -> "Wire":
        """Open a connection and upgrade it, with bytes in the same write as the request."""
        wire = await cls.open(address)
        wire.send(request(path) + behind)
        status, headers = await wire.read_head()
        assert status == 101, (status, headers)
        return wire

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_head(self) -> "tuple[int, CIMultiDict[str]]":
        """Return the status and the headers of a response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers: CIMultiDict[str] = CIMultiDict()
        for line in filter(None, lines):
            name, value = line.split(": ", 1)
            headers.add(name, value)
        return int(status.split(" ")[1]), headers

    async def read(self, size: int) -> bytes:
        """Return exactly `size` bytes."""
        return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)

    async def read_frame(self) -> "tuple[int, bytes]":
        """Return the first octet and the payload of an unmasked frame."""
        head, size = await self.read(2)
        if size == 126:
            size = int.from_bytes(await self.read(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.read(8), "big")
        return head, await self.read(size)

    async def read_to_end(self) -> bytes:
        """Return all bytes up to the peer's FIN. Raises ConnectionResetError after a RST."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    def end(self) -> None:
        """Send a FIN, and keep reading."""
        self.writer.write_eof()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


Script = Callable[[Wire, Opening], Awaitable[None]]
ByHand = Callable[..., Awaitable[Address]]


async def read_opening(wire: Wire) -> Opening:
    head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
    line, *lines = head.split("\r\n")
    pairs = (each.partition(": ") for each in lines if each)
    return Opening(line, CIMultiDict([(name, value) for name, _, value in pairs]))


#: Where nobody listens.
NOWHERE = Address("127.0.0.1", 1)


async def tell(address: Address, data: bytes) -> tuple[int, "CIMultiDict[str]"]:
    """Send `data` and leave; return the status and headers of the answer."""
    wire = await Wire.open(address)
    wire.send(data)
    head = await wire.read_head()
    await wire.close()
    return head


async def raw_bytes(address: Address, data: bytes) -> bytes:
    """Send `data`; return all bytes up to the end of the connection."""
    wire = await Wire.open(address)
    wire.send(data)
    answer = await wire.read_to_end()
    await wire.close()
    return answer


def only_response(data: bytes) -> tuple[int, bytes]:
    """Return the status and the body of the one HTTP response in `data`."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    assert length is not None
    assert len(body) == int(length[1])
    assert len(re.findall(rb"HTTP/1\.\d \d\d\d ", data)) == 1
    return int(head.split(b" ")[1]), body
