"""`Watch`: a block that ends with its visitor, and after its time."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from aiohttp_rawws.proxy.watch import Watch
from aiohttp_rawws.server.refusals import Disconnected
from tests.support.waiting import soon


class Visitor(asyncio.Protocol):
    """A connection of two sockets: `request` is what a watch knows, `peer` the other end."""

    def __init__(self) -> None:
        self.peer, self.ours = socket.socketpair()
        self.transport: Any = None

    async def __aenter__(self) -> "Visitor":
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_connection(lambda: self, sock=self.ours)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.transport.abort()
        self.peer.close()
        await asyncio.sleep(0)

    @property
    def request(self) -> Any:
        return SimpleNamespace(transport=self.transport)


async def test_a_block_that_ends_by_itself() -> None:
    async with Visitor() as visitor:
        with Watch(visitor.request, 60):
            await asyncio.sleep(0)
        with pytest.raises(LookupError), Watch(visitor.request, None):
            raise LookupError


async def test_the_limit() -> None:
    async with Visitor() as visitor:
        with pytest.raises(asyncio.TimeoutError), Watch(visitor.request, 0.01):
            await soon(asyncio.Event().wait())


async def test_a_limit_that_is_lifted() -> None:
    async with Visitor() as visitor:
        with Watch(visitor.request, 0.01) as watch:
            watch.lift_limit()
            await asyncio.sleep(0.05)
            watch.begin_limit()
            await asyncio.sleep(0.05)


async def test_a_limit_that_begins_again() -> None:
    async with Visitor() as visitor:
        with pytest.raises(asyncio.TimeoutError), Watch(visitor.request, 0.01) as watch:
            watch.pause_limit()
            await asyncio.sleep(0.05)
            watch.begin_limit()
            await soon(asyncio.Event().wait())


@pytest.mark.parametrize("paused", [False, True])
async def test_a_visitor_that_leaves(paused: bool) -> None:
    """Noticed though reading is paused and input waits unread."""
    async with Visitor() as visitor:
        if paused:
            visitor.transport.pause_reading()
        with pytest.raises(Disconnected), Watch(visitor.request, None):
            visitor.peer.sendall(b"unread")
            visitor.peer.close()
            await asyncio.wait_for(asyncio.Event().wait(), 2)
        assert visitor.transport.is_closing()


async def test_a_visitor_that_has_left_before() -> None:
    with pytest.raises(Disconnected):
        gone: Any = SimpleNamespace(transport=None)
        with Watch(gone, None):
            await soon(asyncio.Event().wait())


async def test_the_first_reason_counts() -> None:
    async with Visitor() as visitor:
        with pytest.raises(KeyError), Watch(visitor.request, None) as watch:
            watch.end(KeyError())
            watch.end(IndexError())
            await soon(asyncio.Event().wait())


async def test_a_reason_of_the_task_itself() -> None:
    """It counts also where the block fails before it is cancelled, and leaves nothing behind."""
    async with Visitor() as visitor:
        with pytest.raises(KeyError), Watch(visitor.request, None) as watch:
            watch.end(KeyError())
            raise IndexError
        await asyncio.sleep(0.01)
        with Watch(visitor.request, None) as watch:
            watch.end(KeyError())
        await asyncio.sleep(0.01)


async def test_a_cancellation_by_others_goes_on() -> None:
    async def watching() -> None:
        with Watch(visitor.request, None):
            await asyncio.Event().wait()

    async with Visitor() as visitor:
        task = asyncio.create_task(watching())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(task)
