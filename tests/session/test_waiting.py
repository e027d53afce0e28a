"""The future that a receiving task awaits, as the task and the read callback drive it."""

import asyncio
import contextvars
import weakref

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


@pytest.mark.parametrize("direct", [True, False])
async def test_a_task_is_woken_again_and_again_in_its_own_context(direct: bool) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    waiter = Waiter(asyncio.get_running_loop())

    async def wait() -> None:
        while True:
            await waiter
            variable.set(variable.get() + 1)
            woken.append(variable.get())

    woken: list[int] = []
    task = asyncio.ensure_future(wait())
    await turns()
    for _ in range(3):
        asyncio.get_running_loop().call_soon(waiter.wake, direct)
        await turns()
    assert woken == [1, 2, 3]
    assert variable.get() == 0
    task.cancel()
    await asyncio.wait([task])


async def test_one_task_waits_after_another() -> None:
    waiter = Waiter(asyncio.get_running_loop())
    woken: list[int] = []

    async def wait(number: int, times: int) -> None:
        for _ in range(times):
            await waiter
            woken.append(number)

    for number in range(3):
        task = asyncio.ensure_future(wait(number, 2))
        await turns()
        for _ in range(2):
            asyncio.get_running_loop().call_soon(waiter.wake, True)
            await turns()
        assert task.done()
    assert woken == [0, 0, 1, 1, 2, 2]


async def test_one_task_takes_the_place_of_one_that_is_cancelled() -> None:
    waiter = Waiter(asyncio.get_running_loop())
    woken: list[int] = []

    async def wait(number: int) -> None:
        while True:
            await waiter
            woken.append(number)

    tasks = []
    for number in range(2):
        tasks.append(asyncio.ensure_future(wait(number)))
        await turns()
        for _ in range(2):
            asyncio.get_running_loop().call_soon(waiter.wake, True)
            await turns()
        tasks[-1].cancel()
        await turns()
    assert woken == [0, 0, 1, 1]


async def test_each_wait_of_one_that_is_no_task_has_its_own_context() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    waiter = Waiter(asyncio.get_running_loop())
    seen: list[int] = []

    def note(_: object) -> None:
        seen.append(variable.get())
        if len(seen) < 3:
            assert next(waiter, None) is None  # The wait ends.
            wait()

    def wait() -> None:
        context = contextvars.copy_context()
        context.run(variable.set, len(seen))
        next(waiter).add_done_callback(note, context=context)

    wait()
    for _ in range(3):
        asyncio.get_running_loop().call_soon(waiter.wake, True)
        await turns()
    assert seen == [0, 1, 2]


async def test_a_task_that_has_ended_is_not_kept() -> None:
    waiter = Waiter(asyncio.get_running_loop())

    async def wait() -> None:
        for _ in range(2):
            await waiter

    task = asyncio.ensure_future(wait())
    gone = weakref.ref(task)
    await turns()
    for _ in range(2):
        asyncio.get_running_loop().call_soon(waiter.wake, True)
        await turns()
    assert task.done()
    del task
    assert gone() is None
