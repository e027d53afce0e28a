"""The request to the upstream, and the reasons why there is no answer."""

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.connector import Connection
from aiohttp.typedefs import StrOrURL
from multidict import CIMultiDict, istr
from yarl import URL

from ..client.request import middlewares_of
from ..client.takeover import close_connection
from ..client.tunnel import tunnel
from ..server.logs import warn
from ..session.kernel import has_ended
from ..wire.handshake import UPGRADE_LISTS, Refusal
from ..wire.header_lists import wrong_length
from .headers import is_writable

__all__ = ("NoAnswer", "Upstream", "origin", "reason")

#: The headers that aiohttp adds to a request, but not to one that a visitor made.
AUTOMATIC = (istr("Accept"), istr("Accept-Encoding"), istr("Content-Type"), istr("User-Agent"))

#: The methods whose requests aiohttp sends again where a pooled connection ends without an answer
#: (RFC 9110 section 9.2.2), unless they have a body.
REPEATED = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"})

#: What aiohttp says of a head that is over its limits.
TOO_LONG = "Got more than"

#: The visitor's text where the answer was read.
NOT_PASSED = "The upstream's answer cannot be passed on."


class NoAnswer(Exception):
    """The upstream gave no answer that can be passed on.

    `reason` is for the log, and tells more than the visitor gets.
    """

    def __init__(self, status: int, text: str, reason: str, *args: object) -> None:
        super().__init__(text)
        self._refusal = Refusal(status, text)
        self._reason = reason
        self._arguments = args

    def refuse(self, request: web.Request) -> Refusal:
        """Log the reason, and return the refusal for the visitor."""
        warn(request, f"Proxy: {self._reason}", *self._arguments)
        return self._refusal


