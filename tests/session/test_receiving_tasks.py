"""Tasks that are cancelled while they receive, and two that receive at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession
from tests.support.conversation import CLOSE, HEARD, SPOKEN
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import Serve
from tests.support.waiting import turns
from tests.support.ways import all_frames, take_nowait
from tests.support.wire import Wire


async def test_a_frame_survives_every_cancelled_receive(serve: Serve) -> None:
    """Whatever the moment: before the frame, with it, or after the task was woken for it."""
    chance = random.Random(1)
    received: list[Frame] = []
    async with both_ends(serve) as (session, wire):
        for number in range(500):
            receiving = asyncio.create_task(session.receive())
            if chance.random() < 0.8:
                wire.send(masked(0x81, str(number).encode()))
            await turns(chance.randrange(5))
            receiving.cancel()
            try:
                received.append(await receiving)
            except asyncio.CancelledError:
                continue
        wire.send(CLOSE)
        received += await all_frames(session)
    numbers = [int(frame.payload) for frame in received[:-1]]
    assert numbers == sorted(set(numbers))
    chance = random.Random(1)
    sent = [number for number in range(500) if (chance.random() < 0.8, chance.randrange(5))[0]]
    assert numbers == sent


async def send_now_and_then(wire: Wire, pause: float) -> None:
    for number in range(100):
        wire.send(masked(0x81, str(number).encode()))
        await asyncio.sleep(pause)


@pytest.mark.parametrize("timeout", [0.0001, 0.001])
async def test_a_frame_survives_every_timeout(serve: Serve, timeout: float) -> None:
    async with both_ends(serve) as (session, wire):
        sending = asyncio.create_task(send_now_and_then(wire, timeout))
        received: list[bytes] = []
        while len(received) < 100:
            try:
                frame = await asyncio.wait_for(session.receive(), timeout)
            except asyncio.TimeoutError:
                continue
            received.append(frame.payload)
        assert received == [str(number).encode() for number in range(100)]
        await sending


async def test_cancelled_in_the_turn_in_which_the_stream_ends(serve: Serve) -> None:
    """The task is woken already; the cancellation still reaches it."""
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(session.receive())
        closing = asyncio.create_task(session.wait_closed())
        closing.add_done_callback(lambda _: receiving.cancel())
        await turns()
        wire.end()
        await asyncio.wait([receiving])
        assert receiving.cancelled() or isinstance(receiving.exception(), EndOfStream)
        with pytest.raises(EndOfStream):
            await session.receive()


async def start(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


SECOND: dict[str, Callable[[RawWebSocketSession], Awaitable[object]]] = {
    "receive": lambda session: session.receive(),
    "receive_nowait": take_nowait,
    "async for": lambda session: anext(aiter(session)),
    "batches": lambda session: anext(session.batches()),
    "pieces": lambda session: anext(session.pieces()),
}


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", [name for name in SECOND if name != "receive_nowait"])
async def test_one_task_receives_at_a_time(serve: Serve, first: str, second: str) -> None:
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.create_task(start(SECOND[first](session)))
        await turns()
        with pytest.raises(RuntimeError, match="another task"):
            await SECOND[second](session)
        wire.send(masked(0x89, b"for the first"))
        got = await receiving
        assert (got[0] if isinstance(got, list) else got) == Frame.ping(b"for the first")


async def test_one_task_after_another_may_receive(serve: Serve) -> None:
    async with both_ends(serve, behind=SPOKEN) as (session, _):
        tasks = [await asyncio.create_task(session.receive()) for _ in HEARD]
        assert tasks == HEARD


async def test_a_shielded_receive_goes_on(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        receiving = asyncio.ensure_future(session.receive())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(receiving), 0.001)
        wire.send(masked(0x89))
        assert await receiving == Frame.ping()
