"""The ways to a session on the server: a raw route, and `accept` in an ordinary handler."""

import warnings
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, NoReturn

from aiohttp import web
from multidict import CIMultiDict

from ..session.options import Options, protocol_names
from ..session.outcome import Outcome
from ..session.session import RawWebSocketSession
from .handler_run import Handler, Handling, begin, finish, log_failure, run
from .installed import INSTALLED, Installed, options_of
from .refusals import Disconnected, PassedRefusal, unanswered
from .upgrade import Opening, begin_opening, refuse, upgrade

__all__ = (
    "INSTALLED",
    "Disconnected",
    "Handler",
    "Handling",
    "Installed",
    "Opening",
    "PassedRefusal",
    "accept",
    "begin",
    "begin_opening",
    "options_of",
    "refuse",
    "run",
    "serve",
    "unanswered",
)


async def serve(
    request: web.Request, handler: Handler, options: Options, protocols: tuple[str, ...]
) -> web.StreamResponse:
    """Upgrade a request, run a raw handler, end the connection; nothing it raises gets out."""
    try:
        session = await upgrade(request, options, protocols, CIMultiDict())
    except Disconnected:
        return unanswered()
    return await run(begin(request), session, handler)


def accept(
    request: web.Request,
    *,
    protocol: "str | list[str] | tuple[str, ...] | None" = None,
    headers: "dict[str, str] | CIMultiDict[str] | None" = None,
    **overrides: Any,
) -> "AbstractAsyncContextManager[RawWebSocketSession]":
    """Upgrade a request inside an ordinary handler or `web.View`.

        async with accept(request) as session:
            async for frame in session: ...
        return session.response

    `protocol` and `overrides` are as for a route, `headers` are added to the 101. A request that
    cannot be upgraded raises the `web.HTTPException` that a route would answer with; a client
    that went away meanwhile one that is a ConnectionResetError too, of status 499. The
    connection ends with the block, so that nothing can be written behind the 101; EndOfStream,
    SessionClosed of a lost session, and ProtocolError end there too, alone or in exception
    groups, and are logged. Without `setup(app)` the default options hold, and a shutdown waits as
    long as aiohttp's own.
    """
    if not isinstance(request, web.Request):
        raise TypeError(
            f"accept takes the web.Request that an ordinary handler gets, got {request!r}"
        )
    return Accepting(
        request,
        options_of(request).replace(**overrides),
        protocol_names(protocol),
        CIMultiDict(headers or {}),
    )


HOW_TO_ACCEPT = "accept() is a context manager: write `async with accept(request) as session:`"


class Accepting(AbstractAsyncContextManager[RawWebSocketSession]):
    """What `accept` gives."""

    #: It was entered, or its caller was told how to.
    _used = False

    def __init__(
        self,
        request: web.Request,
        options: Options,
        protocols: tuple[str, ...],
        headers: CIMultiDict[str],
    ) -> None:
        self._request = request
        self._options = options
        self._protocols = protocols
        self._headers = headers
        self._handling: Handling | None = None
        self._session: RawWebSocketSession | None = None

    async def __aenter__(self) -> RawWebSocketSession:
        self._used = True
        if self._handling is not None:
            raise RuntimeError("this request has been upgraded already: call accept() once")
        session = await upgrade(self._request, self._options, self._protocols, self._headers)
        self._session = session
        self._handling = begin(self._request)
        self._handling.attach(session)
        return session

    async def __aexit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> bool:
        assert self._handling is not None
        assert self._session is not None
        outcome = await finish(self._handling, self._session, error)
        if outcome is Outcome.FAILED and isinstance(error, web.HTTPException):
            # aiohttp takes it for an answer, and logs nothing.
            log_failure(self._request, error)
        if outcome is Outcome.VIOLATED:
            # It ends here; any other error leaves the block, and middlewares see that.
            self._session.response.handler_exception = error
        return outcome in (Outcome.ENDED, Outcome.VIOLATED)

    def __await__(self) -> NoReturn:
        self._used = True
        raise TypeError(HOW_TO_ACCEPT)

    def __getattr__(self, name: str) -> NoReturn:
        hint = ""
        if hasattr(RawWebSocketSession, name):
            self._used = True
            hint = f"; {HOW_TO_ACCEPT}"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __del__(self) -> None:
        if not self._used:
            warnings.warn(
                f"accept() of {self._request!r} was not entered: {HOW_TO_ACCEPT}",
                RuntimeWarning,
                stacklevel=2,
            )
