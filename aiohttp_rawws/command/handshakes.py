"""The two handshakes of a connection: the visitor's, and the one with the upstream."""

from collections.abc import Iterable
from typing import Any

import aiohttp
from aiohttp import web

from .redaction import redact_headers, redact_protocols, redact_query

__all__ = ("Handshakes",)

Headers = Iterable[tuple[str, str]]


class Handshakes:
    """Keeps the headers of both handshakes, without secrets unless these are to be shown."""

    def __init__(self, request: web.Request, *, show_secrets: bool) -> None:
        self._show_secrets = show_secrets
        self._request = self._headers(request.headers.items())
        self._upstream: dict[str, Any] | None = None

    def fields(self, response: web.StreamResponse) -> dict[str, Any]:
        """Return both for a view, the visitor's with the answer that it gets."""
        visitor = {
            "request": self._request,
            "status": response.status,
            "response": self._headers(response.headers.items()),
        }
        return {"client": visitor, "upstream": self._upstream}

    def asked(self, request: aiohttp.ClientRequest) -> None:
        """Keep the request to the upstream."""
        self._upstream = {
            "url": self.path(str(request.url)),
            "request": self._headers(request.headers.items()),
            "status": None,
            "response": None,
        }

    def answered(self, answer: aiohttp.ClientResponse) -> None:
        """Keep the answer of the upstream."""
        if self._upstream is not None:
            response = self._headers(answer.headers.items())
            self._upstream.update(status=answer.status, response=response)

    def path(self, text: str) -> str:
        """Return a path or a URL as it is shown."""
        return text if self._show_secrets else redact_query(text)

    def protocol(self, text: str | None) -> str | None:
        """Return a subprotocol as it is shown."""
        return text if text is None or self._show_secrets else redact_protocols(text)

    def _headers(self, headers: Headers) -> list[tuple[str, str]]:
        return list(headers) if self._show_secrets else redact_headers(headers)
