"""Several event loops, each in a thread of its own, in one process."""

import asyncio
import random
import sys
import threading
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from aiohttp_rawws import Frame, RawWebSocketSession, connect
from tests.support.deflate import pair
from tests.support.loops import LOOPS, run
from tests.support.servers import BOTH, Contexts, application, connector_to, running
from tests.support.waiting import patience

THREADS = 2
SIZES = (0, 1, 125, 126, 1000, 16_000, 17_000, 70_000, 100_000, 300_000)


@pytest.fixture(autouse=True)
def threads_that_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


async def answer(session: RawWebSocketSession) -> None:
    """Send each frame twice: at once, and as one that may have to wait."""
    async for frame in session:
        session.send_nowait(frame)
        await session.send(frame)


async def exchange(session: RawWebSocketSession, rng: random.Random, filling: bytes) -> None:
    """Send bursts of frames and compare all that comes back."""
    for _ in range(15):
        frames = [
            Frame.binary(filling * (size // len(filling)) + filling[: size % len(filling)])
            for size in rng.choices(SIZES, k=8)
        ]
        for frame in frames:
            session.send_nowait(frame)
        for frame in frames:
            for _ in range(2):
                assert await session.receive() == frame


async def converse(thread: int, contexts: "Contexts | None") -> None:
    """Serve, and be the clients of it, on the loop of one thread."""
    async with (
        patience(),
        running(application(answer), contexts) as (_, address),
        aiohttp.ClientSession(connector=connector_to(address)) as http,
    ):

        async def visit(number: int) -> None:
            filling = bytes([thread, number]) + random.Random(number).randbytes(61)
            async with connect(http, address.url()) as session:
                await exchange(session, random.Random(number), filling)
                await session.close()

        await asyncio.gather(*map(visit, range(4)))


def in_threads(function: Callable[[int], None]) -> None:
    """Run a function in each thread, all at the same time; raise what it raises."""
    raised: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def play(number: int) -> None:
        try:
            start.wait()
            function(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=play, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


@BOTH
@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_mixes(contexts: Contexts, loop: str, tls: bool) -> None:
    def serve_and_visit(thread: int) -> None:
        run(LOOPS[loop], converse(thread, contexts if tls else None))

    in_threads(serve_and_visit)


def test_compressors_that_are_shared() -> None:
    """Those without context takeover borrow them from each other, in whatever thread they are."""

    def compress(thread: int) -> None:
        server, client = pair(server_no_context_takeover=True)
        for number in range(5000):
            frame = Frame.text(f"{thread} {number}" * 20)
            assert client.decode(server.encode(frame)) == frame

    in_threads(compress)
