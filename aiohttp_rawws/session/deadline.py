"""Waits that end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from .cancel_scope import CancelScope

__all__ = ("in_time",)

T = TypeVar("T")


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
