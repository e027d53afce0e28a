"""The answers to an opening handshake that does not become a session."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from ..wire.handshake import Refusal, tokens
from .trailing import TrailingData

__all__ = ("Disconnected", "PassedRefusal", "http_error", "unanswered")


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


class BadRequest(Refused, web.HTTPBadRequest):
    pass


class Forbidden(Refused, web.HTTPForbidden):
    pass


class MethodNotAllowed(Refused, web.HTTPMethodNotAllowed):
    pass


class UpgradeRequired(Refused, web.HTTPUpgradeRequired):
    pass


class ServiceUnavailable(Refused, web.HTTPServiceUnavailable):
    pass


class BadGateway(Refused, web.HTTPBadGateway):
    pass


class GatewayTimeout(Refused, web.HTTPGatewayTimeout):
    pass


KINDS: dict[int, type[web.HTTPException]] = {
    400: BadRequest,
    403: Forbidden,
    426: UpgradeRequired,
    502: BadGateway,
    503: ServiceUnavailable,
    504: GatewayTimeout,
}


def http_error(request: web.Request, refusal: Refusal) -> Any:
    """Return the HTTPException of a refusal."""
    if refusal.status == 405:
        allow = tokens(CIMultiDict(refusal.headers), "Allow")
        return MethodNotAllowed(request.method, allow, text=refusal.text)
    return KINDS[refusal.status](headers=refusal.headers, text=refusal.text)


class PassedRefusal(Refused):
    """The answer of another server, without the headers that aiohttp adds to every response."""

    async def _prepare_headers(self) -> None:
        made_up = [name for name in ("Content-Type", "Server") if name not in self.headers]
        await super()._prepare_headers()
        for name in made_up:
            self.headers.popall(name, None)


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
