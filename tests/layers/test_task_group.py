"""Tasks beside the one that receives."""

import asyncio
import contextlib
import gc
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aiohttp_rawws import SessionClosed, Violation
from aiohttp_rawws.layers import TaskGroup, WebSocketSession
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import Serve
from tests.support.waiting import is_cancelled, soon, turns, until
from tests.support.wire import Wire

NORMAL = b"\x03\xe8"
Ending = Callable[[Wire], None]
ENDINGS = pytest.mark.parametrize(
    "end",
    [
        lambda wire: wire.send(masked(0x88, NORMAL)),
        lambda wire: wire.end(),
        lambda wire: wire.transport.abort(),
    ],
    ids=["close", "fin", "reset"],
)


@contextlib.asynccontextmanager
async def both(serve: Serve, **options: Any) -> AsyncIterator[tuple[WebSocketSession, Wire]]:
    async with both_ends(serve, linger=0.1) as (session, wire):
        yield WebSocketSession(session, **{"close_timeout": 0.1, **options}), wire


async def forever() -> None:
    await asyncio.Event().wait()


async def receive(websocket: WebSocketSession, seen: list[Any]) -> None:
    async for message in websocket:
        seen.append(message.data)
    await asyncio.sleep(0)
    seen.append("end")


# -- the connection ends ---------------------------------------------------------------------------


@ENDINGS
async def test_the_body_receives(serve: Serve, end: Ending) -> None:
    async with both(serve) as (websocket, wire):
        seen: list[Any] = []
        async with websocket.task_group() as group:
            pusher = group.create_task(forever(), name="pusher")
            assert pusher.get_name() == "pusher"
            wire.send(masked(0x81, b"a"))
            await asyncio.sleep(0.05)
            end(wire)
            await receive(websocket, seen)
        assert seen[-1] == "end"
        assert pusher.cancelled()
        assert not is_cancelled()


@ENDINGS
async def test_a_task_receives(serve: Serve, end: Ending) -> None:
    async with both(serve, close_timeout=5) as (websocket, wire):
        seen: list[Any] = []
        async with websocket.task_group() as group:
            group.create_task(receive(websocket, seen))
            await asyncio.sleep(0)
            end(wire)
            await forever()
        assert seen == ["end"]
        assert not is_cancelled()


@ENDINGS
async def test_nobody_receives(serve: Serve, end: Ending) -> None:
    async with both(serve) as (websocket, wire):
        async with websocket.task_group() as group:
            task = group.create_task(forever())
            end(wire)
            await forever()
        assert task.cancelled()
        assert not is_cancelled()


async def test_the_server_ends_first(serve: Serve) -> None:
    async with both(serve, close_timeout=5) as (websocket, wire):
        seen: list[Any] = []

        async def close() -> None:
            await websocket.send_str("last")
            await websocket.close()
            seen.append("closed")

        async with websocket.task_group() as group:
            group.create_task(close())
            group.create_task(forever())
            receiving = asyncio.ensure_future(wire.read_frame())
            group.create_task(receive(websocket, seen))
            await asyncio.sleep(0.02)
            assert await receiving == (0x81, b"last")
            assert await wire.read_frame() == (0x88, NORMAL)
            wire.send(masked(0x88, NORMAL))
            await forever()
        assert sorted(seen) == ["closed", "end"]


@pytest.mark.parametrize("busy", [False, True])
async def test_one_closes_and_the_body_goes_on_to_the_end(serve: Serve, busy: bool) -> None:
    """Whether or not it has something else to do meanwhile."""
    async with both(serve, close_timeout=5) as (websocket, wire):
        seen: list[Any] = []
        closed = asyncio.Event()

        async def close() -> None:
            # An eager one would run before the body receives.
            await turns()
            if busy:
                await until(lambda: seen == ["a"])
            closing = asyncio.ensure_future(wire.read_frame())
            await websocket.close()
            assert (await closing)[0] == 0x88
            closed.set()
            await until(lambda: seen[-1] == "end")
            seen.append("closed")

        async def answer() -> None:
            await until(lambda: websocket.session.close_sent is not None)
            wire.send((b"" if busy else masked(0x81, b"a")) + masked(0x81, b"b"))
            wire.send(masked(0x88, NORMAL))

        answering = asyncio.ensure_future(answer())
        async with websocket.task_group() as group:
            group.create_task(close())
            if busy:
                wire.send(masked(0x81, b"a"))
            async for message in websocket:
                seen.append(message.data)
                await closed.wait()
            seen.append("end")
        assert seen == ["a", "b", "end", "closed"]
        assert websocket.close_code == 1000
        await answering


