"""Exceptions that leave a block of `connect`, groups included, and the end of the connection."""

import asyncio
import builtins
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    ProtocolError,
    RawWebSocketSession,
    SessionClosed,
    Violation,
    connect,
)
from tests.support.handshakes import Opening, answer
from tests.support.octets import CLOSE
from tests.support.servers import BOTH
from tests.support.sockets import reset
from tests.support.waiting import patience, soon
from tests.support.wire import ByHand, Wire

WITH_GROUPS = pytest.mark.skipif(sys.version_info < (3, 11), reason="needs asyncio.TaskGroup")
CANCELLED = asyncio.CancelledError


def group(*errors: BaseException) -> Any:
    groups = pytest.importorskip("exceptiongroup") if sys.version_info < (3, 11) else builtins
    return groups.BaseExceptionGroup("several", errors)


def end() -> EndOfStream:
    return EndOfStream("the peer ended its stream")


def closed() -> SessionClosed:
    return SessionClosed("a Close was sent")


def violation() -> ProtocolError:
    return ProtocolError(Violation.MASKED, 1002, "masked")


Make = Callable[[], BaseException]

#: What leaves a block once the peer's Close was answered, and nothing is wrong.
ORDERLY: dict[str, Make] = {
    "the end": end,
    "closed": closed,
    "a cancellation": CANCELLED,
    "a group of the end": lambda: group(end()),
    "the end, twice": lambda: group(end(), end()),
    "deep down": lambda: group(group(group(end()))),
    "the end and a cancellation": lambda: group(CANCELLED(), group(end())),
    "the end and closed": lambda: group(end(), group(closed())),
    "only cancellations": lambda: group(CANCELLED(), CANCELLED()),
}

#: What aborts the connection, whatever is beside it.
FAILED: dict[str, Make] = {
    "an error": lambda: group(end(), ValueError("broken")),
    "an error, deep down": lambda: group(CANCELLED(), group(ValueError("broken"))),
    "a violation": lambda: group(end(), violation()),
    "the end of something else": lambda: group(end(), EOFError()),
    "the loss of something else": lambda: group(end(), ConnectionResetError()),
    "the end of the program": lambda: group(end(), SystemExit()),
}


async def ended_by(by_hand: ByHand, http: aiohttp.ClientSession, make: Make, tls: bool) -> Any:
    """What the peer gets behind the client's Close: b"", or None for a reset."""
    got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + CLOSE)
        assert await wire.read(4) == CLOSE
        try:
            got.set_result(await wire.read_to_end())
        except ConnectionError:
            got.set_result(None)

    error = make()
    url = (await by_hand(script, tls=tls)).url()
    with pytest.raises(type(error)) as caught:
        async with connect(http, url) as session, patience():
            session.masking = False
            await session.send(await session.receive())
            raise error
    assert caught.value is error
    return await soon(got)


@BOTH
@pytest.mark.parametrize("make", ORDERLY.values(), ids=ORDERLY)
async def test_an_ordinary_end(
    by_hand: ByHand, http: aiohttp.ClientSession, make: Make, tls: bool
) -> None:
    """The connection ends as at the end of the block; the exception goes on to the user."""
    assert await ended_by(by_hand, http, make, tls) == b""


@pytest.mark.parametrize("make", FAILED.values(), ids=FAILED)
async def test_an_error_among_others_aborts(
    by_hand: ByHand, http: aiohttp.ClientSession, make: Make
) -> None:
    assert await ended_by(by_hand, http, make, tls=False) is None


@pytest.mark.parametrize("make", [closed, lambda: group(closed())], ids=["alone", "in a group"])
async def test_a_session_that_only_we_have_closed(
    by_hand: ByHand, http: aiohttp.ClientSession, make: Make
) -> None:
    """To send something after that is an error."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
        ended.set_result(None)

    error = make()
    url = (await by_hand(script)).url()
    with pytest.raises(type(error)):
        async with connect(http, url) as session:
            await session.close()
            raise error
    await soon(ended)


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


async def together(session: RawWebSocketSession, *parts: Any) -> None:
    async with asyncio.TaskGroup() as tasks:  # type: ignore[attr-defined, unused-ignore]
        for part in parts:
            tasks.create_task(part(session))


@WITH_GROUPS
@BOTH
@pytest.mark.parametrize("pusher", [push, push_seldom])
async def test_push_and_receive_in_a_task_group(
    by_hand: ByHand, http: aiohttp.ClientSession, pusher: Any, tls: bool
) -> None:
    """The peer closes: it gets the Close back and the end of the stream, no reset."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + CLOSE)
        got.set_result(await wire.read_to_end())

    url = (await by_hand(script, tls=tls)).url()
    with pytest.raises(Exception, match="unhandled errors in a TaskGroup"):
        async with connect(http, url) as session, patience():
            session.masking = False
            # The reader last: where tasks begin at once it has ended by then, and so has the group.
            await together(session, pusher, answer_frames)
    assert (await soon(got)).endswith(CLOSE)


@WITH_GROUPS
@pytest.mark.parametrize("pusher", [push, push_seldom])
async def test_a_peer_that_is_lost(
    by_hand: ByHand, http: aiohttp.ClientSession, pusher: Any
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await wire.writer.drain()
        reset(wire)

    url = (await by_hand(script)).url()
    with pytest.raises(Exception, match="unhandled errors in a TaskGroup"):
        async with connect(http, url) as session, patience():
            await together(session, answer_frames, pusher)
    assert session.closed
