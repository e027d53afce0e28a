"""The awaitables of `receive`, `send` and the iteration behave like coroutines."""

import ast
import asyncio
import collections.abc
import gc
import inspect
import sys
import warnings
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession, SessionClosed
from aiohttp_rawws.session.awaiting import Awaiting
from aiohttp_rawws.session.session import connection_of
from tests.support.builds import FOLDER
from tests.support.ends import both_ends
from tests.support.octets import MASK, masked
from tests.support.servers import Serve
from tests.support.waiting import turns

Begin = Callable[[RawWebSocketSession], Coroutine[Any, Any, Any]]

BEGUN: dict[str, Begin] = {
    "receive": lambda session: session.receive(),
    "send": lambda session: session.send(Frame.ping()),
}


@pytest.fixture(params=BEGUN)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def step(coroutine: Any) -> Any:
    """Drive it by hand to its end."""
    try:
        next(coroutine)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("it waits")


# -- as a coroutine ----------------------------------------------------------------------------


async def test_it_is_a_coroutine(serve: Serve, name: str) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89))
        await turns()
        coroutine = BEGUN[name](session)
        assert asyncio.iscoroutine(coroutine)
        assert isinstance(coroutine, collections.abc.Coroutine)
        assert f".{name}()" in repr(asyncio.Task(coroutine))
        await turns()


async def test_tasks_are_made_of_them(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        sent = [session.send(Frame.ping(bytes([number]))) for number in range(3)]
        await asyncio.gather(*sent)
        assert await wire.read(9) == b"\x89\x01\x00\x89\x01\x01\x89\x01\x02"
        received = asyncio.create_task(session.receive())
        wire.send(masked(0x89))
        assert await asyncio.wait_for(received, 5) == Frame.ping()


async def test_nothing_happens_before_it_is_awaited(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        first, second = session.send(Frame.ping(b"1")), session.send(Frame.ping(b"2"))
        await second
        await first
        assert await wire.read(6) == b"\x89\x012\x89\x011"


async def test_errors_come_when_it_is_awaited(serve: Serve) -> None:
    """So that `gather(..., return_exceptions=True)` to many has them as results."""
    async with both_ends(serve) as (session, _):
        await session.close()
        sent = [session.send(frame) for frame in (Frame.ping(), "text", None)]  # type: ignore[arg-type]
        errors = await asyncio.gather(*sent, return_exceptions=True)
        assert [type(error) for error in errors] == [SessionClosed, TypeError, TypeError]


async def test_what_is_never_awaited_is_told(serve: Serve, name: str) -> None:
    async with both_ends(serve) as (session, _):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            coroutine = BEGUN[name](session)
            del coroutine
            gc.collect()
        assert [warning.category for warning in told] == [RuntimeWarning]
        assert f"{name}' was never awaited" in str(told[0].message)


async def test_it_is_awaited_once(serve: Serve, name: str) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89))
        await turns()
        coroutine = BEGUN[name](session)
        await coroutine
        for again in (coroutine.send, coroutine.throw):
            with pytest.raises(RuntimeError, match="already"):
                again(None if again == coroutine.send else RuntimeError("already"))  # type: ignore[arg-type]


async def test_it_is_closed_before_it_began(serve: Serve, name: str) -> None:
    async with both_ends(serve) as (session, wire):
        coroutine = BEGUN[name](session)
        coroutine.close()
        coroutine.close()
        with pytest.raises(RuntimeError, match="already"):
            await coroutine
        wire.send(masked(0x89, b"next"))
        assert await session.receive() == Frame.ping(b"next")


async def test_it_is_thrown_into_before_it_began(serve: Serve, name: str) -> None:
    async with both_ends(serve) as (session, _):
        coroutine = BEGUN[name](session)
        with pytest.raises(LookupError, match="mine"):
            coroutine.throw(LookupError("mine"))


async def test_the_end_of_the_iteration(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.end()
        with pytest.raises(StopAsyncIteration):
            await anext(session)
        with pytest.raises(EndOfStream):
            await session.receive()
        assert [frame async for frame in session] == []


async def test_it_is_driven_by_hand(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        coroutine = session.receive().__await__()
        future = coroutine.send(None)
        assert isinstance(future, asyncio.Future)
        wire.send(masked(0x89))
        await turns()
        assert step(coroutine) == Frame.ping()
        assert step(session.send(Frame.ping()).__await__()) is None


async def test_a_receiver_that_is_lost_while_it_waits(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        coroutine = session.receive()
        coroutine.send(None)
        del coroutine
        wire.send(masked(0x89))
        assert await session.receive() == Frame.ping()


# -- a sender that waits -----------------------------------------------------------------------


async def waiting_sender(session: RawWebSocketSession) -> "asyncio.Task[None]":
    """A task that waits in `send`, for the buffers are full."""
    while not connection_of(session).writer.paused:
        session.send_nowait(Frame.binary(bytes(2**16)))
    sending = asyncio.create_task(session.send(Frame.ping()))
    await turns()
    assert not sending.done()
    return sending


async def test_a_sender_waits_for_room(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        sending = await waiting_sender(session)
        while not sending.done():
            await wire.read(1024)
        await sending


async def test_a_sender_that_waits_is_cancelled(serve: Serve) -> None:
    async with both_ends(serve) as (session, _):
        sending = await waiting_sender(session)
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
        assert connection_of(session).changes.waiting == 0


async def test_a_sender_that_waits_is_thrown_away(serve: Serve) -> None:
    async with both_ends(serve) as (session, _):
        await waiting_sender(session)
        coroutine = session.send(Frame.ping())
        coroutine.send(None)
        coroutine.close()
        assert connection_of(session).changes.waiting == 1


# -- what a result keeps alive -----------------------------------------------------------------


async def test_a_result_that_somebody_holds_stays(serve: Serve) -> None:
    """Whoever drives it by hand may keep the exception that carries the frame."""
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89, b"1") + masked(0x89, b"2") + masked(0x89, b"3"))
        await turns()
        stopped = []
        for _ in range(3):
            try:
                next(session.receive().__await__())
            except StopIteration as error:
                stopped.append(error)
        assert [error.value.payload for error in stopped] == [b"1", b"2", b"3"]


async def test_what_was_caught_does_not_keep_who_caught_it(serve: Serve) -> None:
    """The exception that carried the frame has his frames in its traceback."""

    class Thing:
        pass

    def catch(coroutine: Any, thing: Thing) -> "weakref.ref[Thing]":
        assert step(coroutine) == Frame.ping()
        return weakref.ref(thing)

    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89))
        await turns()
        thing = catch(session.receive().__await__(), Thing())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.receive(), 0.01)
        gc.collect()
        assert thing() is None


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_a_frame_is_let_go(serve: Serve, size: int) -> None:
    """A small one when the next receiver waits, a big one at once."""
    async with both_ends(serve) as (session, wire):
        wire.send(Frame(2, b"1" * size, mask=MASK).encode())
        payload = (await session.receive()).payload
        if size < 65536:
            receiving = asyncio.create_task(session.receive())
            await turns()
            receiving.cancel()
        # How much a local name counts for depends on the Python.
        alone = object()
        assert sys.getrefcount(payload) == sys.getrefcount(alone)


# -- the twins ---------------------------------------------------------------------------------


def test_the_twins_say_the_same() -> None:
    source = (FOLDER / "session" / "awaiting.py").read_text()
    (twin,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Awaiting"
    )
    said = {
        node.name: ast.get_docstring(node)
        for node in twin.body
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_")
    }
    assert said == {name: inspect.getdoc(getattr(Awaiting, name)) for name in BEGUN}
