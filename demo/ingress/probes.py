"""The promises of an ingress, one probe each. A probe plays the visitor and the upstream.

A probe raises `Lost` if something got lost.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import aiohttp
from aiohttp import web

from aiohttp_rawws import (
    Frame,
    HandshakeRefused,
    RawWebSocketError,
    RawWebSocketSession,
    connect,
)

from .line import Line, Lost, arrived, beside, ended, name, next_of, passed, told

__all__ = ("PROBES", "Probe", "Verdict", "judge")

MIB = 2**20

#: How long a whole probe may take, in seconds.
PROBE_TIMEOUT = 15.0


class Probe(NamedTuple):
    """A promise, and the function that raises Lost if a proxy does not keep it."""

    promise: str
    run: Callable[[Line], Awaitable[None]]


class Verdict(NamedTuple):
    """`seen` says what came instead of what was promised; "" if the promise is kept."""

    kept: bool
    seen: str


async def judge(probe: Probe, line: Line) -> Verdict:
    try:
        await asyncio.wait_for(probe.run(line), PROBE_TIMEOUT)
    except Lost as lost:
        return Verdict(False, str(lost))
    except asyncio.TimeoutError:
        return Verdict(False, f"not done within {PROBE_TIMEOUT:.0f} s")
    except (aiohttp.ClientError, RawWebSocketError, OSError) as error:
        return Verdict(False, str(error) or type(error).__name__)
    return Verdict(True, "")


# What is seen at the ends.


async def ping_payloads(line: Line) -> None:
    async with line.joined() as (visitor, upstream):
        for asking, asked in ((visitor, upstream), (upstream, visitor)):
            await passed(asking, asked, Frame.ping(b"4711"))
            await passed(asked, asking, Frame.pong(b"4711"))


async def close_of_the_upstream(line: Line) -> None:
    async with line.joined() as (visitor, upstream):
        await passed(upstream, visitor, Frame.close(4404, "no room"))
        await passed(visitor, upstream, Frame.close(4404))


async def close_of_the_visitor(line: Line) -> None:
    async with line.joined() as (visitor, upstream):
        await passed(visitor, upstream, Frame.close(4001, "tab closed"))
        await passed(upstream, visitor, Frame.close(4001))


async def subprotocol(line: Line) -> None:
    offered = ("graphql-ws", "graphql-transport-ws", "chat")
    async with line.joined(protocols=offered, favourite=offered[1]) as (visitor, upstream):
        if visitor.protocol != upstream.protocol:
            raise Lost(f"{visitor.protocol} here, {upstream.protocol} there")


async def refusal(line: Line) -> None:
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


async def big_message(line: Line) -> None:
    message = Frame.binary(os.urandom(MIB) * 20)
    async with line.joined() as ends:
        for source, target in (ends, ends[::-1]):
            async with beside(source.send(message)):
                await arrived(target, message, PROBE_TIMEOUT)


async def fragments(line: Line) -> None:
    frames = (
        Frame.text("fra", fin=False),
        Frame.ping(b""),
        Frame.continuation(b"", fin=False),
        Frame.continuation(b"gments"),
    )
    async with line.joined() as ends:
        for source, target in (ends, ends[::-1]):
            await passed(source, target, *frames)


# How connections end: what the one end does is seen at the other.


async def reset_by_the_upstream(line: Line) -> None:
    async with line.joined() as (visitor, upstream):
        await reset(upstream, visitor)


async def reset_by_the_visitor(line: Line) -> None:
    async with line.joined() as (visitor, upstream):
        await reset(visitor, upstream)


async def reset(source: RawWebSocketSession, target: RawWebSocketSession) -> None:
    await passed(source, target, Frame.text("still here"))
    source.abort()
    await ended(target)
    if target.exception is None:
        raise Lost(f"{name(target)} got a FIN for a reset")


async def end_without_a_close(line: Line) -> None:
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


# What is not to be seen.


async def cookies(line: Line) -> None:
    async with line.joined(cookie="session=of-the-first; Path=/"):
        pass
    async with line.joined(headers={"Cookie": "theme=dark"}) as (_, upstream):
        assert upstream.request is not None
        got = upstream.request.headers.get("Cookie", "")
        if "of-the-first" in got:
            raise Lost("the second visitor came with the first one's")
        if got != "theme=dark":
            raise Lost(f"upstream got {got!r} for 'theme=dark'")


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
)
