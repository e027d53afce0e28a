"""The watch over a visitor that waits for the upstream."""

import asyncio
import math
from types import TracebackType

from aiohttp import web

from ..server.refusals import Disconnected
from ..session.cancel_scope import CancelScope
from ..session.kernel import has_ended

__all__ = ("Watch",)

#: How often the visitor is looked at, in seconds.
POLL = 0.5


class Watch:
    """A block that ends early once the visitor has left, or the upstream takes too long.

        with Watch(request, limit) as watch:
            answer = await ...
            watch.lift_limit()

    The block raises Disconnected if the visitor has left, and asyncio.TimeoutError once `limit`
    seconds are over; None sets no limit. A visitor leaves by ending its stream, too. Where its
    reading is paused the system is asked, which Linux answers; elsewhere only a lost connection
    is noticed then.
    """

    __slots__ = (
        "_deadline",
        "_ending",
        "_limit",
        "_look_timer",
        "_loop",
        "_reason",
        "_scope",
        "_transport",
    )

    def __init__(self, request: web.Request, limit: float | None) -> None:
        self._transport = request.transport
        self._limit = limit
        #: When the limit is over, by the clock of the loop.
        self._deadline = math.inf
        self._loop = asyncio.get_running_loop()
        self._scope = CancelScope()
        self._reason: Exception | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Handle | None = None

    def __enter__(self) -> "Watch":
        self._scope.__enter__()
        self.begin_limit()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._look_timer is not None:
            self._look_timer.cancel()
        if self._ending is not None:
            self._ending.cancel()
        ended = self._scope.__exit__(kind, error, traceback)
        # What ends the block may make it fail before it is cancelled.
        if self._reason is not None and (ended or isinstance(error, Exception)):
            raise self._reason from None

    def end(self, reason: Exception) -> None:
        """End the block, which then raises `reason`. The first one counts."""
        if self._reason is None:
            self._reason = reason
            # The caller may run in the task of the block.
            self._ending = self._loop.call_soon(self._scope.cancel)

    # -- the limit -------------------------------------------------------------------------

    def begin_limit(self) -> None:
        """Count the seconds from now on."""
        if self._limit is not None:
            self._deadline = self._loop.time() + self._limit
        self._look_later()

    def pause_limit(self) -> None:
        """Count no seconds until the limit begins again."""
        self._deadline = math.inf

    def lift_limit(self) -> None:
        """Let the rest of the block take any time."""
        self._limit = None
        self.pause_limit()

    # -- the look at both ------------------------------------------------------------------

    def _look_later(self) -> None:
        if self._look_timer is not None:
            self._look_timer.cancel()
        wait = min(POLL, self._deadline - self._loop.time())
        self._look_timer = self._loop.call_later(wait, self._look)

    def _look(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            self.end(Disconnected("the client went away before the answer was complete"))
        elif has_ended(transport.get_extra_info("socket")):
            # It may read on, but aiohttp serves no half-closed connections.
            transport.abort()
            self.end(Disconnected("the client ended its stream before the answer was complete"))
        elif self._loop.time() >= self._deadline:
            self.end(asyncio.TimeoutError())
        else:
            self._look_later()
