"""The two handshakes of a connection: the visitor's, and the one with the upstream."""

from typing import Any

import aiohttp
from aiohttp import web

from ..captures.redaction import Redaction

__all__ = ("Handshakes",)


class Handshakes:
    """Keeps the headers of both handshakes, without secrets unless these are to be shown."""

    def __init__(self, request: web.Request, *, show_secrets: bool) -> None:
        self.redaction = Redaction(show_secrets=show_secrets)
        self._request = self.redaction.headers(request.headers.items())
        self._upstream: dict[str, Any] | None = None

    def fields(self, response: web.StreamResponse) -> dict[str, Any]:
        """Return both for a view, the visitor's with the answer that it gets."""
        visitor = {
            "request": self._request,
            "status": response.status,
            "response": self.redaction.headers(response.headers.items()),
        }
        return {"client": visitor, "upstream": self._upstream}

    def asked(self, request: aiohttp.ClientRequest) -> None:
        """Keep the request to the upstream."""
        self._upstream = {
            "url": self.redaction.path(str(request.url)),
            "request": self.redaction.headers(request.headers.items()),
            "status": None,
            "response": None,
        }

    def answered(self, answer: aiohttp.ClientResponse) -> None:
        """Keep the answer of the upstream."""
        if self._upstream is not None:
            response = self.redaction.headers(answer.headers.items())
            self._upstream.update(status=answer.status, response=response)
