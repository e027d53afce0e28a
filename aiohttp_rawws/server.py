"""The server's side of the upgrade: the one file that knows how aiohttp hands a connection over.

What holds (aiohttp 3.13 and 3.14):

- `protocol.set_parser` gives the bytes behind the request, and keeps aiohttp from parsing them
  as HTTP. It must be called before a refusal too, or frames that were pipelined behind the
  request are answered with a 400 of their own, or the refusal is lost.
- From `transport.set_protocol` on aiohttp sees nothing. It must still hear of the lost
  connection, or its server never forgets it; and not before the handler has returned, or
  `handler_cancellation` would act on raw handlers.
- Whatever leaves a handler after the 101 makes aiohttp write HTTP into the stream, unless the
  transport is closing by then.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, NoReturn

from aiohttp import web
from multidict import CIMultiDict

from .errors import EndOfStream, ProtocolError, SessionClosed
from .handshake import (
    Refusal,
    check_request,
    choose_protocol,
    has_body,
    is_upgrade,
    lines,
    response_headers,
    tokens,
)
from .installed import INSTALLED, Installed, options_of
from .logs import describe, logger, warn
from .options import Options, protocol_names
from .relay import RelayStats
from .session import RawWebSocketSession

__all__ = (
    "INSTALLED",
    "Disconnected",
    "Handler",
    "Installed",
    "PassedRefusal",
    "accept",
    "begin",
    "begin_opening",
    "options_of",
    "refuse",
    "run",
    "serve",
    "unanswered",
)

Handler = Callable[[RawWebSocketSession], Awaitable[None]]

#: How long a refused client gets to read the answer and end its stream, in seconds.
REFUSAL_LINGER = 1.0

#: How much is kept of what comes between the request and the 101, in bytes, about.
COLLECT_LIMIT = 64 * 1024


class Handling:
    """A handler that runs, and the session it has, or is to have."""

    __slots__ = ("__weakref__", "request", "session", "stopped", "task")

    session: RawWebSocketSession

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.task = asyncio.current_task()
        self.stopped = False

    def stop(self) -> None:
        """Cancel the handler, once, if it still runs."""
        if self.task is not None and not self.stopped:
            self.stopped = True
            self.task.cancel()

    def settle(self) -> None:
        """The handler has ended: take back the cancellation, and never cancel it again."""
        if self.stopped and self.task is not None and sys.version_info >= (3, 11):
            self.task.uncancel()
        self.task = None


class Collector:
    """Takes from aiohttp what comes behind the request until the session takes over."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._data = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._data += data
        if len(self._data) > COLLECT_LIMIT:
            self._transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """For aiohttp, when the connection is lost."""
        self.lost.set_result(None)

    def discard(self) -> None:
        """Throw away what came; aiohttp's protocol is closed next, and hands over no more."""
        self._data.clear()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def take(self) -> bytes:
        return bytes(self._data)

    async def end(self) -> None:
        """Shut the sending half and wait for the client to end its stream.

        Closing with unread input would make the kernel drop the answer on its way.
        """
        if not self._transport.can_write_eof() or self._transport.is_closing():
            return
        # An OSError says that the client is lost already.
        with contextlib.suppress(OSError):
            self._transport.write_eof()
            await asyncio.wait([self.lost], timeout=REFUSAL_LINGER)


class Refused(web.StreamResponse):
    """What makes a response the answer to an upgrade that is refused."""

    collector: Collector | None = None

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        if self.collector is not None:
            await self.collector.end()


class BadRequest(Refused, web.HTTPBadRequest):
    pass


class Forbidden(Refused, web.HTTPForbidden):
    pass


class MethodNotAllowed(Refused, web.HTTPMethodNotAllowed):
    pass


class UpgradeRequired(Refused, web.HTTPUpgradeRequired):
    pass


class ServiceUnavailable(Refused, web.HTTPServiceUnavailable):
    pass


class BadGateway(Refused, web.HTTPBadGateway):
    pass


class GatewayTimeout(Refused, web.HTTPGatewayTimeout):
    pass


class PassedRefusal(Refused):
    """What another server answered; nothing is said in its name."""

    async def _prepare_headers(self) -> None:
        made_up = [name for name in ("Content-Type", "Server") if name not in self.headers]
        await super()._prepare_headers()
        for name in made_up:
            self.headers.popall(name, None)


class Disconnected(ConnectionResetError):
    """The client went away before it was answered."""


class UpgradeResponse(web.StreamResponse):
    """The 101. Nothing can be written to it: what follows it is the session's."""

    session: RawWebSocketSession
    #: Of a proxied connection that has ended by itself.
    relay_stats: RelayStats | None = None

    def __init__(self, headers: CIMultiDict[str]) -> None:
        super().__init__(status=101, headers=headers)
        self.force_close()

    async def write_eof(self, data: bytes = b"") -> None:
        # aiohttp ends every response; the access log prints `body_length`.
        self._eof_sent = True
        self._req = None
        self._body_length = self.session._written


