"""Nothing is left of connections, however they end."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import sys
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import (
    Frame,
    HandshakeRefused,
    RawWebSocketSession,
    accept,
    add_raw_websocket,
    connect,
    setup,
)
from tests.support.handshakes import request
from tests.support.octets import long_frame, masked
from tests.support.servers import BOTH, CANCELLATION, Contexts, forgotten, running
from tests.support.sockets import reset
from tests.support.waiting import soon, turns
from tests.support.wire import Address, Wire

AT_ONCE = 50

Session = RawWebSocketSession
Visitor = Callable[[Address, aiohttp.ClientSession], Awaitable[None]]


# -- what the handlers do: each path of the application is one -------------------------------


async def echo(session: Session) -> None:
    async for frame in session:
        await session.send(frame)


async def fail(session: Session) -> None:
    await session.receive()
    raise ValueError("broken")


async def leave(session: Session) -> None:
    session.send_nowait(Frame.binary(bytes(100_000)))


async def abort(session: Session) -> None:
    await session.receive()
    session.abort()


async def cancelled(session: Session) -> None:
    raise asyncio.CancelledError


async def wait(session: Session) -> None:
    receiving = asyncio.create_task(session.receive())
    await session.wait_closed()
    await asyncio.gather(receiving, return_exceptions=True)


async def pour(session: Session) -> None:
    for _ in range(100_000):  # not for ever, in case that nobody tells of a lost peer
        await session.send(Frame.binary(bytes(300_000)))


async def in_pieces(session: Session) -> None:
    async for piece in session.pieces():
        await session.send_piece(piece)


async def by_hand(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await echo(session)
    return session.response


HANDLERS = [echo, fail, leave, abort, cancelled, wait, pour, in_pieces]
PATHS = [*(f"/{handler.__name__}" for handler in HANDLERS), "/by_hand"]


# -- what their peers do ---------------------------------------------------------------------


def say_nothing(wire: Wire) -> None:
    pass


def say_hello(wire: Wire) -> None:
    wire.send(masked(0x81, b"Hello") * 3)


def say_much(wire: Wire) -> None:
    wire.send(long_frame(0x82, bytes(200_000)))


def break_a_rule(wire: Wire) -> None:
    wire.send(b"\xff\xff\xff")


def stop_in_a_frame(wire: Wire) -> None:
    wire.send(long_frame(0x82, bytes(70_000))[:50_000])


def say_goodbye(wire: Wire) -> None:
    wire.send(masked(0x88, b"\x03\xe8"))


def end(wire: Wire) -> None:
    if wire.writer.can_write_eof() and not wire.writer.is_closing():
        wire.end()


SAYS: list[Callable[[Wire], None]] = [
    say_nothing,
    say_hello,
    say_much,
    break_a_rule,
    stop_in_a_frame,
    say_goodbye,
]
ENDS: list[Callable[[Wire], None]] = [reset, end, say_nothing]


async def visit(address: Address, seed: int) -> None:
    """One connection, from its beginning to its end, as `seed` has it."""
    chance = random.Random(seed)
    wire = await Wire.open(address)
    # The handler may be faster, and end it first.
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        wire.send(request(chance.choice(PATHS)))
        await wire.read_head()
        chance.choice(SAYS)(wire)
        await turns(chance.randrange(5))
        chance.choice(ENDS)(wire)
        await turns(chance.randrange(5))
    wire.writer.transport.abort()
    await soon(wire.close())


@pytest.fixture(autouse=True)
def no_log_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of errors, which pytest keeps, would hold the sessions of their tracebacks."""
    monkeypatch.setattr(logging.getLogger("aiohttp_rawws"), "disabled", True)


# -- what could be left ----------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def nothing_is_left(contexts: "Contexts | None", number: int, **options: Any) -> None:
    """No task, session, response, descriptor or connection; and no complaint about one."""
    sessions: weakref.WeakSet[Session] = weakref.WeakSet()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def remember(request: web.Request, response: web.StreamResponse) -> None:
        responses.add(response)

    responses: weakref.WeakSet[web.StreamResponse] = weakref.WeakSet()
    app = web.Application()
    setup(app, linger=0.1)
    app.on_response_prepare.append(remember)
    app.router.add_get("/by_hand", by_hand)
    for handler in HANDLERS:
        add_raw_websocket(app.router, f"/{handler.__name__}", remembering(handler, sessions))
    async with running(app, contexts, **options) as (runner, address):
        await visit(address, 0)
        await forgotten(runner)
        await turns()
        tasks, files = asyncio.all_tasks(), descriptors()
        for first in range(0, number, AT_ONCE):
            visits = (visit(address, seed) for seed in range(first, first + AT_ONCE))
            await asyncio.gather(*visits)
        await forgotten(runner)
        await turns()
        assert asyncio.all_tasks() == tasks
        assert descriptors() <= files
    gc.collect()
    assert list(sessions) == []
    assert list(responses) == []
    assert complaints == []


def remembering(
    handler: Callable[[Session], Any], sessions: "weakref.WeakSet[Session]"
) -> Callable[[Session], Any]:
    async def remember(session: Session) -> None:
        sessions.add(session)
        await handler(session)

    return remember


#: There it is not told of a reset that comes together with data.
TOLD_OF_RESETS = pytest.mark.not_on_aiofastnet("not told of each reset", loop="uvloop")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")