class Upstream:
    """The server behind a proxy: its URL, and how the caller has it asked."""

    def __init__(
        self, client_session: aiohttp.ClientSession, url: StrOrURL, options: dict[str, Any]
    ) -> None:
        self.url = URL(url)
        # aiohttp has no public name for the base of a relative URL.
        base = None if self.url.absolute else getattr(client_session, "_base_url", None)
        #: True if the upstream is reached over TLS.
        self.is_tls = (base or self.url).scheme in ("https", "wss")
        self._client_session = client_session
        self._options = dict(options)
        timeout = self._options.pop("timeout", None) or client_session.timeout
        #: How many seconds the head of an answer may take, or None.
        self.limit, self._timeout = divided(timeout)

    async def dial(self, headers: "CIMultiDict[str]") -> aiohttp.ClientResponse:
        """Send an opening handshake and return the answer. Raises NoAnswer."""
        # RFC 6455 section 4.1: an HTTP proxy before the upstream is asked for a tunnel.
        given = middlewares_of(self._client_session, self._options)
        middlewares = [*given, on_new_connection, tunnel]
        return await self._ask("GET", self.url, headers, middlewares=middlewares)

    async def forward(
        self, method: str, headers: "CIMultiDict[str]", body: AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        """Send a request and return the answer. Raises NoAnswer."""
        url = self.url
        if url.scheme in ("ws", "wss"):
            url = url.with_scheme("https" if url.scheme == "wss" else "http")
        options: dict[str, Any] = {"data": body}
        if body is not None or method not in REPEATED:
            given = middlewares_of(self._client_session, self._options)
            options["middlewares"] = [*given, on_live_connection]
        answer = await self._ask(method, url, headers, **options)
        if answer.status == 101:
            close_connection(answer)
            why = "%s switched protocols without being asked"
            raise NoAnswer(502, NOT_PASSED, why, origin(self.url))
        return answer

    async def _ask(
        self, method: str, url: URL, headers: "CIMultiDict[str]", **options: Any
    ) -> aiohttp.ClientResponse:
        if self._has_credentials():
            headers.popall("Authorization", None)
        try:
            answer = await self._client_session.request(
                method,
                url,
                headers=headers,
                allow_redirects=False,
                auto_decompress=False,
                raise_for_status=False,
                skip_auto_headers=AUTOMATIC,
                timeout=self._timeout,
                **{**self._options, **options},
            )
        except aiohttp.InvalidURL:
            raise
        except asyncio.TimeoutError:
            raise self.too_slow() from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error
        if not is_writable(answer.reason or "", answer.headers):
            close_connection(answer)
            why = "%s answered with headers that are not printable UTF-8"
            raise NoAnswer(502, NOT_PASSED, why, origin(answer.url))
        if wrong := wrong_length(answer.headers, UPGRADE_LISTS):
            close_connection(answer)
            raise NoAnswer(502, NOT_PASSED, "the answer of %s: %s", origin(answer.url), wrong)
        return answer

    def too_slow(self) -> NoAnswer:
        """Return the error of an answer that did not come in time."""
        text = "The upstream did not answer in time."
        return NoAnswer(504, text, "%s did not answer in time", origin(self.url))

    def _unreachable(self, error: Exception) -> NoAnswer:
        where, why = origin(self.url), reason(error)
        if not isinstance(error, aiohttp.ClientResponseError) and not is_cut(error):
            text = "The upstream cannot be reached."
            return NoAnswer(502, text, "%s cannot be reached: %s", where, why)
        if why.startswith(TOO_LONG):
            why += "; raise the limit with max_field_size= or max_line_size="
        text = "The upstream's answer cannot be read."
        return NoAnswer(502, text, "the answer of %s cannot be read: %s", where, why)

    def _has_credentials(self) -> bool:
        """Return True if aiohttp authorizes the request; it refuses such a header then."""
        # aiohttp 4 has no `auth` of a client session.
        auth = getattr(self._client_session, "auth", None)
        given = (auth, self._options.get("auth"), self.url.raw_user, self.url.raw_password)
        return given != (None, None, None, None)


class Ended(Exception):
    """A connection of the pool has ended. Nothing was sent on it."""


class UnsentRequest:
    """A request that is sent only if its connection is there."""

    def __init__(self, request: aiohttp.ClientRequest) -> None:
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    async def send(self, connection: Connection) -> aiohttp.ClientResponse:
        transport = connection.transport
        if transport is None or has_ended(transport.get_extra_info("socket")):
            raise Ended
        return await self._request.send(connection)


async def on_live_connection(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request that may be sent only once: a client middleware, the last one.

    The end of a pooled connection may wait in the system, unknown to the loop.
    """
    try:
        return await handler(cast(aiohttp.ClientRequest, UnsentRequest(request)))
    except Ended:
        return await on_new_connection(request, handler)


async def on_new_connection(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request on a connection of its own: a client middleware.

    One from the pool may have gone silent without an end, and would cost a 504.
    """
    if request.proxy is None:
        # They are a part of the pool's key, and sent to nobody.
        request.proxy_headers = CIMultiDict({"X-Connection": str(id(request))})
    return await handler(request)


# An application has few, and asks for the same one at every request.
@functools.lru_cache(maxsize=16)
def divided(timeout: aiohttp.ClientTimeout) -> tuple[float | None, aiohttp.ClientTimeout]:
    """Return how long the head of an answer may take, and a timeout for connecting alone."""
    limit = min(filter(None, (timeout.total, timeout.sock_read)), default=None)
    connecting = aiohttp.ClientTimeout(
        total=None,
        connect=timeout.connect,
        sock_connect=timeout.sock_connect,
        ceil_threshold=timeout.ceil_threshold,
    )
    return limit, connecting


def origin(url: StrOrURL) -> str:
    """Return the URL without path, query and password, which may be secret, for a log."""
    url = URL(url)
    return str(url.origin()) if url.absolute else "the upstream"


def reason(error: BaseException) -> str:
    """Return the message of an error on one line, without the URL that aiohttp adds to some."""
    text: object = error
    if isinstance(error, aiohttp.ClientResponseError):
        text = error.message
    elif is_cut(error):
        text = "the connection ended within the head"
    return " ".join(str(text).split())


def is_cut(error: BaseException) -> bool:
    """Return True if an answer has ended within its head."""
    # The message is the part of the head that has come.
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
