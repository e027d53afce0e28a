"""Work that a signal ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..testing.ending import end_tasks
from .ending import Stop

__all__ = ("run_until",)

T = TypeVar("T")


async def run_until(stop: Stop, work: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine until it is done, or cancel it when `stop` is requested: None then."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks([working, stopping])
    return None if working.cancelled() else working.result()
