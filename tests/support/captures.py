"""Captures of conversations over real sockets, and of octets made by hand."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect as websockets_connect

from aiohttp_rawws import RawWebSocketSession
from aiohttp_rawws.captures import FrameLine, Recorder, Recording, read_capture
from aiohttp_rawws.layers import PermessageDeflate, reply
from tests.support.servers import application, running
from tests.support.waiting import patience
from tests.support.wire import Address

TEXTS = ["many words, many words, and many words again", "many words, and \u00e4 few more", "bye"]
ZEROS = bytes(70_000)

#: The headers of a client.
REQUEST = [
    ("Host", "example.test"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


async def answer(session: RawWebSocketSession, recording: "Recording | None" = None) -> None:
    """Send every message back, compressed if that was negotiated, and answer control frames."""
    deflate = PermessageDeflate.of(session)
    async for frame in session:
        plain = deflate.decode(frame) if deflate is not None else frame
        out = plain.replace(mask=None)
        if frame.is_control:
            out = reply(plain) or out
        elif deflate is not None:
            out = deflate.encode(out)
        if recording is not None:
            recording.received(frame)
            recording.sent(out)
        await session.send(out)


async def talk(address: Address, path: str = "/", **options: Any) -> None:
    """Be a client of another library, and say the TEXTS."""
    async with websockets_connect(address.url(path), **options) as client:
        for text in TEXTS:
            await client.send(text)
            assert await client.recv() == text
        await client.send(ZEROS)
        assert await client.recv() == ZEROS
        await (await client.ping(b"are you there?"))


async def record_talk(path: Path, **options: Any) -> None:
    """Record such a talk, with the options of the client."""
    with Recorder(path) as recorder:

        async def handler(session: RawWebSocketSession) -> None:
            with recorder.connection(session) as recording:
                await answer(session, recording)

        app = application(handler, extensions=PermessageDeflate.accept)
        async with patience(), running(app) as (_, address):
            await talk(address, "/?token=1234", **options)
            await ended(path)


async def ended(path: Path, connections: int = 1) -> None:
    """Wait until a capture has the ends of so many connections."""
    async with patience():
        while path.read_bytes().count(b'"end"') < connections:  # noqa: ASYNC240
            await asyncio.sleep(0.001)


def record_octets(capture: Path, reads: Iterable[tuple[str, bytes]], **opened: Any) -> None:
    """Make a capture of what each read has brought, by direction."""
    with Recorder(capture) as recorder, recorder.connection() as recording:
        recording.opened(request=REQUEST, **opened)
        for direction, data in reads:
            recording.octets(direction, data)


def frames_in(path: Path) -> list[FrameLine]:
    """Return the frames of a capture."""
    return [line for line in read_capture(path) if isinstance(line, FrameLine)]
