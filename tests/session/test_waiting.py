"""The future that a receiving task awaits, as the task and the read callback drive it."""

import asyncio
import contextvars

import pytest

from aiohttp_rawws.session.waiting import Waiter
from tests.support.waiting import turns


async def test_a_wake_in_the_context_of_the_task_itself() -> None:
    """A callback of the loop may share it; then the task runs one turn later."""
    woken: list[str] = []
    context = contextvars.copy_context()
    waiter = Waiter(asyncio.get_running_loop())
    next(iter(waiter)).add_done_callback(lambda _: woken.append("woken"), context=context)
    context.run(waiter.wake, True)
    assert woken == []
    await asyncio.sleep(0)
    assert woken == ["woken"]


@pytest.mark.parametrize("order", [(True, True, False), (False, True, True)])
async def test_a_wait_is_woken_once(order: "tuple[bool, ...]") -> None:
    woken: list[str] = []
    waiter = Waiter(asyncio.get_running_loop())
    next(waiter).add_done_callback(
        lambda _: woken.append("woken"), context=contextvars.copy_context()
    )
    for direct in order:
        waiter.wake(direct)
    await turns()
    assert woken == ["woken"]


async def test_a_wait_that_is_cancelled_is_not_woken() -> None:
    woken: list[str] = []
    waiter = Waiter(asyncio.get_running_loop())
    future = next(waiter)
    future.add_done_callback(lambda _: woken.append("woken"), context=contextvars.copy_context())
    assert future.cancel()
    waiter.wake(True)
    assert woken == []
    await turns()
    assert woken == ["woken"]
