"""Cancelling a task inside a block, as `asyncio.timeout` does, which Python 3.10 does not have."""

import asyncio
import sys
from types import TracebackType

__all__ = ("CancelScope",)


class CancelScope:
    """A block that `cancel` ends from outside, by cancelling the task that runs it.

    The cancellation ends with the block, unless the task was cancelled by others, too. Python 3.10
    does not count cancellations: there those of others end with the block, too.
    """

    __slots__ = ("_count", "_others", "_task")

    def __enter__(self) -> "CancelScope":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be cancelled: a CancelScope is entered in one")
        self._task = task
        self._count = 0
        if sys.version_info >= (3, 11):
            self._others = task.cancelling()
        return self

    def cancel(self) -> None:
        """End the block. Call this from a callback of the loop."""
        self._count += 1
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Return True if `cancel` ended the block. The exception ends here then."""
        if sys.version_info >= (3, 11):
            for _ in range(self._count):
                self._task.uncancel()
            if self._task.cancelling() > self._others:
                return False
        return self._count > 0 and isinstance(error, asyncio.CancelledError)
