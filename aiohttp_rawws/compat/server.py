"""`WebSocketResponse`: aiohttp's own, over a raw session."""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from ..layers.deflate import PermessageDeflate
from ..layers.deflate_negotiation import answer_of
from ..server.installed import Installed, installed_in
from ..server.refusals import http_error
from ..server.takeover import take_over
from ..server.trailing import TrailingData
from ..server.upgrade import answered_already, handshake_of, negotiate
from ..session.ending import end
from ..session.options import DEFAULTS
from ..session.session import RawServerSession, connection_of
from ..wire.handshake import Refusal, check_request, choose_protocol, response_headers
from ..wire.names import CloseCode
from .conversation import Conversation, Settings
from .generic import DecodeText, ServerBase
from .interface import Interface, not_prepared

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

__all__ = ("WebSocketResponse",)

logger = logging.getLogger("aiohttp.websocket")


class WebSocketResponse(Interface, ServerBase[DecodeText]):
    """`aiohttp.web.WebSocketResponse` over a raw session, with the same interface.

        async def handler(request: web.Request) -> web.StreamResponse:
            websocket = WebSocketResponse(heartbeat=20)
            await websocket.prepare(request)
            async for message in websocket:
                await websocket.send_str(message.data)
            return websocket

    `session` is the raw session below, once the response is prepared: its frames can be sent and
    received between two messages.

    The options are aiohttp's. `writer_limit` has no effect. `setup(app)` is not needed. With it,
    its options hold but for `extensions`, which `compress` decides, and a shutdown refuses
    upgrades and closes what is open with 1001.

    It is a `web.WebSocketResponse` to `isinstance` and to type checkers. docs/compat.md lists the
    differences.
    """

    def __init__(
        self,
        *,
        timeout: float = 10.0,
        receive_timeout: float | None = None,
        autoclose: bool = True,
        autoping: bool = True,
        heartbeat: float | None = None,
        protocols: Iterable[str] = (),
        compress: bool = True,
        max_msg_size: int = 4 * 1024 * 1024,
        writer_limit: int = 2**16,
        decode_text: bool = True,
    ) -> None:
        # Nothing of aiohttp's WebSocket is used, but for its class.
        web.StreamResponse.__init__(self, status=101)
        self._settings = Settings(
            close_timeout=timeout,
            receive_timeout=receive_timeout,
            autoclose=autoclose,
            autoping=autoping,
            heartbeat=heartbeat,
            max_msg_size=max_msg_size,
            decode_text=decode_text,
        )
        self._wanted = tuple(protocols)
        self._compress = compress
        self._conversation: Conversation | None = None
        self._installed: Installed | None = None
        # The task that ends the connection.
        self._ending: asyncio.Task[None] | None = None
        self._at_shutdown: CloseAtShutdown | None = None

    # -- the upgrade -----------------------------------------------------------------------

    async def prepare(self, request: web.BaseRequest) -> "AbstractStreamWriter":
        """Check the request and send the 101.

        Raises HTTPBadRequest for a request that is no opening handshake. With `setup(app)`,
        HTTPForbidden for an origin that is not let in and HTTPServiceUnavailable in a shutdown.
        Raises ConnectionResetError if the client has left.
        """
        if self._payload_writer is not None:
            return self._payload_writer
        self._installed = installed = installed_for(request)
        if (refusal := refusal_of(request, installed)) is not None:
            raise http_error(request, refusal)
        protocol = self._choose_protocol(request)
        extensions = negotiate(request, PermessageDeflate.accept if self._compress else None)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("Connection lost")
        trailing = TrailingData(transport)
        try:
            request.protocol.set_parser(trailing)  # type: ignore[arg-type]
        except AssertionError:
            # aiohttp asserts that it is the first call.
            raise answered_already() from None
        key = request.headers["Sec-WebSocket-Key"].strip()
        self.set_status(101)
        self.headers.update(response_headers(key, protocol=protocol, extensions=extensions))
        self.force_close()
        self._compress = window_of(extensions)
        try:
            writer = await web.StreamResponse.prepare(self, request)
        except BaseException:
            trailing.discard()
            request.protocol.close()
            raise
        assert writer is not None
        if request.transport is None:
            raise ConnectionResetError("Connection lost")
        session = take_over(
            request,
            self,
            trailing,
            DEFAULTS if installed is None else installed.options,
            protocol=protocol,
            extensions=extensions,
        )
        self._conversation = Conversation(session, self._settings, self._begin_end)
        connection_of(session).when_lost(self._note_loss)
        if installed is not None:
            self._at_shutdown = CloseAtShutdown(self._conversation)
            installed.add(self._at_shutdown)
        return writer

    def can_prepare(self, request: web.BaseRequest) -> web.WebSocketReady:
        """Tell whether `prepare` would upgrade the request, and with which subprotocol."""
        if self._conversation is not None:
            raise RuntimeError("Already started")
        if refusal_of(request, installed_for(request)) is not None:
            return web.WebSocketReady(False, None)
        return web.WebSocketReady(True, self._choose_protocol(request))

    def _choose_protocol(self, request: web.BaseRequest) -> str | None:
        offered = handshake_of(request).protocols
        protocol = choose_protocol(offered, self._wanted)
        if offered and protocol is None:
            logger.warning(
                "%s: the client offers the subprotocols %r, and the server knows %r",
                request.remote,
                offered,
                self._wanted,
            )
        return protocol

    # -- the end ---------------------------------------------------------------------------

    def _begin_end(self) -> None:
        """End the connection as the return of a raw handler does."""
        if self._ending is None:
            coroutine = end(connection_of(self.session))
            self._ending = asyncio.get_running_loop().create_task(coroutine)

    def _note_loss(self, error: BaseException | None) -> None:
        """Tell aiohttp. With `handler_cancellation` it cancels the handler."""
        self.session.request.protocol.connection_lost(error)
        if self._installed is not None and self._at_shutdown is not None:
            self._installed.remove(self._at_shutdown)

    async def write_eof(self, data: bytes = b"") -> None:
        """Close, if that was not done, and end the connection. aiohttp calls this."""
        if self._eof_sent:
            return
        if self._conversation is None:
            raise RuntimeError("Response has not been started")
        await self.close()
        self._begin_end()
        assert self._ending is not None
        await self._ending
        self._eof_sent = True
        self._body_length = self.session.bytes_sent

    # -- what is known ---------------------------------------------------------------------

    @property
    def session(self) -> RawServerSession:
        """The raw session below. RuntimeError before `prepare`."""
        return cast(RawServerSession, (self._conversation or not_prepared()).session)

    @property
    def prepared(self) -> bool:
        """True once the 101 was sent."""
        return self._conversation is not None

    @property
    def ws_protocol(self) -> str | None:
        """The subprotocol that was negotiated, None without one."""
        return None if self._conversation is None else self._conversation.session.protocol

    @property
    def compress(self) -> int | bool:
        """The window with which messages are compressed, in bits; 0 if they are not.

        Before `prepare` the option.
        """
        return self._compress

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._conversation is None else self.session.get_extra_info(name, default)


