"""`accept`: a session within an ordinary handler or a `web.View`."""

import warnings
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import NoReturn

from aiohttp import web
from multidict import CIMultiDict

from ..session.options import RouteOptions, Unpack, protocol_names
from ..session.outcome import Outcome
from ..session.session import RawServerSession
from .handler_logs import log_failure
from .installed import options_of
from .response import upgrade_response
from .upgrade import Upgrade

__all__ = ("accept",)


def accept(
    request: web.Request,
    *,
    protocol: str | Sequence[str] | None = None,
    headers: "dict[str, str] | CIMultiDict[str] | None" = None,
    **overrides: Unpack[RouteOptions],
) -> "AbstractAsyncContextManager[RawServerSession]":
    """Upgrade a request inside an ordinary handler or `web.View`.

        async with accept(request) as session:
            async for frame in session: ...
        return session.response

    - `protocol`: the subprotocol that a client has to offer, or several, as for a route.
    - `headers`: headers to add to the 101.
    - `overrides`: the options of `setup`, for this request alone.

    Entering the block sends the 101. A request that cannot be upgraded raises the
    `web.HTTPException` that a route would answer with. A client that went away meanwhile raises
    one of status 499, which is a ConnectionResetError too.

    The connection ends with the block, so that nothing can be written behind the 101. The block
    swallows EndOfStream, SessionClosed of a lost session, and ProtocolError, alone or in
    exception groups, and logs them. All other exceptions leave it.

    Without `setup(app)` the default options hold, and a shutdown waits for the block as long as
    aiohttp does.

    Raise TypeError for an option that is unknown or has a wrong type, ValueError for a value out
    of range.
    """
    if not isinstance(request, web.Request):
        raise TypeError(
            f"accept takes the web.Request that an ordinary handler gets, got {request!r}"
        )
    options = options_of(request).replace(**overrides)
    upgrade = Upgrade(request, options, protocol_names(protocol))
    return Accepting(upgrade, CIMultiDict(headers or {}))


HOW_TO_ACCEPT = "accept() is a context manager: write `async with accept(request) as session:`"


class Accepting(AbstractAsyncContextManager[RawServerSession]):
    """The context manager that `accept` returns."""

    #: The block was entered, or an error has told the caller to enter it.
    _used = False

    def __init__(self, upgrade: Upgrade, headers: CIMultiDict[str]) -> None:
        self._upgrade = upgrade
        self._headers = headers
        self._session: RawServerSession | None = None

    async def __aenter__(self) -> RawServerSession:
        self._used = True
        with self._upgrade as upgrade:
            self._session = await upgrade.accept(self._headers)
        return self._session

    async def __aexit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> bool:
        assert self._session is not None
        outcome = await self._upgrade.finish(error)
        if outcome is Outcome.FAILED and isinstance(error, web.HTTPException):
            # aiohttp takes the exception for an answer, and logs nothing.
            log_failure(self._upgrade.request, error)
        if outcome is Outcome.VIOLATED:
            # Middlewares do not see an exception that ends here.
            upgrade_response(self._session).handler_exception = error
        return outcome in (Outcome.ENDED, Outcome.VIOLATED)

    def __await__(self) -> NoReturn:
        self._used = True
        raise TypeError(HOW_TO_ACCEPT)

    def __getattr__(self, name: str) -> NoReturn:
        hint = ""
        if hasattr(RawServerSession, name):
            self._used = True
            hint = f"; {HOW_TO_ACCEPT}"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __del__(self) -> None:
        if not self._used:
            warnings.warn(
                f"accept() of {self._upgrade.request!r} was not entered: {HOW_TO_ACCEPT}",
                RuntimeWarning,
                stacklevel=2,
            )
