"""The log lines about how a handler has ended."""

import logging

from aiohttp import web

from ..session.outcome import Outcome, leaves
from ..session.session import RawServerSession
from ..wire.errors import EndOfStream, ProtocolError, SessionClosed
from .logs import describe, logger, warn

__all__ = ("log_end", "log_failure", "log_result")


def log_end(
    request: web.Request,
    session: RawServerSession,
    outcome: Outcome,
    error: BaseException | None,
) -> None:
    """Log how a handler and its peer have ended the session.

    A violation is a WARNING line. A lost connection and a Close that was left out are DEBUG
    lines.
    """
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
            # RFC 6455 section 7.1.2
            logger.debug("No Close was sent by the handler of %s", describe(request))


def first(
    error: BaseException, kinds: "type[BaseException] | tuple[type[BaseException], ...]"
) -> BaseException:
    """Return the first exception of these kinds in a group, or `error` itself."""
    return next((leaf for leaf in leaves(error) if isinstance(leaf, kinds)), error)


def log_failure(request: web.Request, error: BaseException) -> None:
    """Log an exception that is the handler's fault, as an ERROR with its traceback."""
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
    """Log a WARNING for a handler that returned anything but None."""
    warn(
        request,
        "The raw WebSocket handler of %s returned %.200r, which nobody gets: a raw handler returns "
        "None; to answer with a response, use accept() in an ordinary handler",
        describe(request),
        result,
    )
