"""The upgrade of one request on the server: checked, accepted or refused, run, finished.

These facts about aiohttp 3.13 and 3.14 shape the code:

- `protocol.set_parser` hands over the bytes behind the request, and keeps aiohttp from parsing
  them as HTTP. It must be called before a refusal too. Otherwise frames that were pipelined
  behind the request get a 400 of their own, or the refusal is lost.
- After `transport.set_protocol` aiohttp sees nothing of the connection. It must still be told of
  the loss, or its server never forgets the connection. It must not be told before the handler
  has returned, or `handler_cancellation` would cancel raw handlers.
- Any exception or response that leaves a handler after the 101 makes aiohttp write HTTP into the
  stream, unless the transport is closing by then.
"""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from ..session.options import DEFAULTS, Options
from ..session.outcome import Outcome
from ..session.session import RawServerSession
from ..wire.handshake import (
    HandshakeRequest,
    Refusal,
    check_request,
    choose_protocol,
    response_headers,
)
from ..wire.header_lists import lines
from .handler_run import HandlerRun, SessionHandler
from .installed import Installed, installed_in
from .refusals import Disconnected, Refused, http_error
from .response import UpgradeResponse
from .takeover import take_over
from .trailing import TrailingData

__all__ = ("State", "Upgrade", "answered_already", "handshake_of", "is_upgrade", "negotiate")

#: The handshake that was asked for last: the routes and the handler of a request ask in a row.
last_handshake = HandshakeRequest("", (0, 0), CIMultiDict())


def handshake_of(request: web.BaseRequest) -> HandshakeRequest:
    """Return the request as an opening handshake.

    It is the same object until another request is asked for.
    """
    global last_handshake
    handshake, headers = last_handshake, request.headers
    # A clone may have the same headers and another method.
    if handshake.headers is not headers or handshake.method != request.method:
        handshake = HandshakeRequest(request.method, request.version, headers)
        last_handshake = handshake
    return handshake


def is_upgrade(request: web.Request) -> bool:
    """Return True if a request asks for an upgrade to websocket (RFC 6455 section 4.2.1).

    It is a GET over HTTP/1.1, with the token `upgrade` in `Connection` and the token `websocket`
    in `Upgrade`. A raw route or `accept` may still refuse it.
    """
    handshake = handshake_of(request)
    return request.method == "GET" and request.version == (1, 1) and handshake.is_upgrade


class State(enum.Enum):
    """How far an upgrade has come."""

    #: The request was not looked at.
    NEW = enum.auto()
    #: The request may be upgraded, and the client waits for the answer.
    PENDING = enum.auto()
    #: The 101 was sent, and the session has the transport.
    ACCEPTED = enum.auto()
    #: The client gets another answer than a 101.
    REFUSED = enum.auto()


