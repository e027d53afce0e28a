"""The answers of the server to an opening handshake that does not become a session."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from ..wire.handshake import Refusal, tokens
from .trailing import Collector

__all__ = ("Disconnected", "PassedRefusal", "http_error", "unanswered")


class Refused(web.StreamResponse):
    """What makes a response the answer to an upgrade that is refused."""

    collector: Collector | None = None

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        answer: Any = self
        if isinstance(answer, web.HTTPException):
            # The frames that raised it hold it, and the request, until the garbage collector comes.
            answer.__traceback__ = None
        if self.collector is not None:
            await self.collector.end()


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
    """The HTTPException of a refusal."""
    if refusal.status == 405:
        allow = tokens(CIMultiDict(refusal.headers), "Allow")
        return MethodNotAllowed(request.method, allow, text=refusal.text)
    return KINDS[refusal.status](headers=refusal.headers, text=refusal.text)


class PassedRefusal(Refused):
    """What another server answered; nothing is said in its name."""

    async def _prepare_headers(self) -> None:
        made_up = [name for name in ("Content-Type", "Server") if name not in self.headers]
        await super()._prepare_headers()
        for name in made_up:
            self.headers.popall(name, None)


# nginx's code for an access log.
CLIENT_CLOSED_REQUEST = 499
REASON = "Client Closed Request"


class Disconnected(web.HTTPClientError, ConnectionResetError):
    """The client went away before it was answered.

    An HTTPException, for aiohttp logs any other one that leaves a handler as an error; its
    status is for the access log alone.
    """

    status_code = CLIENT_CLOSED_REQUEST

    def __init__(self, text: str) -> None:
        super().__init__(reason=REASON, text=text)

    def __str__(self) -> str:
        return str(self.text)


def unanswered() -> web.StreamResponse:
    """What a handler returns for a client that went away: for the access log alone."""
    return web.Response(status=CLIENT_CLOSED_REQUEST, reason=REASON)
