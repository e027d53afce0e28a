"""What an ingress promises, one probe each: the visitor and the upstream are both played here.

A probe returns what it has measured, or "", and raises `Lost` where something got lost.
"""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from yarl import URL

from aiohttp_rawws import (
    Frame,
    HandshakeRefused,
    Opcode,
    RawWebSocketError,
    RawWebSocketSession,
    accept,
    connect,
)

from .line import Line, Lost, arrived, beside, ended, name, next_of, passed, told

__all__ = ("PROBES", "Probe", "Verdict", "judge")

MIB = 2**20

#: How long a whole probe may take, in seconds.
PROBE_TIMEOUT = 15.0

#: How long a visitor reads slowly, or an upstream keeps the proxy waiting, in seconds.
SLOW = 1.2

#: How much more memory a proxy may take for a peer that is slow, in bytes.
GROWTH_LIMIT = 16 * MIB

#: Where it is plain that there is no limit, in bytes.
ENOUGH = 64 * MIB

#: What a slow visitor is sent, if all of it fits somewhere, in bytes.
FLOOD = 256 * MIB

#: What an early visitor sends while the upstream is dialled, UPLOAD_FRAMES times.
UPLOAD = Frame(Opcode.BINARY, os.urandom(4096), mask=b"\x37\xfa\x21\x3d")
UPLOAD_FRAMES = 8192

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Probe(NamedTuple):
    """`promise` is what is probed; `alone` asks for a proxy that is narrow and has done nothing."""

    promise: str
    run: Callable[[Line], Awaitable[str]]
    alone: bool = False


class Verdict(NamedTuple):
    """Whether a proxy has kept a promise, and what was seen."""

    kept: bool
    seen: str


async def judge(probe: Probe, line: Line) -> Verdict:
    try:
        return Verdict(True, await asyncio.wait_for(probe.run(line), PROBE_TIMEOUT))
    except Lost as lost:
        return Verdict(False, str(lost))
    except asyncio.TimeoutError:
        return Verdict(False, f"not done within {PROBE_TIMEOUT:.0f} s")
    except (aiohttp.ClientError, RawWebSocketError, OSError) as error:
        return Verdict(False, str(error) or type(error).__name__)


# What is seen at the ends.


async def ping_payloads(line: Line) -> str:
    async with line.joined() as (visitor, upstream):
        for asking, asked in ((visitor, upstream), (upstream, visitor)):
            await passed(asking, asked, Frame.ping(b"4711"))
            await passed(asked, asking, Frame.pong(b"4711"))
    return ""


async def close_of_the_upstream(line: Line) -> str:
    async with line.joined() as (visitor, upstream):
        await passed(upstream, visitor, Frame.close(4404, "no room"))
        await passed(visitor, upstream, Frame.close(4404))
    return ""


async def close_of_the_visitor(line: Line) -> str:
    async with line.joined() as (visitor, upstream):
        await passed(visitor, upstream, Frame.close(4001, "tab closed"))
        await passed(upstream, visitor, Frame.close(4001))
    return ""


async def subprotocol(line: Line) -> str:
    offered = ("graphql-ws", "graphql-transport-ws", "chat")
    async with line.joined(protocols=offered, favourite=offered[1]) as (visitor, upstream):
        if visitor.protocol != upstream.protocol:
            raise Lost(f"{visitor.protocol} here, {upstream.protocol} there")
    return ""


async def refusal(line: Line) -> str:
    body = "This room is for members only."
    headers = {"X-Reason": "members-only", "Set-Cookie": "next=/login"}

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text=body, headers=headers)

    with line.upstream.answering(refuse) as path:
        try:
            async with connect(line.client, line.proxy.url / path) as visitor:
                raise Lost(f"visitor got a 101, then {told(await next_of(visitor))}")
        except HandshakeRefused as refused:
            if refused.status != 403:
                raise Lost(f"visitor got a {refused.status}") from None
            if refused.headers is None or not headers.items() <= dict(refused.headers).items():
                raise Lost("visitor did not get its headers") from None
            if refused.body != body.encode():
                raise Lost("visitor did not get its body") from None
    return ""


async def big_message(line: Line) -> str:
    message = Frame.binary(os.urandom(MIB) * 20)
    async with line.joined() as ends:
        for source, target in (ends, ends[::-1]):
            async with beside(source.send(message)):
                await arrived(target, message, PROBE_TIMEOUT)
    return ""


async def fragments(line: Line) -> str:
    frames = (
        Frame.text("fra", fin=False),
        Frame.ping(b""),
        Frame.continuation(b"", fin=False),
        Frame.continuation(b"gments"),
    )
    async with line.joined() as ends:
        for source, target in (ends, ends[::-1]):
            await passed(source, target, *frames)
    return ""


# How connections end: what the one end does is seen at the other.


async def reset_by_the_upstream(line: Line) -> str:
    async with line.joined() as (visitor, upstream):
        return await reset(upstream, visitor)


async def reset_by_the_visitor(line: Line) -> str:
    async with line.joined() as (visitor, upstream):
        return await reset(visitor, upstream)


async def reset(source: RawWebSocketSession, target: RawWebSocketSession) -> str:
    await passed(source, target, Frame.text("still here"))
    source.abort()
    await ended(target)
    if target.exception is None:
        raise Lost(f"{name(target)} got a FIN for a reset")
    return ""