class Upgrade:
    """The upgrade of one request, from its check to the end of its connection.

        upgrade = Upgrade(request, options)
        with upgrade:
            session = await upgrade.accept()
        return await upgrade.run(handler)

    Entering the block checks the request. Within it the client waits, and gets its answer by one
    of `accept`, `accept_as`, `refusal` and `refuse_with`. An exception that leaves the block
    before that closes the connection. Behind the block `run` or `finish` ends the connection.
    """

    __slots__ = (
        "_installed",
        "_options",
        "_protocols",
        "_run",
        "_state",
        "_trailing",
        "request",
    )

    def __init__(
        self,
        request: web.Request,
        options: Options = DEFAULTS,
        protocols: tuple[str, ...] = (),
    ) -> None:
        self.request = request
        self._options = options
        self._protocols = protocols
        self._state = State.NEW
        self._trailing: TrailingData | None = None
        self._run: HandlerRun | None = None
        self._installed: Installed | None = None

    # -- the check -------------------------------------------------------------------------

    def __enter__(self) -> "Upgrade":
        """Check the request, and let the client wait for its answer.

        Raise the HTTPException of a refusal, Disconnected if the client has left, RuntimeError
        if the request was upgraded or refused already.
        """
        if self._state is not State.NEW:
            raise answered_already()
        refusal = self._check()
        if refusal is not None:
            raise self.refusal(refusal)
        transport = self.request.transport
        if transport is None:
            raise Disconnected("the client went away before the upgrade")
        self._collect(transport)
        self._state = State.PENDING
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        if error is not None and self._state is State.PENDING:
            self._discard()
            if self._run is not None:
                self._run.leave()

    def _check(self) -> Refusal | None:
        """Return the reason to refuse the request, or None."""
        refusal = check_request(
            handshake_of(self.request),
            wanted=self._protocols,
            origins=self._options.origins,
            reject=self._options.reject_handshake,
        )
        self._installed = installed = installed_in(self.request)
        if refusal is None and installed is not None and installed.shutting_down:
            return Refusal(503, "The server is shutting down.")
        return refusal

    def _collect(self, transport: asyncio.Transport) -> None:
        """Keep the bytes behind the request from aiohttp."""
        trailing = TrailingData(transport)
        try:
            self.request.protocol.set_parser(trailing)  # type: ignore[arg-type]
        except AssertionError:
            # aiohttp asserts that it is the first call.
            raise answered_already() from None
        self._trailing = trailing

    def _discard(self) -> None:
        """Throw away the bytes behind the request, and close the connection after the answer."""
        if self._trailing is not None:
            self._trailing.discard()
            self._trailing = None
            self.request.protocol.close()

    # -- the wait for an answer that takes its time -----------------------------------------

    def hold(self) -> None:
        """Let the client wait while the caller asks somebody else for the answer.

        The client's bytes stay in the kernel, and a shutdown cancels this task. Over TLS some are
        read: its end can only be read, and it has no halves, so an end is the end of all.
        """
        assert self._trailing is not None
        if self._trailing.transport.can_write_eof():
            self._trailing.transport.pause_reading()
        self._begin_run()

    @property
    def stopped(self) -> bool:
        """True if a shutdown has cancelled this task."""
        return self._run is not None and self._run.stopped

    # -- the answer ------------------------------------------------------------------------

    def accept(
        self, headers: "CIMultiDict[str] | None" = None
    ) -> Coroutine[Any, Any, RawServerSession]:
        """Answer 101 with the subprotocol and the extensions that the options choose."""
        return self.accept_as(
            UpgradeResponse,
            protocol=self._chosen_protocol(),
            extensions=negotiate(self.request, self._options.extensions),
            headers=headers,
        )

    def _chosen_protocol(self) -> str | None:
        if not self._protocols:
            return None
        return choose_protocol(handshake_of(self.request).protocols, self._protocols)

    async def accept_as(
        self,
        kind: type[UpgradeResponse],
        *,
        protocol: str | None,
        extensions: str | None,
        headers: "CIMultiDict[str] | None",
    ) -> RawServerSession:
        """Answer 101 with a response of that kind, and make the connection a session.

        `headers` are added to those of the handshake. Raise Disconnected if the client has left.
        """
        assert self._trailing is not None
        request, transport = self.request, self._trailing.transport
        key = request.headers["Sec-WebSocket-Key"].strip()
        response = kind(response_headers(key, protocol=protocol, extensions=extensions))
        if headers:
            response.headers.extend(headers)
        try:
            await response.prepare(request)
        except ConnectionError as error:
            if not transport.is_closing():
                raise
            raise Disconnected("the client went away before the upgrade") from error
        if request.transport is None:
            raise Disconnected("the client went away during the upgrade")
        session = take_over(
            request,
            response,
            self._trailing,
            self._options,
            protocol=protocol,
            extensions=extensions,
        )
        self._trailing = None
        self._state = State.ACCEPTED
        self._begin_run().attach(session)
        return session

    def refusal(self, refusal: Refusal) -> web.HTTPException:
        """Return the HTTPException to raise as the answer; it closes the connection."""
        transport = self.request.transport
        if (
            self._state is State.NEW
            and transport is not None
            and handshake_of(self.request).may_be_upgrade
        ):
            # Frames may stand behind the request, or come before the answer has left.
            self._collect(transport)
        error = http_error(self.request, refusal)
        self.refuse_with(error)
        return error

    def refuse_with(self, response: "Refused | web.HTTPException") -> None:
        """Make `response` the answer, and the last one on the connection.

        A shutdown does not cut it short.
        """
        if self._run is not None:
            self._run.settle()
        if isinstance(response, Refused):
            response.force_close()
            response.trailing = self._trailing
        else:
            # An exception that is no response (aiohttp 4) cannot wait for the client's end.
            response.headers.setdefault("Connection", "close")
        self._discard()
        self._state = State.REFUSED

    # -- the handler -----------------------------------------------------------------------

    @property
    def handler_run(self) -> HandlerRun:
        """The run of the handler, once the request was accepted."""
        assert self._run is not None
        return self._run

    def run(self, handler: SessionHandler) -> Coroutine[Any, Any, web.StreamResponse]:
        """Run a handler on the session, end the connection, and return the 101."""
        return self.handler_run.run(handler)

    def finish(self, error: "BaseException | None") -> Awaitable[Outcome]:
        """End the connection of a handler that has returned, or raised `error`."""
        return self.handler_run.finish(error)

    def _begin_run(self) -> HandlerRun:
        """Return the run of this task; from now on a shutdown can cancel it."""
        if self._run is None:
            self._run = HandlerRun(self.request, self._installed)
        return self._run


def answered_already() -> RuntimeError:
    """Return the error of a second upgrade of one request."""
    return RuntimeError("this request has been upgraded or refused already: it has one answer")


def negotiate(
    request: web.BaseRequest, extensions: "Callable[[str], str | None] | None"
) -> str | None:
    """Return the extensions for the 101, None without an offer (RFC 6455 section 9.1).

    Raise TypeError or ValueError if `extensions` returns anything but None or a header value.
    """
    if extensions is None:
        return None
    offers = lines(request.headers, "Sec-WebSocket-Extensions")
    if not offers:
        return None
    value: object = extensions(", ".join(offers))
    if value is None or (isinstance(value, str) and value.strip() and value.isprintable()):
        return value
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(
        f"{extensions!r}, given as extensions=, returned {value!r}: it must return the "
        "value of the 101's Sec-WebSocket-Extensions, or None to negotiate none"
    )
