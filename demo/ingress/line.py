"""A proxy with both ends that it joins: a probe plays the visitor and the upstream."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web
from yarl import URL

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    Opcode,
    RawWebSocketError,
    RawWebSocketSession,
    accept,
    connect,
)

from .process import Proxy

__all__ = (
    "Line",
    "Lost",
    "Upstream",
    "arrived",
    "beside",
    "ended",
    "name",
    "next_of",
    "passed",
    "told",
    "upstream_server",
)

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The time for a visitor to reach the upstream, in seconds.
MEETING_TIMEOUT = 10.0

#: The time for a frame that should come at once, in seconds.
FRAME_TIMEOUT = 2.0


@dataclass
class Upstream:
    """The server behind the proxies. Each probe tells it what to answer."""

    url: URL
    answers: dict[str, Answer] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @contextlib.contextmanager
    def answering(self, answer: Answer) -> Iterator[str]:
        """Have `answer` answer on a path of its own during the block. Yields the path."""
        path = f"probe{next(self.numbers)}"
        self.answers[path] = answer
        try:
            yield path
        finally:
            del self.answers[path]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        answer = self.answers.get(request.match_info["path"])
        if answer is None:
            raise web.HTTPNotFound
        return await answer(request)


@contextlib.asynccontextmanager
async def upstream_server() -> AsyncIterator[Upstream]:
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    # By name: aiohttp keeps no cookies of a server that is known by its address only.
    upstream = Upstream(URL("http://localhost"))
    app.router.add_get("/{path}", upstream.answer)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream.url = upstream.url.with_port(runner.addresses[0][1])
        yield upstream
    finally:
        await runner.cleanup()


@dataclass
class Line:
    """A proxy under test, with the upstream behind it and a client to visit it."""

    proxy: Proxy
    upstream: Upstream
    client: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def joined(
        self,
        *,
        protocols: tuple[str, ...] = (),
        favourite: str | None = None,
        headers: dict[str, str] | None = None,
        cookie: str | None = None,
        max_frame_size: int = 64 * 2**20,
    ) -> AsyncIterator[tuple[RawWebSocketSession, RawWebSocketSession]]:
        """Join a visitor and the upstream. Yields both sessions, which end with the block.

        The visitor sends `protocols` and `headers`. The upstream takes its `favourite` of the
        protocols, and sets a `cookie`.
        """
        met: asyncio.Future[RawWebSocketSession] = asyncio.get_running_loop().create_future()
        over = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            extra = {"Set-Cookie": cookie} if cookie else {}
            accepting = accept(
                request, protocol=favourite, headers=extra, max_frame_size=max_frame_size
            )
            async with accepting as session:
                met.set_result(session)
                await over.wait()
                session.abort()
            response: web.StreamResponse = session.response
            return response

        try:
            with self.upstream.answering(answer) as path:
                async with connect(
                    self.client,
                    self.proxy.url / path,
                    protocols=protocols,
                    headers=headers,
                    max_frame_size=max_frame_size,
                    timeout=aiohttp.ClientTimeout(MEETING_TIMEOUT),
                ) as visitor:
                    try:
                        yield visitor, await asyncio.wait_for(met, MEETING_TIMEOUT)
                    finally:
                        visitor.abort()
        finally:
            over.set()


class Lost(Exception):
    """Something did not get through the proxy. The message says what."""


async def passed(source: RawWebSocketSession, target: RawWebSocketSession, *frames: Frame) -> None:
    """Send frames. Raises Lost unless each arrives as it was."""
    for frame in frames:
        await source.send(frame)
    for frame in frames:
        await arrived(target, frame)


async def arrived(
    target: RawWebSocketSession, frame: Frame, patience: float = FRAME_TIMEOUT
) -> None:
    """Receive a frame. Raises Lost unless it is the given one."""
    got = await next_of(target, patience)
    if got != frame:
        raise Lost(f"{name(target)} got {told(got)} for {told(frame)}")


async def ended(target: RawWebSocketSession) -> None:
    """Receive the end of the connection. Raises Lost if it does not come, or a frame does."""
    got = await next_of(target)
    if got == "nothing":
        raise Lost(f"{name(target)} did not hear of it")
    if got != "an end":
        raise Lost(f"{name(target)} got {told(got)}, which nobody sent")


async def next_of(session: RawWebSocketSession, patience: float = FRAME_TIMEOUT) -> Frame | str:
    """Return the next frame, or "an end", or "nothing" if neither comes in time."""
    try:
        return await asyncio.wait_for(session.receive(), patience)
    except EndOfStream:
        return "an end"
    except asyncio.TimeoutError:
        return "nothing"


def name(session: RawWebSocketSession) -> str:
    return "visitor" if session.is_client else "upstream"


def told(frame: Frame | str) -> str:
    """Describe a frame in few words."""
    if isinstance(frame, str):
        return frame
    kind = Opcode(frame.opcode).name
    if frame.opcode == Opcode.CLOSE:
        return f"{kind} {frame.close_code} {frame.close_reason}".rstrip()
    text = repr(frame.payload)[1:]
    if len(frame.payload) > 20:
        text = f"of {len(frame.payload) / 2**20:.3g} MiB"
    return f"{kind} {text}{'' if frame.fin else '...'}"


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run `work` during the block, and cancel it then."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, RawWebSocketError, OSError):
            await task
