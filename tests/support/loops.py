"""The event loops that the tests run on."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.waiting import PATIENCE, Result

try:
    import uvloop
except ImportError:  # pragma: no cover - Windows
    LOOPS: "dict[str, Callable[[], asyncio.AbstractEventLoop]]" = {
        "asyncio": asyncio.new_event_loop
    }
else:
    LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
import asyncio

import pytest


def eager(factory: "Callable[[], asyncio.AbstractEventLoop]") -> asyncio.AbstractEventLoop:
    """Return a loop that starts each task at once."""
    loop = factory()
    loop.set_task_factory(begun)
    return loop


def begun(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
    """Do as `asyncio.eager_task_factory`, which does not take uvloop's `eager_start` everywhere."""
    options["eager_start"] = True
    return asyncio.Task(coroutine, loop=loop, **options)


def run(
    new_loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, Result]
) -> Result:
    """Run a program as `asyncio.run` does, on a loop of that kind, and leave nothing behind.

    An exception that ends the program may be raised again by each task that waits for its source.
    """
    loop = new_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(asyncio.wait(left, timeout=PATIENCE))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


#: For tests of another process, which has a loop of its own.
ONE_LOOP = pytest.mark.asyncio(loop_factories=["asyncio"])
