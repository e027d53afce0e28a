"""A rate limit, for log lines that a peer can cause."""

import time
from collections.abc import Callable

__all__ = ("RateLimit",)


class RateLimit:
    """A token bucket: `burst` events pass at once, then `burst` a minute.

    `clock` returns seconds and never goes back.
    """

    __slots__ = ("_burst", "_clock", "_filled_at", "_left_out", "_tokens")

    def __init__(self, burst: int = 20, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()
        self._left_out = 0

    def take(self) -> "int | None":
        """Return the number of events left out since the last one that passed.

        Return None if this event is left out too.
        """
        now = self._clock()
        refill = (now - self._filled_at) * self._burst / 60
        self._tokens = min(self._burst, self._tokens + refill)
        self._filled_at = now
        if self._tokens < 1:
            self._left_out += 1
            return None
        self._tokens -= 1
        left_out, self._left_out = self._left_out, 0
        return left_out
