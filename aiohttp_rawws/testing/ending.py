"""Tasks that are ended."""

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ("end_tasks",)

#: How long to wait until a task is cancelled once more, in seconds.
AGAIN = 0.05


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
