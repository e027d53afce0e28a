"""The client's side of the upgrade: the one file that knows how aiohttp hands a connection over.

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
import contextlib
from collections.abc import Awaitable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.typedefs import LooseHeaders, StrOrURL
from multidict import CIMultiDict, MultiMapping

from .errors import EndOfStream, RawWebSocketError
from .frames import Violation
from .handshake import (
    HandshakeRule,
    chosen_protocol,
    extension_names,
    lines,
    new_key,
    wrong_answer,
)
from .options import Options, protocol_names
from .session import RawWebSocketSession

__all__ = (
    "OWN_OPTIONS",
    "Connecting",
    "HandshakeRefused",
    "connect",
    "hang_up",
    "take_over",
    "upgrade_headers",
    "wrong_answer",
)

DEFAULTS = Options()

#: How much of a refusal's body is read, in bytes.
BODY_LIMIT = 64 * 1024

#: How long a refusal's body is waited for, in seconds.
BODY_TIMEOUT = 5.0

#: The headers of the opening handshake, and which parameter of `connect` sets them.
OWN_HEADERS = {
    "Connection": None,
    "Upgrade": None,
    "Sec-WebSocket-Key": None,
    "Sec-WebSocket-Version": None,
    "Sec-WebSocket-Protocol": "protocols",
    "Sec-WebSocket-Extensions": "extensions",
    "Origin": "origin",
}

#: The options of `ClientSession.request` that would make it anything but a GET without a body
#: (RFC 6455 section 4.1), or judge its answer.
OWN_OPTIONS = frozenset({"chunked", "data", "expect100", "json", "method", "raise_for_status"})


class HandshakeRefused(RawWebSocketError, aiohttp.WSServerHandshakeError):
    """The server's answer to the opening handshake is no 101, or not a valid one.

    `status` and `headers` are those of the answer, `message` tells what was wrong (RFC 6455
    section 4.1), `body` is the answer's body, as far as 64 KiB of it came within 5 seconds; a
    101 has none. `request_info` and `history` are as in every aiohttp.ClientResponseError.
    """

    body: bytes = b""


def connect(
    client_session: aiohttp.ClientSession,
    url: StrOrURL,
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
    **request_options: Any,
) -> "Connecting":
    """Open a raw WebSocket on your own `aiohttp.ClientSession`.

        async with connect(client_session, "wss://example.com/ws", protocols=["chat"]) as session:
            async for frame in session: ...

    `url` is ws, wss, http or https. `protocols` are the subprotocols to offer, `extensions` is
    the `Sec-WebSocket-Extensions` to offer and `origin` the `Origin`, none of them by default;
    `headers` are sent beside those of the handshake. `max_frame_size`, `receive_limit` (bytes),
    `reject`, `reject_handshake` and `linger` (seconds) are as for a route. `request_options` go to
    `client_session.request`: `ssl`, `proxy`, `cookies`, `params`, `timeout`, `allow_redirects`
    and so on; redirects are followed as that does. A `timeout` ends with the handshake.

    The block's end ends the connection as the return of a server's handler does: what was sent
    still arrives, no Close frame is made up. An exception in it, other than EndOfStream or a
    cancellation, aborts the connection.

    `session = await connect(...)` leaves the end to you: `session.response.close()` begins what
    the block's end does (and `await session.wait_closed()` waits for the peer), `abort()` drops
    the connection, and `client_session.close()` ends what is still open. A Close frame alone
    ends nothing, nor does the peer's. `contextlib.AsyncExitStack` has room for sessions that
    outlive a block.

    Raises HandshakeRefused for any answer but a valid 101, aiohttp's own errors where the
    connection fails or is lost; ValueError for a header that is not for `headers`, or a bad
    value; TypeError for an option that a handshake cannot have.
    """
    not_taken = sorted(OWN_OPTIONS.intersection(request_options))
    if not_taken:
        raise TypeError(
            f"connect takes no {', '.join(not_taken)}: an opening handshake is a GET without a "
            "body, and connect judges its answer itself"
        )
    options = Options(
        max_frame_size=max_frame_size,
        receive_limit=receive_limit,
        reject=reject,
        linger=linger,
        reject_handshake=reject_handshake,
    )
    request_options["headers"] = request_headers(headers, protocols, extensions, origin)
    return Connecting(client_session, url, options, request_options)


class Connecting(AbstractAsyncContextManager[RawWebSocketSession], Awaitable[RawWebSocketSession]):
    """What `connect` gives: one connection, to be awaited or entered, once."""

    def __init__(
        self,
        client_session: aiohttp.ClientSession,
        url: StrOrURL,
        options: Options,
        request_options: dict[str, Any],
    ) -> None:
        self._client_session = client_session
        self._url = url
        self._options = options
        self._request_options = request_options
        self._begun = False
        self._session: RawWebSocketSession | None = None

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
        assert self._session is not None
        if error is None or isinstance(error, (EndOfStream, asyncio.CancelledError)):
            await self._session._end()
        else:
            self._session.abort()

    async def _connect(self) -> RawWebSocketSession:
        if self._begun:
            raise RuntimeError("this connection was opened already: call connect() for each")
        self._begun = True
        response = await self._client_session.request(
            "GET", self._url, raise_for_status=False, **self._request_options
        )
        try:
            await check_answer(response, self._options.reject_handshake)
            return take_over(response, self._options)
        except BaseException:
            hang_up(response)
            raise


def request_headers(
    headers: LooseHeaders | None,
    protocols: str | Sequence[str] | None,
    extensions: str | None,
    origin: str | None,
) -> "CIMultiDict[str]":
    """The headers of the opening handshake (RFC 6455 section 4.1) beside those of HTTP."""
    result: CIMultiDict[str] = CIMultiDict(headers or ())
    for name, parameter in OWN_HEADERS.items():
        if name in result:
            instead = f"give it as {parameter}=" if parameter else "connect sets it, leave it out"
            raise ValueError(f"{name} is not for headers=: {instead}")
    result.extend(upgrade_headers())
    # Here no names at all are what None is to a route.
    names = protocol_names(protocols) if protocols or isinstance(protocols, str) else ()
    if names:
        result["Sec-WebSocket-Protocol"] = ", ".join(names)
    if extensions is not None:
        result["Sec-WebSocket-Extensions"] = header_value("extensions", extensions)
    if origin is not None:
        result["Origin"] = header_value("origin", origin)
    return result


def upgrade_headers() -> dict[str, str]:
    """The headers that every opening handshake has."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": new_key(),
    }


