"""The client's side of the upgrade: `connect`, and how aiohttp hands a connection over.

What holds (aiohttp 3.13 and 3.14):

- The connection of a 101 belongs to its response, and ends when that is closed or collected: the
  session keeps it.
- `protocol.set_parser` gives the bytes behind the 101; `transport.set_protocol` follows in the
  same tick, so that none come in between.
- `ClientTimeout(total=...)` acts on who is inside `request`, no longer on us. `sock_read` acts
  on the connection, and has to be taken off.
- From then on aiohttp sees nothing. It must still hear of the lost connection, for
  `ClientSession.close()` waits for that without a limit. And it must be able to end it: by what
  it takes for the transport.
"""

import asyncio
import sys
import warnings
from collections.abc import Awaitable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.typedefs import LooseHeaders, StrOrURL
from multidict import MultiMapping

from ..session.connection import Connection
from ..session.ending import end
from ..session.options import Options
from ..session.outcome import outcome_of
from ..session.session import RawWebSocketSession, connection_of
from ..wire.handshake import HandshakeRule, chosen_protocol, extension_names, lines, wrong_answer
from ..wire.names import Violation
from .answer import HandshakeRefused, check_answer
from .redirects import Redirects
from .request import (
    OWN_OPTIONS,
    begin_request,
    check_client_session,
    check_request_options,
    check_url,
    request_headers,
    upgrade_headers,
)
from .request_options import RequestOptions
from .tunnel import tunnel

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = (
    "OWN_OPTIONS",
    "Connecting",
    "HandshakeRefused",
    "connect",
    "hang_up",
    "middlewares_of",
    "take_over",
    "upgrade_headers",
    "wrong_answer",
)