class Opening:
    """An opening handshake that waits for its answer; the block ends once that was given.

    What comes behind it meanwhile is kept for the session, or thrown away after a refusal.
    """

    def __init__(self, request: web.Request, transport: asyncio.Transport) -> None:
        self._request = request
        self._transport = transport
        self._collector = Collector(transport)
        try:
            request.protocol.set_parser(self._collector)  # type: ignore[arg-type]
        except AssertionError:
            # aiohttp asserts that it is the first time.
            raise RuntimeError("this request has been upgraded or refused already") from None

    def __enter__(self) -> "Opening":
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        if error is not None:
            self._discard()

    def pause(self) -> None:
        """Let what comes meanwhile wait in the system, until the answer."""
        self._transport.pause_reading()

    async def accept(
        self,
        options: Options,
        *,
        protocol: str | None,
        extensions: str | None,
        headers: CIMultiDict[str],
    ) -> RawWebSocketSession:
        """Answer 101, with `headers` besides those that say so, and take the transport over."""
        request, transport = self._request, self._transport
        key = request.headers["Sec-WebSocket-Key"].strip()
        response = UpgradeResponse(response_headers(key, protocol=protocol, extensions=extensions))
        response.headers.extend(headers)
        try:
            await response.prepare(request)
        except ConnectionError as error:
            if not transport.is_closing():
                raise
            raise Disconnected("the client went away before the upgrade") from error
        if request.transport is None:
            raise Disconnected("the client went away during the upgrade")
        request.protocol.keep_alive(False)
        session = response.session = RawWebSocketSession(
            transport,
            is_client=False,
            request=request,
            response=response,
            protocol=protocol,
            extensions=extensions,
            max_frame_size=options.max_frame_size,
            receive_limit=options.receive_limit,
            reject=options.reject,
            linger=options.linger,
            write_paused=request.protocol.writing_paused,
        )
        session._start(self._collector.take())
        return session

    def refusal(self, refusal: Refusal) -> Exception:
        """The HTTPException to raise as the answer."""
        error: Exception = http_error(self._request, refusal)
        self.refuse(error)
        return error

    def refuse(self, response: Any) -> None:
        """Make `response` the answer, and the last one on the connection."""
        response.force_close()
        response.collector = self._collector
        self._discard()

    def _discard(self) -> None:
        self._collector.discard()
        self._request.protocol.close()


def accept(
    request: web.Request,
    *,
    protocol: "str | list[str] | tuple[str, ...] | None" = None,
    headers: "dict[str, str] | CIMultiDict[str] | None" = None,
    **overrides: Any,
) -> "AbstractAsyncContextManager[RawWebSocketSession]":
    """Upgrade a request inside an ordinary handler or `web.View`.

        async with accept(request) as session:
            async for frame in session: ...
        return session.response

    `protocol` and `overrides` are as for a route, `headers` are added to the 101. A request that
    cannot be upgraded raises the `web.HTTPException` that a route would answer with. The
    connection ends with the block, so that nothing can be written behind the 101; EndOfStream,
    SessionClosed of a lost session, and ProtocolError end there too, and are logged. Without
    `setup(app)` the default options hold, and a shutdown waits as long as aiohttp's own.
    """
    return Accepting(
        request,
        options_of(request).replace(**overrides),
        protocol_names(protocol),
        CIMultiDict(headers or {}),
    )


class Accepting(AbstractAsyncContextManager[RawWebSocketSession]):
    """What `accept` gives."""

    def __init__(
        self,
        request: web.Request,
        options: Options,
        protocols: tuple[str, ...],
        headers: CIMultiDict[str],
    ) -> None:
        self._request = request
        self._options = options
        self._protocols = protocols
        self._headers = headers
        self._handling: Handling | None = None

    async def __aenter__(self) -> RawWebSocketSession:
        if self._handling is not None:
            raise RuntimeError("this request has been upgraded already: call accept() once")
        session = await upgrade(self._request, self._options, self._protocols, self._headers)
        self._handling = begin(self._request)
        self._handling.session = session
        return session

    async def __aexit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> bool:
        assert self._handling is not None
        return await finish(self._handling, error)


async def serve(
    request: web.Request, handler: Handler, options: Options, protocols: tuple[str, ...]
) -> web.StreamResponse:
    """Upgrade a request, run a raw handler, end the connection; nothing it raises gets out."""
    try:
        session = await upgrade(request, options, protocols, CIMultiDict())
    except Disconnected:
        return unanswered()
    return await run(begin(request), session, handler)


def unanswered() -> web.StreamResponse:
    """For the access log alone: aiohttp wants a response, and would log an error as one."""
    return web.Response(status=499, reason="Client Closed Request")


