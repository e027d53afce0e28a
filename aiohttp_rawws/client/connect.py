"""The client: `connect` opens a raw WebSocket on an `aiohttp.ClientSession`."""

import warnings
from collections.abc import Awaitable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.typedefs import LooseHeaders, StrOrURL

from ..session.ending import end
from ..session.options import DEFAULTS, Options, Unpack
from ..session.outcome import outcome_of
from ..session.session import RawClientSession, connection_of
from ..wire.handshake import HandshakeRule
from ..wire.names import Violation
from .answer import check_answer
from .redirects import Redirects
from .request import (
    begin_request,
    check_client_session,
    check_request_options,
    check_url,
    middlewares_of,
    request_headers,
)
from .request_options import RequestOptions
from .takeover import close_connection, take_over
from .tunnel import tunnel

__all__ = ("Connecting", "connect")


def connect(
    client_session: aiohttp.ClientSession,
    url: StrOrURL = "",
    *,
    protocols: str | Sequence[str] | None = (),
    extensions: str | None = None,
    origin: str | None = None,
    headers: LooseHeaders | None = None,
    max_frame_size: int = DEFAULTS.max_frame_size,
    receive_limit: int = DEFAULTS.receive_limit,
    reject: Violation = DEFAULTS.reject,
    linger: float = DEFAULTS.linger,
    reject_handshake: HandshakeRule = DEFAULTS.reject_handshake,
    **request_options: Unpack[RequestOptions],
) -> "Connecting":
    """Open a raw WebSocket on your own `aiohttp.ClientSession`.

        async with connect(client_session, "wss://example.com/ws", protocols=["chat"]) as session:
            async for frame in session: ...

    `url` is ws, wss, http or https, or relative to the client session's `base_url`. `protocols`
    are the subprotocols to offer. `extensions` is the `Sec-WebSocket-Extensions` to offer,
    `origin` the `Origin` to send. `headers` are sent beside those of the handshake. Nothing is
    offered or sent by default. `max_frame_size` and `receive_limit` (bytes), `reject`,
    `reject_handshake` and `linger` (seconds) are as for a route.

    `request_options` go to `client_session.request`: `ssl`, `proxy`, `cookies`, `params`,
    `timeout`, `allow_redirects` and so on. A `timeout` ends with the handshake.

    The end of the block ends the connection as the return of a server's handler does: what was
    sent still arrives, and no Close is sent. A block that is left by EndOfStream, by a
    cancellation, or by SessionClosed once the peer has ended the session, ends it so, too, and
    so does a group of these; the exception goes on. Any other exception aborts the connection.

    `session = await connect(...)` leaves the end to you. `session.response.close()` begins what
    the end of a block does, and `await session.wait_closed()` waits for the peer. `abort()` drops
    the connection. `client_session.close()` ends what is still open. A Close frame ends nothing,
    neither ours nor the peer's.

    Redirects are followed as `client_session.request` follows them, to http and https URLs, but
    not from TLS to a plain connection.

    While connecting: HandshakeRefused for any answer but a valid 101, and for a redirect that
    cannot be followed. Without an answer, aiohttp's errors: ClientConnectorError and its kin
    where no connection comes about, ServerDisconnectedError and ClientOSError where it is lost,
    ClientResponseError where the answer is no HTTP, asyncio.TimeoutError for a `timeout`.

    At the call: ValueError for a header that is not for `headers`, a URL without scheme or host,
    or another bad value. TypeError for anything but a client session, and for an option that a
    handshake cannot have or aiohttp does not know. RuntimeError if the client session is closed.
    """
    check_client_session(client_session)
    check_url(client_session, url)
    request: dict[str, Any] = {**request_options}
    check_request_options(request)
    options = Options(
        max_frame_size=max_frame_size,
        receive_limit=receive_limit,
        reject=reject,
        linger=linger,
        reject_handshake=reject_handshake,
    )
    redirects = Redirects()
    request["headers"] = request_headers(headers, protocols, extensions, origin)
    request["middlewares"] = [
        redirects.note,
        *middlewares_of(client_session, request),
        redirects.refuse_plain,
        tunnel,
    ]
    coroutine = begin_request(client_session, url, request, connect.__kwdefaults__ or ())
    return Connecting(coroutine, redirects, options)


class Connecting(AbstractAsyncContextManager[RawClientSession], Awaitable[RawClientSession]):
    """One connection of `connect`, to be awaited or entered, once."""

    _begun = True

    def __init__(
        self,
        request: Coroutine[Any, Any, aiohttp.ClientResponse],
        redirects: Redirects,
        options: Options,
    ) -> None:
        self._request = request
        self._redirects = redirects
        self._options = options
        self._begun = False
        self._session: RawClientSession | None = None

    def __del__(self, warn: Any = warnings.warn) -> None:
        if not self._begun:
            self._request.close()
            warn(
                "connect() was never awaited: write `async with connect(...) as session:`, or "
                "`session = await connect(...)`",
                RuntimeWarning,
                source=self,
            )

    def __await__(self) -> Generator[Any, Any, RawClientSession]:
        return self._connect().__await__()

    async def __aenter__(self) -> RawClientSession:
        self._session = await self
        return self._session

    async def __aexit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        session = self._session
        assert session is not None
        if outcome_of(error, connection_of(session).end_is_known).is_orderly:
            await end(connection_of(session))
        else:
            session.abort()

    async def _connect(self) -> RawClientSession:
        if self._begun:
            raise RuntimeError("one connect() is one connection, once: call connect() for each")
        self._begun = True
        response = await self._answer()
        try:
            await check_answer(response, self._options.reject_handshake)
            return take_over(response, self._options)
        except BaseException:
            close_connection(response)
            raise

    async def _answer(self) -> aiohttp.ClientResponse:
        """Return the answer to the request, after all redirects."""
        try:
            return await self._request
        except aiohttp.ClientHttpProxyError as error:
            raise self._redirects.proxy_refusal(error) from error
        except (aiohttp.ClientError, ValueError) as error:
            if not self._redirects.has_failed(error):
                raise
            raise self._redirects.refusal(error) from error
