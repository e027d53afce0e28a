"""The outcome of a handler or a block: its return, or the exceptions that it raised."""

import asyncio
import enum
import sys
from collections.abc import Iterator

from ..wire.errors import EndOfStream, ProtocolError, SessionClosed

__all__ = ("Outcome", "leaves", "outcome_of")


class Outcome(enum.IntEnum):
    """The outcomes, the more serious the greater."""

    RETURNED = 0
    #: It was cancelled, and by nothing else.
    CANCELLED = 1
    #: The connection has ended, which is no fault.
    ENDED = 2
    #: The peer broke the protocol.
    VIOLATED = 3
    #: It raised an error of its own.
    FAILED = 4
    #: SystemExit, KeyboardInterrupt: the whole program is to end.
    INTERRUPTED = 5

    @property
    def is_orderly(self) -> bool:
        """True if what was sent must still arrive. Otherwise the connection is aborted."""
        return self <= Outcome.ENDED


def outcome_of(error: "BaseException | None", ended: bool) -> Outcome:
    """Return the outcome of a handler or a block that raised `error`, or returned (None).

    `ended` tells whether the peer has ended the session: the connection is lost or closing, or
    the peer's Close was received; SessionClosed is no fault then. It must be asked before an
    abort. Of an exception group, nested ones included, the most serious exception counts.
    """
    if error is None:
        return Outcome.RETURNED
    return max(outcome_of_one(leaf, ended) for leaf in leaves(error))


def outcome_of_one(error: BaseException, ended: bool) -> Outcome:
    if isinstance(error, asyncio.CancelledError):
        return Outcome.CANCELLED
    if isinstance(error, EndOfStream) or (ended and isinstance(error, SessionClosed)):
        return Outcome.ENDED
    if isinstance(error, ProtocolError):
        return Outcome.VIOLATED
    return Outcome.FAILED if isinstance(error, Exception) else Outcome.INTERRUPTED


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Iterate over the exceptions of a group and of its groups, or over `error` alone."""
    if not is_group(error):
        yield error
        return
    for inner in error.exceptions:  # type: ignore[attr-defined]
        yield from leaves(inner)


if sys.version_info >= (3, 11):

    def is_group(error: BaseException) -> bool:
        return isinstance(error, BaseExceptionGroup)  # noqa: F821

else:

    def is_group(error: BaseException) -> bool:
        # The class of the `exceptiongroup` package.
        return isinstance(getattr(error, "exceptions", None), tuple)
