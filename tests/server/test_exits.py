"""SystemExit and KeyboardInterrupt end the program, also from a task that a read has woken."""

import asyncio
import contextlib
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import pytest

from aiohttp_rawws import Frame, RawWebSocketSession, connect
from tests.support.loops import LOOPS, run
from tests.support.servers import BOTH, Contexts, Handler, application, echo, running
from tests.support.waiting import soon

NewLoop = Callable[[], asyncio.AbstractEventLoop]
Receive = Callable[[RawWebSocketSession], Awaitable[None]]

EVERY_LOOP = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=list(LOOPS))
EVERY_END = pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Have the tasks of a test log their exceptions in it, not in a later test."""
    yield
    gc.collect()


@contextlib.asynccontextmanager
async def served(handler: Handler, tls: "Contexts | None") -> AsyncIterator[RawWebSocketSession]:
    """A client of a server that runs the handler."""
    async with (
        running(application(handler), tls) as (_, address),
        aiohttp.ClientSession() as http,
        connect(http, address.url(), ssl=address.ssl or True) as session,
    ):
        yield session


async def by_receive(session: RawWebSocketSession) -> None:
    await session.receive()


async def by_iteration(session: RawWebSocketSession) -> None:
    async for _ in session:
        return


async def by_batches(session: RawWebSocketSession) -> None:
    async for _ in session.batches():
        return


async def in_a_task(session: RawWebSocketSession) -> None:
    await asyncio.create_task(by_receive(session))


@EVERY_END
@pytest.mark.parametrize("receive", [by_receive, by_iteration, by_batches, in_a_task])
@BOTH
@EVERY_LOOP
def test_a_handler_ends_the_program(
    contexts: Contexts, new_loop: NewLoop, tls: bool, receive: Receive, error: type[BaseException]
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        await receive(session)
        raise error(3)

    async def main() -> None:
        async with served(handler, contexts if tls else None) as session:
            await session.send(Frame.text("end"))
            await soon(session.wait_closed())
            await asyncio.sleep(0.1)
            raise AssertionError("the program goes on")

    with pytest.raises(error) as raised:
        run(new_loop, main())
    assert raised.value.args == (3,)


@EVERY_END
@BOTH
@EVERY_LOOP
def test_a_task_of_a_client_ends_the_program(
    contexts: Contexts, new_loop: NewLoop, tls: bool, error: type[BaseException]
) -> None:
    async def end(session: RawWebSocketSession) -> None:
        await session.receive()
        raise error(3)

    async def main() -> None:
        async with served(echo, contexts if tls else None) as session:
            ending = asyncio.create_task(end(session))
            await session.send(Frame.text("end"))
            await asyncio.wait([ending], timeout=20)
            await asyncio.sleep(0.1)
            raise AssertionError("the program goes on")

    with pytest.raises(error) as raised:
        run(new_loop, main())
    assert raised.value.args == (3,)


@EVERY_LOOP
def test_what_was_sent_before_leaves(new_loop: NewLoop) -> None:
    """Also to the others: they are gathered in one read."""
    frames: list[Frame] = []

    async def main() -> None:
        members: list[RawWebSocketSession] = []

        async def handler(session: RawWebSocketSession) -> None:
            members.append(session)
            frame = await session.receive()
            for member in members:
                await member.send(frame)
            raise SystemExit(3)

        async with (
            running(application(handler)) as (_, address),
            aiohttp.ClientSession() as http,
            connect(http, address.url()) as other,
            connect(http, address.url()) as session,
        ):
            await session.send(Frame.text("end"))
            try:
                await asyncio.sleep(20)
            finally:
                frames.append(await soon(other.receive()))

    with pytest.raises(SystemExit):
        run(new_loop, main())
    assert frames == [Frame.text("end")]


CODE = """
import asyncio, sys, aiohttp
from aiohttp import web
from aiohttp_rawws import Frame, add_raw_websocket, connect, setup

async def handler(session):
    await session.receive()
    {end}

async def main():
    app = web.Application()
    setup(app)
    add_raw_websocket(app.router, "/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as http, connect(http, f"ws://{{host}}:{{port}}") as session:
        await session.send(Frame.text("end"))
        await asyncio.sleep(20)

import {loop}
{loop}.run(main())
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [("sys.exit(3)", 3), ("raise KeyboardInterrupt", -2)],
    ids=["exit", "interrupt"],
)
@pytest.mark.parametrize("loop", LOOPS)
def test_the_code_that_the_process_ends_with(loop: str, end: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(loop=loop, end=end)], capture_output=True, timeout=60
    )
    assert done.returncode == code
    assert b"Fatal error" not in done.stderr
