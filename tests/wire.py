"""A peer whose every byte is written by hand, over a real socket."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from multidict import CIMultiDict

from aiohttp_rawws.wire.handshake import accept_key

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the sample nonce of RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
MASK = b"\x37\xfa\x21\x3d"  # the masking key of the examples of RFC 6455 section 5.7

#: No await of a test should ever last this long, in seconds.
PATIENCE = 20


@dataclass(frozen=True)
class Address:
    """Where a test server listens; `ssl` is the context for its clients, or None.

    With a `path` that is a Unix socket, and host and port are those to write into a URL.
    """

    host: str
    port: int
    ssl: "ssl.SSLContext | None" = None
    path: str = ""

    def url(self, path: str = "/", scheme: str = "ws") -> str:
        return f"{scheme}{'s' if self.ssl else ''}://{self.host}:{self.port}{path}"


def request(path: str = "/", method: str = "GET", version: str = "1.1", **changes: str) -> bytes:
    """An opening handshake; `changes` replace headers (`Sec_WebSocket_Key="x"`), "" drops one."""
    headers = CIMultiDict(
        {
            "Host": "example.test",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
        }
    )
    for name, value in changes.items():
        headers[name.replace("_", "-")] = value
    lines = [f"{method} {path} HTTP/{version}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([*lines, "", ""]).encode()


def xor(payload: bytes, mask: bytes = MASK) -> bytes:
    """Masking as RFC 6455 section 5.3 spells it out."""
    return bytes(octet ^ mask[i % 4] for i, octet in enumerate(payload))


def masked(head: int, payload: bytes = b"") -> bytes:
    """A client's frame of up to 65535 bytes: first octet `head`, masked with MASK."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([head]) + length + MASK + xor(payload)


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
        """The status and the headers of a response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers: CIMultiDict[str] = CIMultiDict()
        for line in filter(None, lines):
            name, value = line.split(": ", 1)
            headers.add(name, value)
        return int(status.split(" ")[1]), headers

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)

    async def read_frame(self) -> "tuple[int, bytes]":
        """The first octet and the payload of an unmasked frame."""
        head, size = await self.read(2)
        if size == 126:
            size = int.from_bytes(await self.read(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.read(8), "big")
        return head, await self.read(size)

    async def read_to_end(self) -> bytes:
        """All there is until the peer's FIN; ConnectionResetError after a RST."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    def end(self) -> None:
        """Send a FIN, and keep reading."""
        self.writer.write_eof()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@dataclass(frozen=True)
class Opening:
    """An opening handshake, as it came."""

    line: str
    headers: "CIMultiDict[str]"

    @property
    def key(self) -> str:
        return self.headers["Sec-WebSocket-Key"]


Script = Callable[[Wire, Opening], Awaitable[None]]
ByHand = Callable[..., Awaitable[Address]]


def answer(opening: Opening, **changes: "str | list[str]") -> bytes:
    """A 101; `changes` replace headers, "" drops one, a list gives several lines."""
    headers: dict[str, str | list[str]] = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_key(opening.key),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = ["HTTP/1.1 101 Switching Protocols"]
    for name, value in headers.items():
        values = value if isinstance(value, list) else [value] if value else []
        lines += [f"{name}: {line}" for line in values]
    return "\r\n".join([*lines, "", ""]).encode()


async def read_opening(wire: Wire) -> Opening:
    head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
    line, *lines = head.split("\r\n")
    pairs = (each.partition(": ") for each in lines if each)
    return Opening(line, CIMultiDict([(name, value) for name, _, value in pairs]))


#: Where nobody listens.
NOWHERE = Address("127.0.0.1", 1)


def asks(*lines: str, path: str = "/") -> bytes:
    """An opening handshake with more header lines, as they are; Latin-1 for any byte."""
    return request(path)[:-2] + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


async def tell(address: Address, data: bytes) -> tuple[int, "CIMultiDict[str]"]:
    """What a visitor gets to `data`, who leaves then."""
    wire = await Wire.open(address)
    wire.send(data)
    head = await wire.read_head()
    await wire.close()
    return head
