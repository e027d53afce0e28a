"""Exception groups of handlers that run tasks of their own, nested ones included."""

import asyncio
import builtins
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    Opcode,
    ProtocolError,
    RawWebSocketSession,
    SessionClosed,
    Violation,
    accept,
    setup,
)
from tests.support.octets import masked
from tests.support.servers import BOTH, CANCELLATION, Contexts, application, forgotten, running
from tests.support.sockets import reset
from tests.support.wire import Wire

HELLO = masked(0x81, b"Hello")
CLOSE = masked(0x88, b"\x03\xe8")

Handler = Callable[[RawWebSocketSession], Coroutine[Any, Any, None]]
Kind = Callable[[Handler], web.Application]


def by_route(handler: Handler) -> web.Application:
    return application(handler, linger=2.0)


def by_accept(handler: Handler) -> web.Application:
    async def upgrade(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            await handler(session)
        return session.response

    app = web.Application()
    setup(app, linger=2.0)
    app.router.add_get("/", upgrade)
    return app


EVERY_WAY = pytest.mark.parametrize("way", [by_route, by_accept])


def group(*errors: BaseException) -> Any:
    groups = pytest.importorskip("exceptiongroup") if sys.version_info < (3, 11) else builtins
    return groups.BaseExceptionGroup("several", errors)


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records if record.name != "asyncio"]


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")


# -- what people write -----------------------------------------------------------------------


async def answer_frames(session: RawWebSocketSession) -> None:
    while True:
        frame = await session.receive()
        await session.send(frame)


async def push(session: RawWebSocketSession) -> None:
    while True:
        await asyncio.sleep(0)
        await session.send(Frame.text("tick"))


async def push_seldom(session: RawWebSocketSession) -> None:
    while True:
        await asyncio.sleep(3600)
        await session.send(Frame.text("tick"))


async def stop_pushing_at_the_same_time(session: RawWebSocketSession) -> None:
    """It notices the end by itself, before it is cancelled."""
    while session.close_sent is None:
        await asyncio.sleep(0)
    await session.send(Frame.text("tick"))


def together(*parts: Handler) -> Handler:
    async def handler(session: RawWebSocketSession) -> None:
        async with asyncio.TaskGroup() as tasks:  # type: ignore[attr-defined, unused-ignore]
            for part in parts:
                tasks.create_task(part(session))

    return handler


PUSHERS = [push, push_seldom, stop_pushing_at_the_same_time]
WITH_GROUPS = pytest.mark.skipif(sys.version_info < (3, 11), reason="needs asyncio.TaskGroup")


