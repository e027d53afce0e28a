"""Waits that end, and tasks that are ended."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

from ..session.cancel_scope import CancelScope

__all__ = ("end_tasks", "in_time")

T = TypeVar("T")

#: How long to wait until a task is cancelled once more, in seconds.
AGAIN = 0.05


async def in_time(doing: Awaitable[T], seconds: float | None) -> T:
    """Wait for something for some seconds, without end for None. Raises TimeoutError.

    It runs in this task. So a cancellation that comes together with the result is not lost, as by
    `asyncio.wait_for` before Python 3.12.
    """
    with CancelScope() as scope:
        alarm = None
        if seconds is not None:
            alarm = asyncio.get_running_loop().call_later(seconds, scope.cancel)
        try:
            return await doing
        finally:
            if alarm is not None:
                alarm.cancel()
    raise TimeoutError


async def end_tasks(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel tasks, and wait for their end.

    `asyncio.wait_for` of Python 3.10 and 3.11 can lose a cancellation: so they are cancelled until
    they have ended.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN)
