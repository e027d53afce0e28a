"""The answers to an opening handshake that does not become a session."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from ..wire.handshake import Refusal
from ..wire.header_lists import tokens
from .trailing import TrailingData

__all__ = ("Disconnected", "Refused", "http_error", "unanswered")


class Refused(web.StreamResponse):
    """An answer that lets the client read it before the connection is closed."""

    trailing: TrailingData | None = None

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        answer: Any = self
        if isinstance(answer, web.HTTPException):
            # The frames in its traceback keep it and the request until the garbage collector runs.
            answer.__traceback__ = None
        if self.trailing is not None:
            await self.trailing.end_stream()


def refused(kind: type[Any]) -> type[Any]:
    """Return the same HTTPException as a `Refused`, if it is a response at all.

    From aiohttp 4 on it is none, and aiohttp makes the response itself.
    """
    if not issubclass(kind, web.StreamResponse):
        return kind
    return type(kind.__name__, (Refused, kind), {})


METHOD_NOT_ALLOWED = refused(web.HTTPMethodNotAllowed)
#: The other kinds, by status.
KINDS = {
    kind.status_code: refused(kind)
    for kind in (
        web.HTTPBadRequest,
        web.HTTPForbidden,
        web.HTTPUpgradeRequired,
        web.HTTPBadGateway,
        web.HTTPServiceUnavailable,
        web.HTTPGatewayTimeout,
    )
}


def http_error(request: web.BaseRequest, refusal: Refusal) -> web.HTTPException:
    """Return the HTTPException of a refusal."""
    if refusal.status == 405:
        allow = tokens(CIMultiDict(refusal.headers), "Allow")
        error: web.HTTPException = METHOD_NOT_ALLOWED(request.method, allow, text=refusal.text)
    else:
        error = KINDS[refusal.status](headers=refusal.headers, text=refusal.text)
    return error


#: nginx's status for an access log.
CLIENT_CLOSED_REQUEST = 499
REASON = "Client Closed Request"


class Disconnected(web.HTTPClientError, ConnectionResetError):
    """The client went away before it had an answer.

    It is an HTTPException because aiohttp logs every other exception of a handler as an error.
    Its status is for the access log.
    """

    status_code = CLIENT_CLOSED_REQUEST

    def __init__(self, text: str) -> None:
        super().__init__(reason=REASON, text=text)

    def __str__(self) -> str:
        return str(self.text)


def unanswered() -> web.StreamResponse:
    """Return the response of a handler whose client went away; only the access log shows it."""
    return web.Response(status=CLIENT_CLOSED_REQUEST, reason=REASON)
