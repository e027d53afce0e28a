"""The event loops that the tests run on."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import aiofastnet
import pytest

from tests.support.waiting import PATIENCE, Result

try:
    import uvloop
except ImportError:  # pragma: no cover - Windows
    LOOPS: "dict[str, Callable[[], asyncio.AbstractEventLoop]]" = {
        "asyncio": asyncio.new_event_loop
    }
else:
    LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def eager(factory: "Callable[[], asyncio.AbstractEventLoop]") -> asyncio.AbstractEventLoop:
    """Return a loop that starts each task at once."""
    loop = factory()
    loop.set_task_factory(begun)
    return loop


def begun(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
    """Do as `asyncio.eager_task_factory`, which does not take uvloop's `eager_start` everywhere."""
    options["eager_start"] = True
    return asyncio.Task(coroutine, loop=loop, **options)


def fast(factory: "Callable[[], asyncio.AbstractEventLoop]") -> asyncio.AbstractEventLoop:
    """Return a loop on which aiohttp's connections have the transports of aiofastnet."""
    return patched(factory())


def patched(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Have the connections of aiohttp use the transports of aiofastnet, as its next release does.

    A peer that a test plays by hand, over asyncio's streams, keeps the loop's own.
    """
    for name in ("create_connection", "create_server"):
        for method in (name, name.replace("_", "_unix_")):
            own = getattr(loop, method)
            setattr(loop, method, partial(make, loop, own, getattr(aiofastnet, method)))
    for method in ("sendfile", "start_tls"):
        own = getattr(loop, method)
        setattr(loop, method, partial(go_on, loop, own, getattr(aiofastnet, method)))
    return loop


def make(loop: Any, own: Any, of_aiofastnet: Any, factory: Any, *args: Any, **options: Any) -> Any:
    """Call the one or the other, for a protocol factory."""
    if getattr(factory, "__module__", "") == "asyncio.streams":
        return own(factory, *args, **options)
    return of_aiofastnet(loop, factory, *args, **options)


def go_on(
    loop: Any, own: Any, of_aiofastnet: Any, transport: Any, *args: Any, **options: Any
) -> Any:
    """Call the one or the other, for a transport."""
    if isinstance(transport, aiofastnet.Transport):
        return of_aiofastnet(loop, transport, *args, **options)
    return own(transport, *args, **options)


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
