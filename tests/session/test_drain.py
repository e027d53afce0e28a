"""Sends that wait until the peer reads."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aiohttp_rawws import Frame, RawWebSocketSession, SessionClosed
from tests.support.ends import both_ends
from tests.support.servers import BOTH, Serve
from tests.support.sockets import BIG, read_again, refuse_to_read, reset
from tests.support.waiting import turns


async def test_a_send_that_fills_nothing_never_gives_way(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        others: list[str] = []
        asyncio.get_running_loop().call_soon(others.append, "ran")
        for _ in range(100):
            await session.send(Frame.ping())
            await session.drain()
        assert others == []
        assert await wire.read(200) == b"\x89\x00" * 100


WAIT: dict[str, Callable[[RawWebSocketSession], Awaitable[None]]] = {
    "send": lambda session: session.send(Frame.ping()),
    "drain": RawWebSocketSession.drain,
    "close": RawWebSocketSession.close,
}
WAITING = pytest.mark.parametrize("wait", WAIT.values(), ids=WAIT)


@BOTH
@WAITING
async def test_waiting_for_a_peer_that_does_not_read(
    serve: Serve, wait: Callable[[RawWebSocketSession], Awaitable[None]], tls: bool
) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        for _ in range(2):
            session.send_nowait(Frame.binary(bytes(BIG)))
        assert session.write_backlog > BIG / 2
        waiting = asyncio.ensure_future(wait(session))
        await turns(100)
        assert not waiting.done()
        read_again(wire)
        for _ in range(2):
            assert await wire.read(BIG + 10) == Frame.binary(bytes(BIG)).encode()
        await waiting


@BOTH
async def test_send_nowait_never_waits(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        for _ in range(3):
            session.send_nowait(Frame.binary(bytes(BIG)))
        session.send_nowait(Frame.ping())
        assert session.write_backlog > 1.5 * BIG
        read_again(wire)
        for _ in range(3):
            await wire.read(BIG + 10)
        assert await wire.read(2) == b"\x89\x00"
        assert session.write_backlog == 0


async def test_a_cancelled_send_has_sent_its_frame(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        sending = asyncio.create_task(session.send(Frame.binary(bytes(BIG))))
        await turns()
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
        session.send_nowait(Frame.ping())
        read_again(wire)
        await wire.read(BIG + 10)
        assert await wire.read(2) == b"\x89\x00"


async def test_several_tasks_may_send(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        refuse_to_read(session, wire)
        frames = [Frame.binary(bytes([n]) * (BIG // 8)) for n in range(8)]
        sending = [asyncio.create_task(session.send(frame)) for frame in frames]
        await turns()
        read_again(wire)
        for frame in frames:
            data = frame.encode()
            assert await wire.read(len(data)) == data
        await asyncio.gather(*sending)


@BOTH
async def test_a_lost_peer_wakes_everyone(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        refuse_to_read(session, wire)
        session.send_nowait(Frame.binary(bytes(BIG)))
        sending = asyncio.create_task(session.send(Frame.binary(bytes(BIG))))
        draining = asyncio.create_task(session.drain())
        closing = asyncio.create_task(session.close())
        waiting = asyncio.create_task(session.wait_closed())
        receiving = asyncio.create_task(session.receive())
        await turns(50)
        reset(wire)
        tasks = [sending, draining, closing, waiting, receiving]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result).__name__ for result in results] == [
            "SessionClosed",
            "SessionClosed",
            "NoneType",  # close() is quiet
            "NoneType",
            "EndOfStream",
        ]
        assert isinstance(session.exception, ConnectionError)
        for result in (results[0], results[1], results[4]):
            assert isinstance(result, BaseException)
            assert result.__cause__ is session.exception


@BOTH
async def test_a_task_that_only_sends_hears_of_a_lost_peer(serve: Serve, tls: bool) -> None:
    """Though it never gives way to the loop, which would tell."""
    async with both_ends(serve, tls=tls) as (session, wire):
        reset(wire)
        await asyncio.sleep(0)
        with pytest.raises(SessionClosed):
            for _ in range(1000):
                await session.send(Frame.binary(bytes(300_000)))