@TOLD_OF_RESETS
@CANCELLATION
async def test_nothing_is_left_of_1000_connections(
    handler_cancellation: bool, caplog: pytest.LogCaptureFixture
) -> None:
    await nothing_is_left(None, 1000, handler_cancellation=handler_cancellation)
    assert not caplog.records


@TOLD_OF_RESETS
async def test_nothing_is_left_of_connections_over_tls(contexts: Contexts) -> None:
    await nothing_is_left(contexts, 200)


@TOLD_OF_RESETS
@pytest.mark.slow
@BOTH
@CANCELLATION
async def test_nothing_is_left_of_10_000_connections(
    contexts: Contexts, tls: bool, handler_cancellation: bool
) -> None:
    await nothing_is_left(
        contexts if tls else None, 10_000, handler_cancellation=handler_cancellation
    )


# -- nothing waits for the garbage collector -------------------------------------------------

VISITS = 5


async def refused(session: Session) -> None:
    raise AssertionError("not reached")


async def receive_on(session: Session) -> None:
    while True:
        await session.receive()


async def visit_by_hand(address: Address, data: bytes) -> None:
    wire = await Wire.open(address)
    wire.send(data)
    with contextlib.suppress(ConnectionError):
        await wire.read_to_end()
    await wire.close()


def asking(path: str, behind: bytes = b"", **changes: str) -> Visitor:
    async def visit(address: Address, http: aiohttp.ClientSession) -> None:
        await visit_by_hand(address, request(path, **changes) + behind)

    return visit


async def as_a_client(address: Address, http: aiohttp.ClientSession) -> None:
    async with connect(http, address.url("/echo")) as session:
        await session.send(Frame.text("Hello"))
        await session.receive()
        await session.close()
        async for _ in session:
            pass


async def as_a_client_that_awaits(address: Address, http: aiohttp.ClientSession) -> None:
    session = await connect(http, address.url("/echo"))
    await session.close()
    async for _ in session:
        pass
    session.response.close()
    await session.wait_closed()


async def as_a_client_that_fails(address: Address, http: aiohttp.ClientSession) -> None:
    with contextlib.suppress(ValueError):
        async with connect(http, address.url("/echo")):
            raise ValueError("broken")


async def as_a_client_that_is_refused(address: Address, http: aiohttp.ClientSession) -> None:
    with contextlib.suppress(HandshakeRefused):
        await connect(http, address.url("/refused"))


GOODBYE = masked(0x81, b"Hello") + masked(0x88, b"\x03\xe8")

KINDS: dict[str, Visitor] = {
    "a route": asking("/echo", GOODBYE),
    "accept": asking("/by_hand", GOODBYE),
    "a handler that fails": asking("/fail", GOODBYE),
    "a handler that aborts": asking("/abort", GOODBYE),
    "a peer that breaks the protocol": asking("/receive_on", masked(0x83)),
    "an end that escapes": asking("/receive_on", GOODBYE),
    "pieces": asking("/in_pieces", GOODBYE),
    "a refusal": asking("/echo", GOODBYE, Sec_WebSocket_Version="8"),
    "a refusal by accept": asking("/by_hand", GOODBYE, Sec_WebSocket_Version="8"),
    "a wrong origin": asking("/refused", Origin="https://b"),
    "no upgrade": asking("/echo", Upgrade="", Connection="close"),
    "a client": as_a_client,
    "a client that awaits": as_a_client_that_awaits,
    "a client that fails": as_a_client_that_fails,
    "a client that is refused": as_a_client_that_is_refused,
}


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def garbage_of_ours() -> Counter[str]:
    """What only the garbage collector would free, of the classes of this package."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        modules = ((type(each).__module__, type(each).__qualname__) for each in gc.garbage)
        return Counter(name for module, name in modules if module.startswith("aiohttp_rawws"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


@BOTH
@pytest.mark.parametrize("visit", KINDS.values(), ids=KINDS)
async def test_no_connection_waits_for_the_garbage_collector(
    contexts: Contexts, tls: bool, visit: Visitor
) -> None:
    app = web.Application()
    setup(app, linger=0.5)
    app.router.add_get("/by_hand", by_hand)
    for handler in (*HANDLERS, receive_on):
        add_raw_websocket(app.router, f"/{handler.__name__}", handler)
    add_raw_websocket(app.router, "/refused", refused, origins=["https://a"])
    async with running(app, contexts if tls else None) as (runner, address):
        connector = aiohttp.TCPConnector(ssl=address.ssl or True)
        async with aiohttp.ClientSession(connector=connector) as http:
            await visit(address, http)
            await forgotten(runner)
            with no_collector():
                for _ in range(VISITS):
                    await visit(address, http)
                await forgotten(runner)
                await turns()
                assert garbage_of_ours() == Counter()


async def test_nothing_is_left_when_a_server_is_stopped_with_sessions() -> None:
    sessions: weakref.WeakSet[Session] = weakref.WeakSet()
    app = web.Application()
    setup(app)
    add_raw_websocket(app.router, "/", remembering(echo, sessions))
    async with running(app) as (runner, address):
        wires = [await Wire.upgrade(address) for _ in range(50)]
        stopping = asyncio.create_task(runner.cleanup())
        for wire in wires:
            assert await wire.read_to_end() == b""
            await wire.close()
        await soon(stopping)
    assert runner.server is None or not runner.server.connections
    gc.collect()
    assert list(sessions) == []