def header_value(parameter: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{parameter} must be a str, the value of the header, got {value!r}")
    if not value.strip() or not value.isprintable():
        raise ValueError(
            f"{parameter} must be the value of a header, or None to send none, got {value!r}"
        )
    return value


async def check_answer(response: aiohttp.ClientResponse, reject: HandshakeRule) -> None:
    """Raise HandshakeRefused for anything but a valid 101, by the rules of `reject`."""
    body = b""
    if response.status != 101:
        wrong = f"the server did not switch protocols: {response.reason}"
        body = await body_of(response)
    else:
        # A middleware may have changed what was asked for.
        wrong = wrong_answer(response.request_info.headers, response.headers, reject)
    if wrong:
        raise refused(response, wrong, body)


def refused(response: aiohttp.ClientResponse, wrong: str, body: bytes) -> HandshakeRefused:
    error = HandshakeRefused(
        response.request_info,
        response.history,
        status=response.status,
        message=wrong,
        headers=response.headers,
    )
    error.body = body
    return error


def negotiated(headers: MultiMapping[str]) -> str | None:
    """The extensions that are in use, None for a header that names none."""
    value = ", ".join(lines(headers, "Sec-WebSocket-Extensions"))
    return value if extension_names(headers) else None


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """The body of a refusal, as far as it comes in time; it may be endless, or never come."""
    timer = asyncio.get_running_loop().call_later(BODY_TIMEOUT, response.close)
    body = bytearray()
    try:
        # The status says more than what broke the body off.
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            while data := await response.content.read(BODY_LIMIT - len(body)):
                body += data
    finally:
        timer.cancel()
    return bytes(body)


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
        if not (self._session.closed and self._session._lost):
            self._ending = self._loop.create_task(self._session._end())

    def abort(self) -> None:
        self._session.abort()

    def lost(self, error: "BaseException | None") -> None:
        """Tell aiohttp that the connection is lost, and leave its connector."""
        self._protocol.connection_lost(error)
        self._session.response.close()
        # Python 3.10 would complain of TLS that the peer closed and nobody here.
        self._session._close_transport()


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
    session = RawWebSocketSession(
        transport,
        is_client=True,
        response=response,
        protocol=chosen_protocol(headers),
        extensions=negotiated(headers),
        max_frame_size=options.max_frame_size,
        receive_limit=options.receive_limit,
        reject=options.reject,
        linger=options.linger,
        write_paused=protocol.writing_paused,
    )
    leash = protocol.transport = Leash(session, protocol)
    session._when_lost(leash.lost)
    session._start(bytes(tail.data))
    return session
