"""Scripted peers of `aiohttp_rawws.testing`, and the other end of their connections by hand."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from yarl import URL

from aiohttp_rawws.testing import (
    Played,
    Player,
    Script,
    Scripts,
    ScriptServer,
    play_client,
    script_server,
)
from tests.support.handshakes import Opening, answer
from tests.support.waiting import soon
from tests.support.wire import Address, ByHand, Wire

Peer = Callable[[Wire], Awaitable[None]]


def address_of(server: ScriptServer, tls: ssl.SSLContext | None = None, path: str = "") -> Address:
    url = URL(server.url)
    return Address(url.host or "", url.port or 80, tls, path)


@contextlib.asynccontextmanager
async def a_client_of(
    script: Scripts, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[Wire, ScriptServer]]:
    """Yield a client by hand that has upgraded, and the server, which plays the script."""
    async with script_server(script, **options) as server:
        wire = await Wire.upgrade(address_of(server, tls, options.get("unix_socket") or ""))
        try:
            yield wire, server
        finally:
            await soon(wire.close())


async def played_by_server(script: Script, peer: Peer, **options: Any) -> Played:
    """Play a script as a server, with a client by hand; return how it went."""
    async with a_client_of(script, **options) as (wire, server):
        await peer(wire)
        await wire.close()
        (played,) = await server.ended()
    return played


async def played_by_client(script: Script, peer: Peer, by_hand: ByHand, **options: Any) -> Played:
    """Play a script as a client, with a server by hand; return how it went."""

    async def serve(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await peer(wire)

    address = await by_hand(serve)
    return await soon(play_client(script, address.url(), **options))


class Timeout:
    """A step from which on each wait for the peer has so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def run(self, player: Player) -> None:
        player.wire.timeout = self.seconds


async def silent(wire: Wire) -> None:
    """Send nothing, and read to the end."""
    with contextlib.suppress(ConnectionError):
        await wire.read_to_end()


def says(*data: bytes, gap: float = 0.0) -> Peer:
    """Return a peer that sends this, and reads to the end."""

    async def peer(wire: Wire) -> None:
        for each in data:
            wire.send(each)
            await asyncio.sleep(gap)
        await silent(wire)

    return peer


def says_and_ends(data: bytes) -> Peer:
    """Return a peer that sends this and a FIN, and reads to the end."""

    async def peer(wire: Wire) -> None:
        wire.send(data)
        wire.end()
        await silent(wire)

    return peer