DEFAULTS = Options()


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
    **request_options: "Unpack[RequestOptions]",
) -> "Connecting":
    """Open a raw WebSocket on your own `aiohttp.ClientSession`.

        async with connect(client_session, "wss://example.com/ws", protocols=["chat"]) as session:
            async for frame in session: ...

    `url` is ws, wss, http or https, or relative to the client session's `base_url`. `protocols`
    are the subprotocols to offer, `extensions` is the `Sec-WebSocket-Extensions` to offer and
    `origin` the `Origin`, none of them by default; `headers` are sent beside those of the
    handshake. `max_frame_size`, `receive_limit` (bytes), `reject`, `reject_handshake` and
    `linger` (seconds) are as for a route. `request_options` go to `client_session.request`:
    `ssl`, `proxy`, `cookies`, `params`, `timeout`, `allow_redirects` and so on. A `timeout` ends
    with the handshake.

    The block's end ends the connection as the return of a server's handler does: what was sent
    still arrives, no Close frame is made up. So does a block that is left by EndOfStream, by
    SessionClosed once the peer has ended the session, by a cancellation, or by a group of these;
    the exception goes on. Any other exception aborts the connection.

    `session = await connect(...)` leaves the end to you: `session.response.close()` begins what
    the block's end does (and `await session.wait_closed()` waits for the peer), `abort()` drops
    the connection, and `client_session.close()` ends what is still open. A Close frame alone
    ends nothing, nor does the peer's. `contextlib.AsyncExitStack` has room for sessions that
    outlive a block.

    Redirects are followed as `client_session.request` follows them, to http and https URLs, but
    not from TLS to a plain connection. Raises HandshakeRefused for any answer but a valid 101,
    and for a redirect that cannot be followed. What leaves no answer to tell of stays aiohttp's
    error: ClientConnectorError and its kin where no connection comes about, also to the target
    of a redirect, ServerDisconnectedError and ClientOSError where it is lost,
    ClientResponseError where the answer is no HTTP, asyncio.TimeoutError for a `timeout`.

    At the call, ValueError for a header that is not for `headers`, a URL without scheme or host,
    or another bad value; TypeError for what is no client session, and for an option that a
    handshake cannot have or aiohttp does not know; RuntimeError if the client session is closed.
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


class Connecting(AbstractAsyncContextManager[RawWebSocketSession], Awaitable[RawWebSocketSession]):
    """What `connect` gives: one connection, to be awaited or entered, once."""

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
        self._session: RawWebSocketSession | None = None

    def __del__(self, warn: Any = warnings.warn) -> None:
        if not self._begun:
            self._request.close()
            warn(
                "connect() was never awaited: write `async with connect(...) as session:`, or "
                "`session = await connect(...)`",
                RuntimeWarning,
                source=self,
            )

    def __await__(self) -> Generator[Any, Any, RawWebSocketSession]:
        return self._connect().__await__()

    async def __aenter__(self) -> RawWebSocketSession:
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
        ended = session.closed or session.close_received is not None
        if outcome_of(error, ended).is_orderly:
            await end(connection_of(session))
        else:
            session.abort()

    async def _connect(self) -> RawWebSocketSession:
        if self._begun:
            raise RuntimeError("one connect() is one connection, once: call connect() for each")
        self._begun = True
        response = await self._answer()
        try:
            await check_answer(response, self._options.reject_handshake)
            return take_over(response, self._options)
        except BaseException:
            hang_up(response)
            raise

    async def _answer(self) -> aiohttp.ClientResponse:
        """The answer to the request, behind all redirects."""
        try:
            return await self._request
        except aiohttp.ClientHttpProxyError as error:
            raise self._redirects.proxy_refusal(error) from error
        except (aiohttp.ClientError, ValueError) as error:
            if not self._redirects.has_failed(error):
                raise
            raise self._redirects.refusal(error) from error


def middlewares_of(
    client_session: aiohttp.ClientSession, request_options: dict[str, Any]
) -> Sequence[aiohttp.ClientMiddlewareType]:
    """The middlewares of a request; aiohttp tells those of a client session by no public name."""
    given: Sequence[aiohttp.ClientMiddlewareType] | None = request_options.get("middlewares")
    return client_session._middlewares if given is None else given


def negotiated(headers: MultiMapping[str]) -> str | None:
    """The extensions that are in use, None for a header that names none."""
    value = ", ".join(lines(headers, "Sec-WebSocket-Extensions"))
    return value if extension_names(headers) else None


def hang_up(response: aiohttp.ClientResponse) -> None:
    """Close the connection of a response, unless it was read to its end and may serve others."""
    response.close()
    if response.status == 101 and response._protocol is not None:
        # A 101 without Upgrade is like any response to aiohttp: its connection is in the pool.
        response._protocol.close()


class Tail:
    """Takes from aiohttp what came behind the 101."""

    def __init__(self) -> None:
        self.data = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """For aiohttp, when the connection is lost."""


class Leash(asyncio.Transport):
    """What aiohttp takes for the transport, once the session has that.

    It closes it in `ClientSession.close()` and in `response.close()`. A transport with a peer
    that does not read would then never end; a session does, within its `linger`.
    """

    def __init__(self, session: RawWebSocketSession, protocol: ResponseHandler) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._session = session
        self._protocol = protocol
        self._ending: asyncio.Task[None] | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._session.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._session.closed

    def close(self) -> None:
        # aiohttp also calls this where it collects a response whose loop is closed.
        if not (self._session.closed and connection_of(self._session).link.lost):
            self._ending = self._loop.create_task(end(connection_of(self._session)))

    def abort(self) -> None:
        self._session.abort()

    def lost(self, error: "BaseException | None") -> None:
        """Tell aiohttp that the connection is lost, and leave its connector."""
        self._protocol.connection_lost(error)
        self._session.response.close()
        # Python 3.10 would complain of TLS that the peer closed and nobody here.
        connection_of(self._session).link.close()


def take_over(response: aiohttp.ClientResponse, options: Options) -> RawWebSocketSession:
    """Make the connection of a 101 a session."""
    connection = response.connection
    protocol = connection.protocol if connection is not None else None
    transport = protocol.transport if protocol is not None else None
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ServerDisconnectedError("the connection was lost right behind the 101")
    headers = response.headers
    protocol.read_timeout = None
    tail = Tail()
    protocol.set_parser(tail, None)
    extensions = negotiated(headers)
    connection = Connection(
        transport,
        options,
        is_client=True,
        extended=extensions is not None,
        write_paused=protocol.writing_paused,
    )
    session = RawWebSocketSession(
        connection,
        request=None,
        response=response,
        protocol=chosen_protocol(headers),
        extensions=extensions,
    )
    leash = protocol.transport = Leash(session, protocol)
    connection.when_lost(leash.lost)
    connection.start(bytes(tail.data))
    return session
