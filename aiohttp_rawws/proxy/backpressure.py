"""A slow side slows the other, and one that takes nothing any more is given up."""

import os

from ..server.logs import logger
from ..session.connection import Connection
from ..session.ending import Stall
from ..session.kernel import error_of, has_ended
from .first_end import FirstEnd

__all__ = ("END_POLL", "Backpressure")

#: How often a side that may have ended unseen is asked, in seconds.
END_POLL = 1.0


class Backpressure:
    """Holds one direction back while its target is full."""

    def __init__(
        self, source: Connection, target: Connection, side: str, first_end: FirstEnd
    ) -> None:
        self._source = source
        self._target = target
        self._side = side
        self._first_end = first_end

    def is_full(self) -> bool:
        """Return True if what comes now has to wait."""
        return self._target.writer.paused and not self._target.link.lost

    async def wait(self) -> None:
        """Wait while the target is full.

        Once the source has ended, a target that takes nothing any more is given up.
        """
        target = self._target
        target.flush()
        stall: Stall | None = None
        await target.changes.wait_within(END_POLL)
        while self.is_full():
            if stall is None and self._source_has_ended():
                stall = Stall(target)
            if stall is not None and stall.has_expired():
                self.give_up()
                return
            await target.changes.wait_within(END_POLL if stall is None else target.linger / 10)

    def _source_has_ended(self) -> bool:
        """Ask the system whether the source has ended. Its reading is paused: nobody is told."""
        source = self._source
        sock = source.link.get_extra_info("socket")
        return source.reader.eof_received or source.link.lost or has_ended(sock)

    def give_up(self) -> None:
        """Reset both sides: the target takes nothing any more, and the source has ended."""
        error = self._loss_of_source()
        self._first_end.note(self._side, "end of stream" if error is None else "lost", error)
        logger.debug("Relay: %s ended, and the other side takes nothing any more", self._side)
        self._target.abort()
        self._source.abort()

    def _loss_of_source(self) -> BaseException | None:
        """Return the error that has ended the source; None for one that has ended its stream."""
        link = self._source.link
        if link.lost:
            return link.exception
        number = error_of(link.get_extra_info("socket"))
        return OSError(number, os.strerror(number)) if number else None