@WITH_GROUPS
@BOTH
@CANCELLATION
@EVERY_WAY
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("pusher", PUSHERS)
async def test_a_peer_that_closes_gets_its_answer(
    contexts: Contexts,
    tls: bool,
    handler_cancellation: bool,
    way: Kind,
    nested: bool,
    pusher: Handler,
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = together(answer_frames, pusher)
    app = way(together(handler) if nested else handler)
    options = {"handler_cancellation": handler_cancellation}
    async with running(app, contexts if tls else None, **options) as (runner, address):
        wire = await Wire.upgrade(address, behind=HELLO)
        frames = [await wire.read_frame()]
        while frames[-1] != (0x81, b"Hello"):
            frames.append(await wire.read_frame())
        wire.send(CLOSE)
        while frames[-1][0] != 0x88:
            frames.append(await wire.read_frame())
        assert frames[-1] == (0x88, b"\x03\xe8")
        # The end of the stream, not a reset.
        assert await wire.read_to_end() == b""
        await wire.close()
        await forgotten(runner)
    assert levels(caplog) == [logging.DEBUG]


@WITH_GROUPS
@BOTH
@EVERY_WAY
@pytest.mark.parametrize("pusher", [push, push_seldom])
async def test_a_peer_that_is_lost(
    contexts: Contexts,
    tls: bool,
    way: Kind,
    pusher: Handler,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = way(together(answer_frames, pusher))
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address, behind=HELLO)
        await wire.read(2)
        reset(wire)
        await forgotten(runner)
    assert levels(caplog) == [logging.DEBUG]


@WITH_GROUPS
@EVERY_WAY
async def test_a_peer_that_breaks_the_protocol_is_one_line(
    way: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    # The reader last: where tasks begin at once it has ended by then, and so has the group.
    app = way(together(together(push_seldom, answer_frames)))
    async with running(app) as (runner, address):
        wire = await Wire.upgrade(address, behind=HELLO + masked(0x83))
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
        await wire.close()
        await forgotten(runner)
    assert levels(caplog) == [logging.WARNING]
    assert "opcode" in caplog.text
    assert "TaskGroup" not in caplog.text


# -- every group there may be ----------------------------------------------------------------

CANCELLED = asyncio.CancelledError


def end() -> EndOfStream:
    return EndOfStream("the peer ended its stream")


def violation() -> ProtocolError:
    return ProtocolError(Violation.UNMASKED, 1002, "no mask")


#: What a handler raises, once it has answered the peer's Close, and the level of its line.
GROUPS: dict[str, tuple[Callable[[], BaseException], int]] = {
    "the end": (lambda: group(end()), logging.DEBUG),
    "the end, twice": (lambda: group(end(), end()), logging.DEBUG),
    "deep down": (lambda: group(group(group(end()))), logging.DEBUG),
    "beside a cancellation": (lambda: group(CANCELLED(), end()), logging.DEBUG),
    "closed": (lambda: group(SessionClosed("closed"), end()), logging.DEBUG),
    "a violation": (lambda: group(violation(), end()), logging.WARNING),
    "a violation, deep down": (lambda: group(CANCELLED(), group(violation())), logging.WARNING),
    "an error": (lambda: group(end(), ValueError("broken")), logging.ERROR),
    "an error, deep down": (lambda: group(end(), group(ValueError("broken"))), logging.ERROR),
    "an error and a violation": (lambda: group(violation(), KeyError(5)), logging.ERROR),
    "an error and a cancellation": (lambda: group(CANCELLED(), KeyError(5)), logging.ERROR),
}


@BOTH
@pytest.mark.parametrize(("make", "level"), GROUPS.values(), ids=GROUPS)
async def test_what_leaves_a_route(
    contexts: Contexts,
    tls: bool,
    make: Callable[[], BaseException],
    level: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        async for frame in session:
            if frame.opcode == Opcode.CLOSE:
                await session.send(frame)
        raise make()

    async with running(by_route(handler), contexts if tls else None) as (runner, address):
        wire = await Wire.upgrade(address, behind=CLOSE)
        if level == logging.DEBUG:
            assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
        elif not tls:
            with pytest.raises(ConnectionResetError):
                await wire.read_to_end()
        await wire.close()
        await forgotten(runner)
    assert levels(caplog) == [level]
    [record] = (record for record in caplog.records if record.name == "aiohttp_rawws")
    assert (record.exc_info is not None) == (level == logging.ERROR)


@pytest.mark.parametrize(
    "name", ["the end", "deep down", "beside a cancellation", "a violation", "an error"]
)
async def test_what_leaves_an_accepted_block(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """An error does, the rest ends with it."""
    make, level = GROUPS[name]
    left: list[BaseException | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with accept(request) as session:
                await session.send(await session.receive())
                raise make()
        except BaseException as error:
            left.append(error)
            raise
        left.append(None)
        return session.response

    app = web.Application()
    app.router.add_get("/", handler)
    async with running(app) as (runner, address):
        wire = await Wire.upgrade(address, behind=CLOSE)
        if level == logging.DEBUG:
            assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
        else:
            with pytest.raises(ConnectionResetError):
                await wire.read_to_end()
        await wire.close()
        await forgotten(runner)
    [error] = left
    assert (error is not None) == (level == logging.ERROR)
    assert levels(caplog) == [level]


async def test_a_closed_session_of_a_peer_that_is_there(caplog: pytest.LogCaptureFixture) -> None:
    """It was closed here, and something was sent after that: an error, as alone."""

    async def handler(session: RawWebSocketSession) -> None:
        await session.close()
        try:
            await session.send(Frame.ping())
        except SessionClosed as error:
            raise group(error) from None

    async with running(by_route(handler)) as (runner, address):
        wire = await Wire.upgrade(address)
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
        await wire.close()
        await forgotten(runner)
    assert levels(caplog) == [logging.ERROR]
