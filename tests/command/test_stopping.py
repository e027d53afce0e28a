"""Work that a signal ends."""

import asyncio

import pytest

from aiohttp_rawws.command.ending import Stop
from aiohttp_rawws.command.stopping import run_until
from tests.support.waiting import soon


async def test_work_that_comes_to_its_end() -> None:
    assert await soon(run_until(Stop(), asyncio.sleep(0, "done"))) == "done"


async def test_an_error_is_raised() -> None:
    async def fails() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await soon(run_until(Stop(), fails()))


async def test_a_stop_ends_it() -> None:
    ended = False

    async def work() -> str:
        nonlocal ended
        try:
            return await asyncio.sleep(1000, "done")
        finally:
            ended = True

    stop = Stop()
    asyncio.get_running_loop().call_soon(stop.request)
    assert await soon(run_until(stop, work())) is None
    assert ended
