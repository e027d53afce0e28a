"""A block that is ended from outside, and cancellations of its task."""

import asyncio
import contextlib
import sys
from collections.abc import Callable

import pytest

from aiohttp_rawws.session.cancel_scope import CancelScope
from tests.support.waiting import is_cancelled, soon

LONG = 3600


async def test_an_interruption_that_comes_in_time() -> None:
    loop = asyncio.get_running_loop()
    passed = False
    with CancelScope() as block:
        loop.call_soon(block.cancel)
        await asyncio.sleep(LONG)
        passed = True
    assert not passed
    assert not is_cancelled()


async def test_none_comes() -> None:
    with CancelScope():
        await asyncio.sleep(0)
    with pytest.raises(KeyError), CancelScope():
        raise KeyError
    with pytest.raises(asyncio.CancelledError), CancelScope():
        raise asyncio.CancelledError


async def test_a_block_that_turns_an_interruption_into_an_error() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(KeyError), CancelScope() as block:
        loop.call_soon(block.cancel)
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            raise KeyError from None
    assert not is_cancelled()


async def test_a_block_that_does_not_heed_it_is_interrupted_again() -> None:
    loop = asyncio.get_running_loop()
    with CancelScope() as block:
        loop.call_soon(block.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(LONG)
        loop.call_soon(block.cancel)
        await asyncio.sleep(LONG)
    assert not is_cancelled()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 does not count cancellations")
@pytest.mark.parametrize("first", [True, False])
async def test_another_cancellation_goes_on(first: bool) -> None:
    """Also in the same turn of the loop."""

    async def run() -> None:
        with CancelScope() as block:
            task = asyncio.current_task()
            assert task is not None
            calls: list[Callable[[], object]] = [block.cancel, task.cancel]
            for call in calls if first else reversed(calls):
                loop.call_soon(call)
            await asyncio.sleep(LONG)

    loop = asyncio.get_running_loop()
    task = asyncio.create_task(run())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_task_that_was_cancelled_before() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            with CancelScope() as block:
                loop.call_soon(block.cancel)
                await asyncio.sleep(LONG)
            raise KeyError from None

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(KeyError):
        await task


async def test_one_within_another() -> None:
    """The outer one ends the outer block, whatever the inner one waits for."""
    loop = asyncio.get_running_loop()
    reached = []
    with CancelScope() as outer:
        with CancelScope():
            loop.call_soon(outer.cancel)
            await asyncio.sleep(LONG)
        reached.append("between")
    with CancelScope():
        with CancelScope() as inner:
            loop.call_soon(inner.cancel)
            await asyncio.sleep(LONG)
        reached.append("behind")
    assert reached == ["behind"]


async def test_only_a_task_can_be_interrupted() -> None:
    loop = asyncio.get_running_loop()
    told = loop.create_future()

    def callback() -> None:
        try:
            CancelScope().__enter__()
        except RuntimeError as error:
            told.set_exception(error)

    loop.call_soon(callback)
    with pytest.raises(RuntimeError, match="task"):
        await soon(told)
