"""Scripts for the server written by hand, and traces for its clients."""

import asyncio
from typing import Any

import aiohttp

from tests.support.handshakes import Opening, answer
from tests.support.octets import masked
from tests.support.waiting import soon
from tests.support.wire import Script, Wire


async def until_end(wire: Wire, opening: Opening) -> None:
    """Answer 101, then wait for the client to end the connection."""
    wire.send(answer(opening))
    await wire.read_to_end()


#: The start of a refusal.
HEAD = b"HTTP/1.1 403 No\r\n"


def slow_tracing(*held: asyncio.Event) -> aiohttp.TraceConfig:
    """Return a trace that holds each response back until its event is set."""
    events = iter(held)

    async def hold(*args: Any) -> None:
        await soon(next(events).wait())

    config = aiohttp.TraceConfig()
    config.on_request_end.append(hold)
    return config


JUNK = masked(0x81, b"Hello") * 1000


def says(data: bytes) -> Script:
    """Return a script that answers `data` and ends the connection."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(data)
        await wire.close()

    return script
