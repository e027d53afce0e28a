"""Bounded waits: no await of a test lasts longer than PATIENCE."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

#: No await of a test should ever last this long, in seconds.
PATIENCE = 20
Result = TypeVar("Result")


async def soon(awaitable: Awaitable[Result]) -> Result:
    """Return the result of `awaitable`, or raise TimeoutError after PATIENCE."""
    return await asyncio.wait_for(awaitable, PATIENCE)


@contextlib.asynccontextmanager
async def patience() -> AsyncIterator[None]:
    """Bound all that is awaited in the block, without a task of its own."""
    task = asyncio.current_task()
    assert task is not None
    expired = asyncio.Event()

    def expire() -> None:
        expired.set()
        task.cancel()

    alarm = asyncio.get_running_loop().call_later(PATIENCE, expire)
    try:
        yield
    except asyncio.CancelledError:
        if not expired.is_set():
            raise
        raise TimeoutError(f"still waiting after {PATIENCE} s") from None
    finally:
        alarm.cancel()


async def turns(number: int = 20) -> None:
    """Run the loop for some iterations, enough for what is ready and what that makes ready."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that no event signals."""
    async with patience():
        while not condition():
            await asyncio.sleep(0)


def is_cancelled() -> bool:
    """Return True if a cancellation of the current task is pending."""
    task = asyncio.current_task()
    assert task is not None
    return sys.version_info >= (3, 11) and task.cancelling() > 0
