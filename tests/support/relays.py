"""A relay between two peers in the hands of a test: a visitor and an upstream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import Frame, RawWebSocketSession, RelayStats, connect, relay
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.handshakes import request
from tests.support.octets import xor
from tests.support.servers import Contexts, application, connector_to, running
from tests.support.waiting import patience, soon, turns
from tests.support.wire import Address, Wire

NOTHING_ELSE = b""


@dataclass
class Between:
    """Both peers, both sessions of the relay, and its task."""

    visitor: Wire
    upstream: Wire
    a: RawWebSocketSession
    b: RawWebSocketSession
    relaying: "asyncio.Task[RelayStats]"

    async def stats(self) -> RelayStats:
        return await soon(asyncio.shield(self.relaying))


@contextlib.asynccontextmanager
async def listening(
    contexts: "Contexts | None", extensions: str = "", path: str = ""
) -> AsyncIterator["tuple[Address, asyncio.Queue[Wire]]"]:
    """Run a server that answers 101; yield its address and a queue of its connections."""
    wires: asyncio.Queue[Wire] = asyncio.Queue()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line[19:] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        extra = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
        wire.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n%s\r\n" % (accept_key(key).encode(), extra.encode())
        )
        wires.put_nowait(wire)

    server_tls, client_tls = contexts or (None, None)
    if path:
        server = await asyncio.start_unix_server(connected, path, ssl=server_tls)
        host, port = "127.0.0.1", 80
    else:
        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server_tls)
        host, port = server.sockets[0].getsockname()[:2]
    try:
        yield Address(host, port, client_tls, path), wires
    finally:
        server.close()


@contextlib.asynccontextmanager
async def between(
    visitor_tls: "Contexts | None" = None,
    upstream_tls: "Contexts | None" = None,
    *,
    before: bytes = b"",
    extensions: str | tuple[str, str] = "",
    options: "dict[str, Any] | None" = None,
    paths: tuple[str, str] = ("", ""),
    **relay_options: Any,
) -> AsyncIterator[Between]:
    """Run a relay from a raw route to a raw client.

    The visitor sends `before` with its request. `options` are those of both sessions, `paths` those
    of Unix sockets for the two legs. `extensions` are those of both legs, or of each.
    """
    options = {"linger": 2.0} | (options or {})
    ours, theirs = (extensions, extensions) if isinstance(extensions, str) else extensions
    offered = {"Sec_WebSocket_Extensions": ours}
    began: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    released = asyncio.Event()
    async with listening(upstream_tls, theirs, paths[1]) as (upstream, wires):

        async def handler(session: RawWebSocketSession) -> None:
            async with (
                aiohttp.ClientSession(connector=connector_to(upstream)) as http,
                connect(http, upstream.url(), extensions=theirs or None, **options) as other,
            ):
                relaying = asyncio.ensure_future(relay(session, other, **relay_options))
                began.set_result((session, other, relaying))
                try:
                    await released.wait()
                finally:
                    relaying.cancel()

        app = application(handler, extensions=lambda offer: ours or None, **options)
        async with patience(), running(app, visitor_tls, path=paths[0]) as (_, address):
            visitor = await Wire.open(address)
            visitor.send(request(**offered) + before)
            assert (await visitor.read_head())[0] == 101
            a, b, relaying = await soon(began)
            upstream_wire = await soon(wires.get())
            await turns()
            try:
                yield Between(visitor, upstream_wire, a, b, relaying)
            finally:
                released.set()
                for wire in (visitor, upstream_wire):
                    if not wire.writer.is_closing():
                        wire.writer.transport.abort()


def look(direction: str, frame: Frame) -> None:
    """Be a tap that does nothing."""


#: As they stand, assembled for a tap, and under fresh masking keys.
WAYS: "dict[str, dict[str, Any]]" = {
    "as they stand": {},
    "tapped": {"tap": look},
    "remasked": {"remask": True},
}
EVERY_WAY = pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)

LEGS = pytest.mark.parametrize(
    ("visitor_tls", "upstream_tls"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["plain", "visitor tls", "upstream tls", "tls"],
)


def tls_of(contexts: Contexts, *legs: bool) -> "list[Contexts | None]":
    return [contexts if tls else None for tls in legs]


async def nothing_comes(wire: Wire) -> None:
    await turns(20)
    assert wire.reader._buffer == b""  # type: ignore[attr-defined]


async def lost_abruptly(wire: Wire) -> None:
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()


#: Frames of a visitor that are sound together, first octet and payload.
TALK = [
    (0x81, "a text, \u00e4 \U0001f600".encode()),
    (0x82, b""),
    (0x01, b"first"),
    (0x89, b"ping between"),
    (0x00, b""),
    (0x8A, b"pong nobody asked for"),
    (0x80, b"last"),
    (0x82, bytes(range(126))),
    (0x82, bytes(126)),
    (0x89, b""),
    (0x89, bytes(125)),
    (0x81, b"\xff is not UTF-8, and not ours to judge"),
]


def bare(head: int, payload: bytes) -> bytes:
    """Return a server's frame of up to 65535 bytes."""
    size = len(payload)
    return (
        bytes([head])
        + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big"))
        + payload
    )


async def unmasked(wire: Wire) -> "tuple[int, bytes]":
    """Read a masked frame of up to 65535 bytes; return its first octet and its payload."""
    head, size = await wire.read(2)
    assert size & 0x80
    size &= 0x7F
    if size == 126:
        size = int.from_bytes(await wire.read(2), "big")
    key = await wire.read(4)
    return head, xor(await wire.read(size), key)