async def end_without_a_close(line: Line) -> str:
    for source in (1, 0):
        async with line.joined() as ends:
            ending, other = ends[source], ends[1 - source]
            await passed(ending, other, Frame.text("that is all"))
            ending.write_eof()
            await ended(other)
            if other.exception is not None:
                raise Lost(f"{name(other)} got a reset for a FIN")
            # What was ended is the sending, not the reading.
            await passed(other, ending, Frame.text("one more thing"))
    return ""


# What is not to be seen.


async def cookies(line: Line) -> str:
    async with line.joined(cookie="session=of-the-first; Path=/"):
        pass
    async with line.joined(headers={"Cookie": "theme=dark"}) as (_, upstream):
        assert upstream.request is not None
        got = upstream.request.headers.get("Cookie", "")
        if "of-the-first" in got:
            raise Lost("the second visitor came with the first one's")
        if got != "theme=dark":
            raise Lost(f"upstream got {got!r} for 'theme=dark'")
    return ""


# Memory.


async def slow_reader(line: Line) -> str:
    return await read_slowly(line, Frame.binary(bytes(64)))


async def slow_reader_of_empty_frames(line: Line) -> str:
    return await read_slowly(line, Frame.binary(b""))


async def read_slowly(line: Line, frame: Frame) -> str:
    async def read(visitor: RawWebSocketSession) -> None:
        batches = visitor.batches()
        until = time.monotonic() + SLOW
        while time.monotonic() < until:
            for got in await asyncio.wait_for(anext(batches), PROBE_TIMEOUT):
                if got != frame:
                    raise Lost(f"visitor got {told(got)} for {told(frame)}")
            await asyncio.sleep(0.1)

    connector = aiohttp.TCPConnector(socket_factory=narrow_socket)
    async with aiohttp.ClientSession(connector=connector) as client:
        narrow = Line(line.proxy, line.upstream, client)
        async with narrow.joined() as (visitor, upstream), beside(flood(upstream, frame)):
            return await in_flat_memory(line, read(visitor))


def narrow_socket(address: "tuple[Any, ...]") -> socket.socket:
    """A socket for which the system holds little, as for the narrow proxy."""
    sock = socket.socket(*address[:3])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    return sock


async def flood(session: RawWebSocketSession, frame: Frame) -> None:
    data = frame.encode()
    chunk = data * (64 * 1024 // len(data))
    for _ in range(FLOOD // len(chunk)):
        session.write(chunk)
        await session.drain()
        await asyncio.sleep(0)


async def early_upload(line: Line) -> str:
    """A visitor that sends before it may, and an upstream that is slow to answer."""
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(SLOW)
        async with accept(request) as session:
            done.set_result(await frames_of_the_upload(session))
        response: web.StreamResponse = session.response
        return response

    async def through() -> None:
        frames = await done
        if frames != UPLOAD_FRAMES:
            raise Lost(f"{frames:,} of {UPLOAD_FRAMES:,} frames got through")

    # So that what the first visitor costs is not counted.
    async with line.joined():
        pass
    with line.upstream.answering(answer) as path:
        async with beside(upload(line.proxy.url / path)):
            return await in_flat_memory(line, through())


async def upload(url: URL) -> None:
    assert url.host is not None
    _, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(HANDSHAKE.format(path=url.raw_path, host=url.host).encode())
        data = UPLOAD.encode()
        for _ in range(UPLOAD_FRAMES):
            writer.write(data)
            await writer.drain()
        await asyncio.Event().wait()
    finally:
        writer.transport.abort()


async def frames_of_the_upload(session: RawWebSocketSession) -> int:
    for frames in range(UPLOAD_FRAMES):
        if await next_of(session) != UPLOAD:
            return frames
    return UPLOAD_FRAMES


async def in_flat_memory(line: Line, work: Coroutine[Any, Any, None]) -> str:
    """Do it, and tell how much more memory the proxy took meanwhile; Lost if it is too much."""
    before = line.proxy.resident()
    if before is None:
        await work
        return "memory is measured on Linux only"
    grown = 0
    task = asyncio.ensure_future(work)
    try:
        while not task.done() and grown < ENOUGH:
            await asyncio.wait([task], timeout=0.02)
            grown = max(grown, (line.proxy.resident() or 0) - before)
        if grown > GROWTH_LIMIT:
            raise Lost(f"{grown / MIB:.1f} MiB more")
        await task
    finally:
        task.cancel()
    return f"{grown / MIB:.1f} MiB more"


PROBES = (
    Probe("a Ping's payload, and its Pong's", ping_payloads),
    Probe("the upstream's Close 4404 and its reason", close_of_the_upstream),
    Probe("the visitor's Close 4001 and its reason", close_of_the_visitor),
    Probe("the subprotocol that the upstream prefers", subprotocol),
    Probe("the upstream's 403, its headers and body", refusal),
    Probe("a message of 20 MiB", big_message),
    Probe("fragments, and a Ping between them", fragments),
    Probe("a reset by the upstream is one", reset_by_the_upstream),
    Probe("a reset by the visitor is one", reset_by_the_visitor),
    Probe("an end without a Close is one", end_without_a_close),
    Probe("cookies stay with their visitor", cookies),
    Probe("a slow reader costs no memory", slow_reader, alone=True),
    Probe("nor does one of empty frames", slow_reader_of_empty_frames, alone=True),
    Probe("nor a visitor that comes too early", early_upload, alone=True),
)