async def test_a_peer_that_goes_on_after_its_close(serve: Serve) -> None:
    """Whoever receives is not cancelled where AFTER_CLOSE is let pass, either."""
    reject = Violation.ALL & ~Violation.AFTER_CLOSE
    async with both_ends(serve, reject=reject) as (session, wire):
        websocket = WebSocketSession(session)
        seen: list[Any] = []
        async with websocket.task_group() as group:
            group.create_task(receive(websocket, seen))
            await asyncio.sleep(0)
            wire.send(masked(0x88, NORMAL))
            asyncio.get_running_loop().call_later(0.05, wire.end)
            await websocket.close()
        assert seen == ["end"]


async def test_a_task_that_receives_no_more(serve: Serve) -> None:
    async with both(serve) as (websocket, wire):

        async def receive_one() -> None:
            await websocket.receive()
            wire.send(masked(0x88, NORMAL))
            await forever()

        async with websocket.task_group() as group:
            task = group.create_task(receive_one())
            await asyncio.sleep(0)
            wire.send(masked(0x81, b"a"))
            await asyncio.sleep(0.02)
            await websocket.close()
        assert task.cancelled()


async def test_a_receiver_that_is_slow(serve: Serve) -> None:
    """It is not cancelled as long as it goes on receiving."""
    async with both(serve, close_timeout=0.2) as (websocket, wire):
        got = []
        async with websocket.task_group() as group:
            group.create_task(forever())
            wire.send(b"".join(masked(0x81, b"%d" % number) for number in range(8)))
            wire.send(masked(0x88))
            async for message in websocket:
                await asyncio.sleep(0.05)
                got.append(message.data)
        assert got == list("01234567")


async def test_a_pusher_after_a_fin(serve: Serve) -> None:
    """It may notice before the one that receives, which has something to do."""
    async with both(serve, close_timeout=5) as (websocket, wire):

        async def push() -> None:
            while True:
                await websocket.send_str("a")
                await asyncio.sleep(0)

        async with websocket.task_group() as group:
            wire.send(masked(0x81, b"a"))
            async for _ in websocket:
                pusher = group.create_task(push())
                wire.end()
                await asyncio.wait([pusher])
        assert isinstance(pusher.exception(), SessionClosed)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of it")
async def test_a_peer_that_ends_while_nothing_is_read(serve: Serve) -> None:
    async with both_ends(serve, linger=0.1) as (session, wire):
        async with (
            WebSocketSession(session, heartbeat=(0.05, 0.05), close_timeout=0.1) as websocket,
            websocket.task_group() as group,
        ):
            task = group.create_task(forever())
            while not session.reading_paused:
                wire.send(masked(0x82, bytes(10_000)))
                await asyncio.sleep(0)
            wire.transport.abort()
            await forever()
        assert task.cancelled()


async def test_a_pusher_that_sends_on(serve: Serve) -> None:
    """That nothing can be sent any more is no error at the end."""
    async with both(serve) as (websocket, wire):

        async def push() -> None:
            while True:
                await websocket.send_str("a")
                await asyncio.sleep(0)

        async with websocket.task_group() as group:
            group.create_task(push())
            wire.send(masked(0x88))
            async for _ in websocket:
                pass
            await websocket.send_str("a")


async def test_after_the_end(serve: Serve) -> None:
    async with both(serve) as (websocket, wire):
        wire.send(masked(0x88))
        assert [message async for message in websocket] == []
        async with websocket.task_group() as group:
            task = group.create_task(forever())
        assert task.cancelled()


# -- the block ends --------------------------------------------------------------------------------


async def test_it_waits_for_its_tasks(serve: Serve) -> None:
    async with both(serve) as (websocket, _):
        go_on = asyncio.Event()

        async def work() -> int:
            await go_on.wait()
            return 7

        async with websocket.task_group() as group:
            task = group.create_task(work())
            asyncio.get_running_loop().call_later(0.02, go_on.set)
        assert task.result() == 7
        assert not websocket.closed


