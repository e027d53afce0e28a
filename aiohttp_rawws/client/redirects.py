"""The redirects of a client's request. aiohttp follows them, two middlewares watch it.

They see every request that aiohttp sends, and its answer. So an error can tell which redirect
failed, of which aiohttp's own errors say little, and no redirect leads from TLS to a plain
connection.
"""

import aiohttp

from .answer import REDIRECTS, HandshakeRefused, refused

__all__ = ("Redirects",)


class Redirects:
    """The redirects that aiohttp has followed for one request."""

    def __init__(self) -> None:
        self._responses: list[aiohttp.ClientResponse] = []
        #: True if the last answer is a redirect, and no request has followed it yet.
        self._pending = False
        #: True if the last request was sent over TLS.
        self._secure = False

    async def note(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Note the answer as aiohttp gets it: the first middleware."""
        self._pending = False
        response = await handler(request)
        if response.status in REDIRECTS:
            self._responses.append(response)
            self._pending = True
        return response

    async def refuse_plain(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Refuse a redirect from TLS to a plain connection, before the connection is made.

        This middleware comes after those of the user, which may change the URL.
        """
        secure = request.is_ssl()
        if self._responses and self._secure and not secure:
            raise self._refused(
                f"redirected from TLS to {request.url.origin()}, where all that is sent can be "
                "read on the way: to follow it nevertheless, pass allow_redirects=False, and "
                "connect to the Location yourself"
            )
        self._secure = secure
        return await handler(request)

    def has_failed(self, error: Exception) -> bool:
        """Tell whether an error of the request is that of a redirect."""
        if not self._responses:
            return False
        # aiohttp checks some hosts only when it connects.
        return self._pending or isinstance(error, aiohttp.InvalidURL)

    def refusal(self, error: Exception) -> HandshakeRefused:
        """Return the error for the redirect that has failed by `error`."""
        location = self._responses[-1].headers.get("Location", "")
        if isinstance(error, aiohttp.TooManyRedirects):
            return self._refused(f"redirected {len(self._responses)} times, up to max_redirects")
        if isinstance(error, aiohttp.NonHttpUrlClientError):
            return self._refused(
                f"redirected to {location!r:.200}: only http and https URLs are followed"
            )
        return self._refused(f"redirected to {location!r:.200}, which cannot be followed: {error}")

    def proxy_refusal(self, error: aiohttp.ClientHttpProxyError) -> HandshakeRefused:
        """Return the error for a proxy that opens no tunnel."""
        return HandshakeRefused(
            error.request_info,
            tuple(self._responses),
            status=error.status,
            message=f"the proxy opened no tunnel: {error.message}",
            headers=error.headers,
        )

    def _refused(self, message: str) -> HandshakeRefused:
        *before, last = self._responses
        return refused(last, before, message)
