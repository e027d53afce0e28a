"""The run of one handler on its session, and how a shutdown ends it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..session.ending import end
from ..session.outcome import Outcome, outcome_of
from ..session.session import RawServerSession, connection_of
from .handler_logs import log_end, log_failure, log_result
from .installed import Installed
from .response import upgrade_response

__all__ = ("HandlerRun", "SessionHandler")

SessionHandler = Callable[[RawServerSession], Awaitable[None]]

#: The shortest time after which the connection of a stopped handler is looked at, in seconds.
SHORTEST_DELAY = 0.1


class HandlerRun:
    """The task of one handler, and the session that it has or waits for."""

    __slots__ = ("_installed", "_request", "_session", "_task", "_timer", "stopped")

    def __init__(self, request: web.Request, installed: "Installed | None") -> None:
        self._request = request
        self._installed = installed
        self._task = asyncio.current_task()
        self._session: RawServerSession | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: True once a shutdown has cancelled the task.
        self.stopped = False
        if installed is not None:
            installed.add(self)

    def attach(self, session: RawServerSession) -> None:
        """Note the session of the handler."""
        self._session = session
        if self.stopped:
            self._abort_later(session)

    @property
    def session(self) -> RawServerSession:
        """The session of the handler, once it has one."""
        assert self._session is not None
        return self._session

    # -- the shutdown ----------------------------------------------------------------------

    def stop(self) -> None:
        """Cancel the handler, unless that was done or it has ended.

        From then on a peer that does not read delays the end by `linger` seconds at most.
        """
        if self._task is None or self.stopped:
            return
        self.stopped = True
        self._task.cancel()
        if self._session is not None:
            self._abort_later(self._session)

    def settle(self) -> None:
        """Note that the handler has ended: take back the cancellation, and never cancel again."""
        if self.stopped and self._task is not None and sys.version_info >= (3, 11):
            self._task.uncancel()
        self.leave()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def leave(self) -> None:
        """Never cancel the task any more."""
        self._task = None
        if self._installed is not None:
            self._installed.remove(self)

    def _abort_later(self, session: RawServerSession) -> None:
        delay = max(connection_of(session).linger, SHORTEST_DELAY)
        self._timer = asyncio.get_running_loop().call_later(delay, self._abort_if_held, session)

    def _abort_if_held(self, session: RawServerSession) -> None:
        """Abort the connection if its peer still does not read; look again later."""
        if session.write_backlog:
            session.abort()
        self._abort_later(session)

    # -- the run and its end ---------------------------------------------------------------

    async def run(
        self, handler: Callable[[RawServerSession], Awaitable[object]]
    ) -> web.StreamResponse:
        """Run the handler, and conclude the run."""
        try:
            result = await handler(self.session)
        except BaseException as error:
            return await self.conclude(None, error)
        return await self.conclude(result, None)

    async def conclude(self, result: object, error: "BaseException | None") -> web.StreamResponse:
        """End the connection of a handler that returned `result` or raised `error`; return the 101.

        Exceptions of the handler are logged and do not leave this method. Only a cancellation by
        others than a shutdown does, and an exception that ends the program.
        """
        session = self.session
        if result is not None:
            log_result(self._request, result)
        try:
            outcome = await self.finish(error)
            if error is not None:
                if outcome in (Outcome.VIOLATED, Outcome.FAILED):
                    upgrade_response(session).handler_exception = error
                if outcome is Outcome.FAILED:
                    log_failure(self._request, error)
                elif outcome is Outcome.INTERRUPTED or (
                    outcome is Outcome.CANCELLED and not self.stopped
                ):
                    raise error
        finally:
            # Its traceback refers to this frame.
            del error
        return session.response

    async def finish(self, error: "BaseException | None") -> Outcome:
        """End the connection of a handler that has returned, or raised `error`."""
        session = self.session
        # `linger` bounds all that follows.
        self.settle()
        # This must come before an abort: then every error would be one of a closed session.
        outcome = outcome_of(error, connection_of(session).end_is_known)
        log_end(self._request, session, outcome, error)
        try:
            if outcome.is_orderly:
                await end(connection_of(session))
            else:
                session.abort()
        finally:
            upgrade_response(session).note_sent(session.bytes_sent)
            connection_of(session).when_lost(self._request.protocol.connection_lost)
        return outcome
