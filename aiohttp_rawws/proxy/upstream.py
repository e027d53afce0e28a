"""The request to the upstream, and the reasons why there is no answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import StrOrURL
from multidict import CIMultiDict
from yarl import URL

from ..client.request import middlewares_of
from ..client.takeover import close_connection
from ..client.tunnel import tunnel
from ..server.logs import warn
from ..wire.handshake import Refusal
from .headers import is_writable

__all__ = ("NoAnswer", "Upstream", "origin", "reason")

#: The headers that aiohttp adds to a request, but not to one that a visitor made.
AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

#: What aiohttp says of a head that is over its limits.
TOO_LONG = "Got more than"


class NoAnswer(Exception):
    """The upstream gave no answer that can be passed on. `refusal` is the visitor's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.refusal = Refusal(status, text)


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
        self.limit = min(filter(None, (timeout.total, timeout.sock_read)), default=None)
        # What comes behind the head may take any time.
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            connect=timeout.connect,
            sock_connect=timeout.sock_connect,
            ceil_threshold=timeout.ceil_threshold,
        )

    async def dial(
        self, request: web.Request, headers: "CIMultiDict[str]"
    ) -> aiohttp.ClientResponse:
        """Send an opening handshake and return the answer. Raises NoAnswer."""
        # RFC 6455 section 4.1: an HTTP proxy before the upstream is asked for a tunnel.
        given = middlewares_of(self._client_session, self._options)
        return await self._ask(request, "GET", self.url, headers, middlewares=[*given, tunnel])

    async def forward(
        self, request: web.Request, headers: "CIMultiDict[str]", body: AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        """Send a request and return the answer. Raises NoAnswer."""
        url = self.url
        if url.scheme in ("ws", "wss"):
            url = url.with_scheme("https" if url.scheme == "wss" else "http")
        answer = await self._ask(request, request.method, url, headers, data=body)
        if answer.status == 101:
            close_connection(answer)
            warn(request, "Proxy: %s switched protocols without being asked", origin(self.url))
            raise NoAnswer(502, "The upstream's answer cannot be passed on.")
        return answer

    async def _ask(
        self,
        request: web.Request,
        method: str,
        url: URL,
        headers: "CIMultiDict[str]",
        **options: Any,
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
            raise self.too_slow(request) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(request, error) from error
        if not is_writable(answer.reason or "", answer.headers):
            close_connection(answer)
            where = origin(answer.url)
            warn(request, "Proxy: %s answered with headers that are not printable UTF-8", where)
            raise NoAnswer(502, "The upstream's answer cannot be passed on.")
        return answer

    def too_slow(self, request: web.Request) -> NoAnswer:
        """Log that the upstream did not answer in time, and return that as NoAnswer."""
        warn(request, "Proxy: %s did not answer in time", origin(self.url))
        return NoAnswer(504, "The upstream did not answer in time.")

    def _unreachable(self, request: web.Request, error: Exception) -> NoAnswer:
        where, why = origin(self.url), reason(error)
        if not isinstance(error, aiohttp.ClientResponseError) and not is_cut(error):
            warn(request, "Proxy: %s cannot be reached: %s", where, why)
            return NoAnswer(502, "The upstream cannot be reached.")
        if why.startswith(TOO_LONG):
            why += "; raise the limit with max_field_size= or max_line_size="
        warn(request, "Proxy: the answer of %s cannot be read: %s", where, why)
        return NoAnswer(502, "The upstream's answer cannot be read.")

    def _has_credentials(self) -> bool:
        """Return True if aiohttp authorizes the request; it refuses such a header then."""
        # aiohttp 4 has no `auth` of a client session.
        auth = getattr(self._client_session, "auth", None)
        given = (auth, self._options.get("auth"), self.url.raw_user, self.url.raw_password)
        return any(each is not None for each in given)


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