class CloseAtShutdown:
    """Closes a WebSocket with 1001, once an application with `setup` shuts down."""

    __slots__ = ("_conversation", "_task")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._task: asyncio.Task[bool] | None = None

    def stop(self) -> None:
        coroutine = self._conversation.close(CloseCode.GOING_AWAY)
        self._task = asyncio.get_running_loop().create_task(coroutine)


def installed_for(request: web.BaseRequest) -> Installed | None:
    """Return the state of the request's application. A low-level `web.Server` has none."""
    return installed_in(request) if isinstance(request, web.Request) else None


def refusal_of(request: web.BaseRequest, installed: Installed | None) -> Refusal | None:
    """Return why a request is not upgraded, with aiohttp's statuses."""
    options = DEFAULTS if installed is None else installed.options
    refusal = check_request(
        handshake_of(request), origins=options.origins, reject=options.reject_handshake
    )
    if refusal is None:
        stops = installed is not None and installed.shutting_down
        return Refusal(503, "The server is shutting down.") if stops else None
    return refusal if refusal.status == 403 else Refusal(400, refusal.text)


def window_of(extensions: str | None) -> int:
    """Return the window with which a server compresses, in bits; 0 without compression."""
    agreed = answer_of(extensions)
    return 0 if agreed is None else agreed.server_max_window_bits or 15
