"""An upstream that answers when the test says so."""

import asyncio
import contextlib

from tests.support.handshakes import Opening, answer
from tests.support.waiting import soon
from tests.support.wire import Address, Wire


class Upstream:
    """An upstream's end of the connection, and the events that rule it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.over = asyncio.Event()
        self.wire: Wire

    async def script(self, wire: Wire, opening: Opening) -> None:
        self.wire = wire
        self.asked.set()
        await self.answers.wait()
        with contextlib.suppress(ConnectionError):
            wire.send(answer(opening))
        await self.over.wait()


async def opened(upstream: Upstream, ours: Address) -> Wire:
    """Return a visitor whose upgrade is done."""
    upstream.answers.set()
    wire = await Wire.upgrade(ours)
    await soon(upstream.asked.wait())
    return wire


async def end_of(wire: Wire) -> str:
    """Return "FIN" or "RST", by which the connection ends; no byte may come before."""
    try:
        assert await wire.read_to_end() == b""
    except ConnectionResetError:
        return "RST"
    return "FIN"
