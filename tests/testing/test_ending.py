"""Tasks that are ended."""

import asyncio

from aiohttp_rawws.testing.ending import end_tasks
from tests.support.waiting import soon


async def test_tasks_end() -> None:
    done = asyncio.ensure_future(asyncio.sleep(0))
    await done
    waiting = asyncio.ensure_future(asyncio.sleep(1000))
    await soon(end_tasks([done, waiting]))
    assert not done.cancelled()
    assert waiting.cancelled()


async def test_one_that_does_not_hear_at_once_is_told_again() -> None:
    async def deaf() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(1000)

    task = asyncio.ensure_future(deaf())
    await asyncio.sleep(0)
    await soon(end_tasks([task]))
    assert task.cancelled()
