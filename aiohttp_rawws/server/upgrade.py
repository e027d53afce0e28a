"""One opening handshake on the server: checked, then accepted or refused.

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
from types import TracebackType
from typing import Any, NoReturn, cast

from aiohttp import web
from multidict import CIMultiDict

from ..proxy.relay import RelayStats
from ..session.connection import Connection
from ..session.options import Options
from ..session.session import RawWebSocketSession
from ..wire.handshake import (
    HandshakeRequest,
    Refusal,
    check_request,
    choose_protocol,
    lines,
    response_headers,
)
from .installed import installed_in
from .refusals import Disconnected, http_error
from .trailing import Collector

__all__ = ("Opening", "UpgradeResponse", "begin_opening", "handshake_of", "refuse", "upgrade")

#: Where a request keeps what it asks for; aiohttp 3.13 has no keys but str.
HANDSHAKE: Any = (
    web.RequestKey("aiohttp_rawws", HandshakeRequest)
    if hasattr(web, "RequestKey")
    else "aiohttp_rawws"
)


def handshake_of(request: web.Request) -> HandshakeRequest:
    """The request as an opening handshake, the same one each time."""
    handshake: HandshakeRequest | None = request.get(HANDSHAKE)
    # A clone has what the request it was made of has, but maybe other headers.
    if handshake is None or handshake.headers is not request.headers:
        handshake = HandshakeRequest(request.method, request.version, request.headers)
        request[HANDSHAKE] = handshake
    return handshake


class UpgradeResponse(web.StreamResponse):
    """The 101. Nothing can be written to it: what follows it is the session's.

    `handler_exception` is what the raw handler raised, for middlewares: None if it returned, was
    cancelled, or only the connection ended; and None once the response is written.
    """

    handler_exception: BaseException | None = None
    #: Of a proxied connection that has ended by itself.
    relay_stats: RelayStats | None = None

    def __init__(self, headers: CIMultiDict[str]) -> None:
        super().__init__(status=101, headers=headers)
        self.force_close()

    def end(self, written: int) -> None:
        """Note how many bytes the session has sent, for the access log."""
        self._body_length = written

    async def write_eof(self, data: bytes = b"") -> None:
        # aiohttp ends every response.
        self._eof_sent = True
        self._req = None
        # Its traceback knows of the session, and that of this response.
        self.handler_exception = None


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
        connection = Connection(
            transport,
            options,
            is_client=False,
            extended=extensions is not None,
            write_paused=request.protocol.writing_paused,
        )
        session = RawWebSocketSession(
            connection,
            request=request,
            response=response,
            protocol=protocol,
            extensions=extensions,
        )
        connection.start(self._collector.take())
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
            protocol=choose_protocol(handshake_of(request).protocols, protocols),
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
        handshake_of(request),
        wanted=protocols,
        origins=options.origins,
        reject=options.reject_handshake,
    )
    installed = installed_in(request)
    if refusal is None and installed is not None and installed.shutting_down:
        return Refusal(503, "The server is shutting down.")
    return refusal


def refuse(request: web.Request, refusal: Refusal) -> NoReturn:
    """Raise the HTTPException of a refusal; the connection closes behind it."""
    transport = request.transport
    if transport is not None and handshake_of(request).may_be_upgrade:
        # Frames may stand behind the request, or come before the answer has left.
        raise Opening(request, transport).refusal(refusal)
    raise last_answer(request, refusal)


def last_answer(request: web.Request, refusal: Refusal) -> Exception:
    """The HTTPException to raise as the last answer on the connection."""
    error: Any = http_error(request, refusal)
    error.force_close()
    return cast(Exception, error)


def negotiate(request: web.Request, options: Options) -> str | None:
    """The extensions for the 101; none without an offer (RFC 6455 section 9.1)."""
    offers = lines(request.headers, "Sec-WebSocket-Extensions")
    if options.extensions is None or not offers:
        return None
    value: object = options.extensions(", ".join(offers))
    if value is None or (isinstance(value, str) and value.strip() and value.isprintable()):
        return value
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(
        f"{options.extensions!r}, given as extensions=, returned {value!r}: it must return the "
        "value of the 101's Sec-WebSocket-Extensions, or None to negotiate none"
    )
