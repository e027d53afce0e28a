"""Waits that end."""

import asyncio

import pytest

from aiohttp_rawws.session.deadline import in_time
from tests.support.waiting import soon


async def test_in_time() -> None:
    assert await in_time(asyncio.sleep(0, "done"), 10) == "done"
    assert await in_time(asyncio.sleep(0, "done"), None) == "done"
    with pytest.raises(KeyError):
        await in_time(fails(), 10)


async def fails() -> None:
    raise KeyError


async def test_too_late() -> None:
    for seconds in (0, 0.01):
        with pytest.raises(TimeoutError):
            await in_time(asyncio.sleep(1000), seconds)
    with pytest.raises(TimeoutError):
        await in_time(in_time(asyncio.sleep(1000), 0.01), 0.01)
    # Nothing of it comes later.
    await asyncio.sleep(0.02)


async def test_a_cancellation_together_with_the_result() -> None:
    come = asyncio.Event()
    task = asyncio.ensure_future(in_time(come.wait(), 1000))
    await asyncio.sleep(0)
    come.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(task)
