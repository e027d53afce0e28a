"""The wait of a task for a frame."""

import asyncio
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

from ..wire.native import run_in

__all__ = ("Waiter",)


class Waiter:
    """The awaitable of the receiving task: a future, and a way to run the task at once.

    It carries no result, so that a cancelled task loses nothing: the frames stay in the queue.
    A coroutine awaits it as it awaits a generator: `__next__` begins the wait and ends it, `throw`
    or `close` break it off.
    """

    __slots__ = ("_context", "_future", "_lasting", "_loop", "_wake_up", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # One future serves again and again while the task is run at once. None once it is done.
        self._future: asyncio.Future[None] | None = None
        # The callback of the task that waits, from when it was last run at once, and its context.
        self._wake_up: Any = None
        self._context: Any = None
        # It is a task's, and so the callback of the next wait is equal.
        self._lasting = False
        self.waiting = False

    def __await__(self) -> Generator[Any, Any, None]:
        return self  # type: ignore[return-value]

    def __iter__(self) -> "Waiter":
        return self

    def __next__(self) -> "asyncio.Future[None]":
        if self.waiting:
            self.end()
            raise StopIteration
        return self.begin()

    def begin(self) -> "asyncio.Future[None]":
        """Return the future to yield to the task, which adds its wake-up as a callback."""
        future = self._future
        if future is None:
            # Not `loop.create_future`: the callbacks have to be where asyncio has them.
            future = self._future = asyncio.Future(loop=self._loop)
        future._asyncio_future_blocking = True
        self.waiting = True
        return future

    def end(self) -> None:
        """Note that the task runs again."""
        self.waiting = False

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        self.waiting = False
        self._leave()

    def wake(self, direct: bool) -> None:
        """Run the waiting task: at once if `direct`, else in the next loop iteration.

        If `direct`, this must be the last step of a callback: the task may re-enter or close the
        connection.
        """
        future = self._future
        if future is None or not self.waiting:
            return
        if not direct or not self._take_callback(future):
            self._leave()
            # A future that is done was cancelled with its task.
            if not future.done():
                future.set_result(None)
            return
        wake_up = self._wake_up
        context = self._context
        try:
            run_in(context, wake_up, DONE)
        except RuntimeError:
            # Nothing has happened yet: the task's context is entered already, or another task runs.
            self._leave()
            future.add_done_callback(wake_up, context=context)
            future.set_result(None)
            return
        self._settle()

    def _settle(self) -> None:
        """Let a task go that does something else now, or has ended: it must not be kept."""
        if not self.waiting:
            # From Python 3.14 on the future keeps it, too.
            self._leave()
        elif not self._lasting:
            self._wake_up = self._context = None

    def _take_callback(self, future: Any) -> bool:
        """Move the callback of the task from its future to here. Return False if there is none.

        All wake-ups of one task are equal and have one context. To remove an equal callback costs
        a third of reading the callbacks.
        """
        if self._wake_up is not None and future.remove_done_callback(self._wake_up):
            return True
        callbacks = future._callbacks
        if not callbacks:
            return False
        wake_up, self._context = callbacks[0]
        future.remove_done_callback(wake_up)
        self._wake_up = wake_up
        self._lasting = isinstance(getattr(wake_up, "__self__", None), asyncio.Task)
        return True

    def _leave(self) -> None:
        """Let go the future and the task."""
        self._future = self._wake_up = self._context = None


#: The loop of a future that nobody awaits.
NO_LOOP = SimpleNamespace(get_debug=bool)

#: The argument of a task's wake-up. The task takes the result of a real future without any lookup.
DONE: "asyncio.Future[None]" = asyncio.Future(loop=cast(asyncio.AbstractEventLoop, NO_LOOP))
DONE.set_result(None)
