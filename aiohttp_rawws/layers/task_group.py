"""Tasks beside the one that receives, which end with the connection."""

import asyncio
from collections.abc import Collection, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..session.cancel_scope import CancelScope
from ..wire.errors import EndOfStream, SessionClosed

if TYPE_CHECKING:
    from .websocket_end import WebSocketEnd

__all__ = ("TaskGroup",)

Result = TypeVar("Result")


class TaskGroup:
    """A block that runs tasks, and ends with them or with its connection.

    `WebSocketSession.task_group` makes it and explains it.
    """

    __slots__ = ("_body", "_end", "_error", "_interrupted", "_scope", "_tasks")

    def __init__(self, end: "WebSocketEnd") -> None:
        self._end = end
        self._tasks: set[asyncio.Task[Any]] = set()
        self._scope = CancelScope()
        # The task that runs the block, until it waits for the others.
        self._body: asyncio.Task[Any] | None = None
        # True once the block was cancelled, and the tasks with it that had to be.
        self._interrupted = False
        # The first error of a task.
        self._error: BaseException | None = None

    def create_task(
        self, coroutine: Coroutine[Any, Any, Result], *, name: str | None = None
    ) -> "asyncio.Task[Result]":
        """Run a coroutine in the block, as `asyncio.TaskGroup.create_task` does.

        RuntimeError outside the block.
        """
        if self not in self._end.groups:
            coroutine.close()
            raise RuntimeError("this group of tasks is not running: use it in its `async with`")
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._note_done)
        if self._end.ended:
            task.cancel()
        try:
            return task
        finally:
            # The traceback of an eager task that has failed refers to this frame.
            del task

    def cancel_all_but(self, spared: Collection["asyncio.Task[Any] | None"]) -> None:
        """Cancel the tasks and the block, but for those in `spared`."""
        for task in self._tasks:
            if task not in spared:
                task.cancel()
        if self._body is not None and self._body not in spared:
            self._body = None
            self._interrupted = True
            self._scope.cancel()

    def _note_done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None or self._is_end(error):
            return
        if self._error is None:
            self._error = error
            self.cancel_all_but(())
        else:
            tell(error, task)

    def _is_end(self, error: BaseException) -> bool:
        """Return True for an error that only tells that the connection has ended."""
        return isinstance(error, EndOfStream) or (
            isinstance(error, SessionClosed) and self._end.is_closed()
        )

    async def __aenter__(self) -> "TaskGroup":
        if self in self._end.groups:
            raise RuntimeError("this group of tasks is running already")
        self._scope.__enter__()
        self._body = asyncio.current_task()
        self._error = None
        self._interrupted = False
        self._end.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._body = None
        self._end.leave()
        if error is not None and not self._interrupted:
            self.cancel_all_but(())
        # The scope cancels once: what comes behind that is of others. Python 3.10 cannot tell.
        was_told = self._interrupted and isinstance(error, asyncio.CancelledError)
        try:
            late = await self._all_done()
        finally:
            self._end.remove(self)
        error = late or error
        kind = None if error is None else type(error)
        is_own = self._scope.__exit__(kind, error, traceback) and not (was_told and late)
        ended = is_own or (error is not None and self._is_end(error))
        failure, self._error = self._error, None
        try:
            if failure is not None:
                if error is None or ended:
                    raise failure
                tell(failure, None)
            if isinstance(error, asyncio.CancelledError) and not ended:
                raise error
            return ended
        finally:
            # Their tracebacks refer to this frame.
            del failure, error, late

    async def _all_done(self) -> "asyncio.CancelledError | None":
        """Wait for the tasks. Return the cancellation that came meanwhile, which cancels them."""
        cancelled = None
        while self._tasks:
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError as error:
                cancelled = error
                self.cancel_all_but(())
        return cancelled


def tell(error: BaseException, task: "asyncio.Task[Any] | None") -> None:
    """Tell the loop of an error behind another one, which is raised."""
    context: dict[str, Any] = {
        "message": "A task failed while its group ended by another error",
        "exception": error,
    }
    if task is not None:
        context["task"] = task
    asyncio.get_running_loop().call_exception_handler(context)