async def fail(error: BaseException) -> None:
    raise error


async def test_the_error_of_a_task(serve: Serve) -> None:
    async with both(serve) as (websocket, _):
        group = websocket.task_group()
        with pytest.raises(ZeroDivisionError):
            async with group:
                other = group.create_task(forever())
                group.create_task(fail(ZeroDivisionError()))
                await forever()
        assert other.cancelled()
        assert not is_cancelled()
        # It may serve again.
        async with group:
            pass


async def test_an_error_while_the_block_waits(serve: Serve) -> None:
    async with both(serve) as (websocket, _):
        with pytest.raises(ZeroDivisionError):
            async with websocket.task_group() as group:
                group.create_task(forever())
                group.create_task(fail(ZeroDivisionError()))


async def test_the_error_of_the_body(serve: Serve) -> None:
    async with both(serve) as (websocket, _):
        with pytest.raises(ZeroDivisionError):
            async with websocket.task_group() as group:
                task = group.create_task(forever())
                await asyncio.sleep(0)
                raise ZeroDivisionError
        assert task.cancelled()


async def test_no_error_is_lost(serve: Serve) -> None:
    told: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: told.append(context["exception"])
    )

    async def late() -> None:
        try:
            await forever()
        finally:
            raise KeyError("late")

    async with both(serve) as (websocket, _):
        with pytest.raises(ZeroDivisionError):
            async with websocket.task_group() as group:
                group.create_task(late())
                await asyncio.sleep(0)
                group.create_task(fail(ZeroDivisionError()))
        assert [repr(error) for error in told] == ["KeyError('late')"]
        with pytest.raises(ZeroDivisionError):
            async with websocket.task_group() as group:
                group.create_task(late())
                await asyncio.sleep(0)
                raise ZeroDivisionError
        assert [repr(error) for error in told] == ["KeyError('late')"] * 2
    gc.collect()


async def test_session_closed_by_mistake(serve: Serve) -> None:
    """On a connection that has not ended it is an error like any other."""
    async with both(serve) as (websocket, _):
        with pytest.raises(SessionClosed):
            async with websocket.task_group() as group:
                group.create_task(fail(SessionClosed("another one")))
                await forever()


@pytest.mark.parametrize("body_waits", [True, False])
async def test_a_cancellation(serve: Serve, body_waits: bool) -> None:
    async with both(serve) as (websocket, _):
        tasks: list[asyncio.Task[None]] = []

        async def run() -> None:
            async with websocket.task_group() as group:
                tasks.append(group.create_task(forever()))
                if body_waits:
                    await forever()

        running = asyncio.ensure_future(run())
        await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(running)
        assert tasks[0].cancelled()


async def test_a_cancellation_behind_the_end(serve: Serve) -> None:
    """It is not taken for that of the end."""
    async with both(serve) as (websocket, wire):
        interrupted = asyncio.Event()

        async def slow() -> None:
            try:
                await forever()
            finally:
                await forever()

        async def run() -> None:
            async with websocket.task_group() as group:
                group.create_task(slow())
                try:
                    await forever()
                finally:
                    interrupted.set()

        running = asyncio.ensure_future(run())
        await asyncio.sleep(0)
        wire.end()
        await interrupted.wait()
        await turns()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(running)


class Fault(Exception):
    """It can be referred to weakly."""


async def test_nothing_keeps_the_error_of_a_task(serve: Serve) -> None:
    async def fault() -> None:
        # The frames in which an eager task begins are kept by asyncio itself, before 3.13.2.
        await turns()
        raise Fault

    async with both(serve) as (websocket, _):
        gc.disable()
        try:
            try:
                async with websocket.task_group() as group:
                    group.create_task(fault())
                    await forever()
            except Fault as error:
                kept = weakref.ref(error)
            await turns()
            assert kept() is None
        finally:
            gc.enable()


async def test_a_group_that_does_not_run(serve: Serve) -> None:
    async with both(serve) as (websocket, _):
        group = websocket.task_group()
        with pytest.raises(RuntimeError, match="is not running"):
            group.create_task(forever())
        async with group:
            with pytest.raises(RuntimeError, match="running already"):
                await group.__aenter__()
        assert isinstance(group, TaskGroup)