async def run(
    handling: Handling, session: RawWebSocketSession, handler: Handler
) -> web.StreamResponse:
    """Run a raw handler on a session of its request, and end the connection."""
    handling.session = session
    error: BaseException | None = None
    try:
        await handler(session)
    except BaseException as raised:
        error = raised
    settled = await finish(handling, error)
    if isinstance(error, Exception) and not settled:
        logger.error("Error in raw WebSocket handler", exc_info=error)
    elif error is not None and not isinstance(error, Exception) and not handling.stopped:
        raise error
    response: web.StreamResponse = session.response
    return response


async def upgrade(
    request: web.Request,
    options: Options,
    protocols: tuple[str, ...],
    headers: CIMultiDict[str],
) -> RawWebSocketSession:
    """Check the opening handshake, answer 101, and take the transport over."""
    with begin_opening(request, options, protocols) as opening:
        return await opening.accept(
            options,
            protocol=choose_protocol(tokens(request.headers, "Sec-WebSocket-Protocol"), protocols),
            extensions=negotiate(request, options),
            headers=headers,
        )


def begin_opening(request: web.Request, options: Options, protocols: tuple[str, ...]) -> Opening:
    """Raise the HTTPException that refuses a request, or take its handshake as sound."""
    refusal = refusal_of(request, options, protocols)
    if refusal is not None:
        refuse(request, refusal)
    if request.transport is None:
        raise Disconnected("the client went away before the upgrade")
    return Opening(request, request.transport)


def refusal_of(
    request: web.Request, options: Options, protocols: tuple[str, ...]
) -> Refusal | None:
    """Why a request is not upgraded; None if it is."""
    refusal = check_request(
        method=request.method,
        version=request.version,
        headers=request.headers,
        has_body=has_body(request.headers),
        wanted=protocols,
        origins=options.origins,
    )
    installed = request.config_dict.get(INSTALLED)
    if refusal is None and installed is not None and installed.shutting_down:
        return Refusal(503, "The server is shutting down.")
    return refusal


def refuse(request: web.Request, refusal: Refusal) -> NoReturn:
    """Raise the HTTPException of a refusal; the connection closes behind it."""
    transport = request.transport
    if transport is not None and is_upgrade(request.headers):
        # Frames may stand behind the request, or come before the answer has left.
        raise Opening(request, transport).refusal(refusal)
    error = http_error(request, refusal)
    error.force_close()
    raise error


def http_error(request: web.Request, refusal: Refusal) -> Any:
    """The HTTPException of a refusal."""
    if refusal.status == 405:
        allow = tokens(CIMultiDict(refusal.headers), "Allow")
        return MethodNotAllowed(request.method, allow, text=refusal.text)
    kinds = {
        400: BadRequest,
        403: Forbidden,
        426: UpgradeRequired,
        502: BadGateway,
        503: ServiceUnavailable,
        504: GatewayTimeout,
    }
    return kinds[refusal.status](headers=refusal.headers, text=refusal.text)


def negotiate(request: web.Request, options: Options) -> str | None:
    """The extensions for the 101; none without an offer (RFC 6455 section 9.1)."""
    offers = lines(request.headers, "Sec-WebSocket-Extensions")
    if options.extensions is None or not offers:
        return None
    return options.extensions(", ".join(offers))


def begin(request: web.Request) -> Handling:
    """Note that a handler begins, for the shutdown."""
    handling = Handling(request)
    installed = request.config_dict.get(INSTALLED)
    if installed is not None:
        installed.handlings.add(handling)
        if installed.shutting_down:
            # The shutdown passed while the 101 was under way.
            handling.stop()
    return handling


async def finish(handling: Handling, error: BaseException | None) -> bool:
    """End the connection of a handler that has returned, or raised `error`.

    Tells whether `error` is dealt with: it is about the peer, and logged.
    """
    session = handling.session
    # From here on there is nothing to stop: `linger` bounds what is left.
    handling.settle()
    # To be asked first: after an abort every error would be one of a closed session.
    ending = is_ending(session, error)
    try:
        if ending:
            logger.debug("Raw WebSocket ended: %s", error)
            await session._end()
        elif error is None or isinstance(error, asyncio.CancelledError):
            await session._end()
        else:
            if isinstance(error, ProtocolError):
                where = describe(handling.request)
                warn(handling.request, "Raw WebSocket of %s aborted: %s", where, error)
            session.abort()
    finally:
        session._when_lost(handling.request.protocol.connection_lost)
    return ending or isinstance(error, ProtocolError)


def is_ending(session: RawWebSocketSession, error: BaseException | None) -> bool:
    """Whether an error only says that the connection has ended."""
    if isinstance(error, SessionClosed):
        return session.closed
    return isinstance(error, EndOfStream)
