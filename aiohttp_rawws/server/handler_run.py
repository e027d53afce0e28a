"""One handler of a raw WebSocket on the server: run, stopped, and its connection ended."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..session.ending import end
from ..session.outcome import Outcome, leaves, outcome_of
from ..session.session import RawWebSocketSession, connection_of
from ..wire.errors import EndOfStream, ProtocolError, SessionClosed
from .installed import installed_in
from .logs import describe, logger, warn

__all__ = ("Handler", "Handling", "begin", "finish", "log_failure", "run")

Handler = Callable[[RawWebSocketSession], Awaitable[None]]

#: How often at most a handler is looked at that was stopped, in seconds.
SHORTEST_DELAY = 0.1


class Handling:
    """A handler that runs, and the session it has, or is to have."""

    __slots__ = ("__weakref__", "_session", "_timer", "request", "stopped", "task")

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.task = asyncio.current_task()
        self.stopped = False
        self._session: RawWebSocketSession | None = None
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, session: RawWebSocketSession) -> None:
        """The handler has its session."""
        self._session = session
        if self.stopped:
            self._look_later(session)

    def stop(self) -> None:
        """Cancel the handler, once, if it still runs.

        From then on a peer that does not read holds it up no longer than `linger`.
        """
        if self.task is None or self.stopped:
            return
        self.stopped = True
        self.task.cancel()
        if self._session is not None:
            self._look_later(self._session)

    def settle(self) -> None:
        """The handler has ended: take back the cancellation, and never cancel it again."""
        if self.stopped and self.task is not None and sys.version_info >= (3, 11):
            self.task.uncancel()
        self.task = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self, session: RawWebSocketSession) -> None:
        delay = max(connection_of(session).linger, SHORTEST_DELAY)
        self._timer = asyncio.get_running_loop().call_later(delay, self._look, session)

    def _look(self, session: RawWebSocketSession) -> None:
        """Abort the connection if its peer still holds back what was sent."""
        if session.write_backlog:
            session.abort()
        self._look_later(session)


def begin(request: web.Request) -> Handling:
    """Note that a handler begins, for the shutdown."""
    handling = Handling(request)
    installed = installed_in(request)
    if installed is not None:
        installed.handlings.add(handling)
        if installed.shutting_down:
            # The shutdown passed while the 101 was under way.
            handling.stop()
    return handling


async def run(
    handling: Handling,
    session: RawWebSocketSession,
    handler: Callable[[RawWebSocketSession], Awaitable[object]],
) -> web.StreamResponse:
    """Run a raw handler on a session of its request, and end the connection.

    Nothing it raises gets out, but a cancellation that is not ours, and what ends the program.
    """
    handling.attach(session)
    error: BaseException | None = None
    try:
        try:
            result = await handler(session)
            if result is not None:
                log_result(handling.request, result)
        except BaseException as raised:
            error = raised
        outcome = await finish(handling, session, error)
        if error is not None:
            if outcome in (Outcome.VIOLATED, Outcome.FAILED):
                session.response.handler_exception = error
            if outcome is Outcome.FAILED:
                log_failure(handling.request, error)
            elif outcome is Outcome.INTERRUPTED or (
                outcome is Outcome.CANCELLED and not handling.stopped
            ):
                raise error
    finally:
        # Its traceback knows of this frame.
        del error
    response: web.StreamResponse = session.response
    return response


async def finish(
    handling: Handling, session: RawWebSocketSession, error: BaseException | None
) -> Outcome:
    """End the connection of a handler that has returned, or raised `error`, and tell how."""
    # From here on there is nothing to stop: `linger` bounds what is left.
    handling.settle()
    # To be asked first: after an abort every error would be one of a closed session.
    outcome = outcome_of(error, session.closed or session.close_received is not None)
    log_end(handling.request, session, outcome, error)
    try:
        if outcome.is_orderly:
            await end(connection_of(session))
        else:
            session.abort()
    finally:
        session.response.end(session.bytes_sent)
        connection_of(session).when_lost(handling.request.protocol.connection_lost)
    return outcome


def log_end(
    request: web.Request,
    session: RawWebSocketSession,
    outcome: Outcome,
    error: BaseException | None,
) -> None:
    """Log what the handler and its peer did, as far as no error tells."""
    if outcome is Outcome.VIOLATED and error is not None:
        cause = first(error, ProtocolError)
        warn(request, "Raw WebSocket of %s aborted: %s", describe(request), cause)
    if not logger.isEnabledFor(logging.DEBUG):
        return
    if outcome is Outcome.ENDED and error is not None:
        cause = first(error, (EndOfStream, SessionClosed))
        logger.debug("Raw WebSocket of %s ended: %s", describe(request), cause)
    if outcome in (Outcome.RETURNED, Outcome.ENDED) and session.close_sent is None:
        if session.close_received is not None:
            # RFC 6455 section 5.5.1
            logger.debug("The peer's Close was left unanswered by %s", describe(request))
        elif outcome is Outcome.RETURNED and not session.closed:
            # Section 7.1.2
            logger.debug("No Close was sent by the handler of %s", describe(request))


def first(
    error: BaseException, kinds: "type[BaseException] | tuple[type[BaseException], ...]"
) -> BaseException:
    """The first exception of these kinds in a group, or `error` itself."""
    return next((leaf for leaf in leaves(error) if isinstance(leaf, kinds)), error)


def log_failure(request: web.Request, error: BaseException) -> None:
    hint = ""
    if any(isinstance(leaf, web.HTTPException) for leaf in leaves(error)):
        hint = (
            ": after the 101 no client gets a response; refuse in a middleware or before "
            "accept(), or end with session.close()"
        )
    logger.error(
        "Error in the raw WebSocket handler of %s%s", describe(request), hint, exc_info=error
    )


def log_result(request: web.Request, result: object) -> None:
    warn(
        request,
        "The raw WebSocket handler of %s returned %.200r, which nobody gets: a raw handler returns "
        "None; to answer with a response, use accept() in an ordinary handler",
        describe(request),
        result,
    )
