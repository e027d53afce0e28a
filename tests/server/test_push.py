"""The handlers of docs/push.md, and each way in which they end."""

import asyncio
import logging
import re
import sys
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from aiohttp_rawws import RawWebSocketSession
from aiohttp_rawws.layers import Heartbeat, websocket_handler
from tests.support import ROOT
from tests.support.octets import masked
from tests.support.servers import (
    BOTH,
    CANCELLATION,
    Contexts,
    Serve,
    application,
    forgotten,
    running,
)
from tests.support.sockets import reset
from tests.support.waiting import soon, until
from tests.support.wire import Address, Wire

HOW_TO = (ROOT / "docs" / "push.md").read_text()
MESSAGES, FRAMES, FOR_310 = re.findall(r"^```python\n(.*?)^```", HOW_TO, re.DOTALL | re.MULTILINE)

CLOSE = masked(0x88, b"\x03\xe8")


class Shown(SimpleNamespace):
    """What the code that is shown defines."""

    form: str
    handler: Callable[[RawWebSocketSession], Awaitable[None]]
    publish: Callable[[Any], None]
    queues: "set[asyncio.Queue[Any]]"

    async def visit(self, address: Address) -> Wire:
        """A peer, for whom a pusher waits."""
        before = len(self.queues)
        wire = await Wire.upgrade(address)
        await until(lambda: len(self.queues) > before)
        return wire


FORMS = {"messages": MESSAGES, "a task": MESSAGES + FRAMES + FOR_310}
if sys.version_info >= (3, 11):
    FORMS["a group"] = MESSAGES + FRAMES


@pytest.fixture(params=FORMS)
def shown(request: pytest.FixtureRequest) -> Shown:
    names: dict[str, Any] = {"__name__": "shown"}
    exec(FORMS[request.param], names)
    # Nobody waits for 40 s here, and no peer that lives is late on a busy machine.
    idle = any(word in request.node.name for word in ("silent", "does_not"))
    pulse = (0.1, 0.2) if idle else (20.0, 20.0)
    names["Heartbeat"] = lambda session, **_: Heartbeat(session, *pulse)
    if request.param == "messages":
        names["handler"] = websocket_handler(names["handler"], heartbeat=pulse)
    else:
        names["handler"] = names["raw_handler"]
    return Shown(form=request.param, **names)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Any:
    """Nothing is told above DEBUG, unless a test says so."""
    yield
    if "fault" not in request.node.name:
        assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


async def next_frame(wire: Wire) -> tuple[int, bytes]:
    """The next one that is no Ping."""
    while (frame := await wire.read_frame())[0] == 0x89:
        pass
    return frame


async def rest(wire: Wire) -> bytes:
    """What else comes until the end of the stream, but pings."""
    return re.sub(rb"\x89\x08.{8}", b"", await wire.read_to_end(), flags=re.DOTALL)


@BOTH
async def test_both_at_a_time(serve: Serve, shown: Shown, tls: bool) -> None:
    wires = [await shown.visit(await serve(application(shown.handler), tls=tls)) for _ in range(2)]
    shown.publish("one")
    wires[0].send(masked(0x89, b"?"))
    assert sorted([await next_frame(wires[0]) for _ in range(2)]) == [(0x81, b"one"), (0x8A, b"?")]
    shown.publish("two")
    assert await next_frame(wires[0]) == (0x81, b"two")
    assert [await next_frame(wires[1]) for _ in range(2)] == [(0x81, b"one"), (0x81, b"two")]
    for wire in wires:
        wire.send(CLOSE)
        assert await next_frame(wire) == (0x88, b"\x03\xe8")
        assert await rest(wire) == b""
        await wire.close()
    assert not shown.queues


@BOTH
@CANCELLATION
async def test_the_peer_closes_first(
    serve: Serve, shown: Shown, tls: bool, handler_cancellation: bool
) -> None:
    """Its Close is answered, though the pusher waits for ever; no reset, and soon."""
    address = await serve(
        application(shown.handler), tls=tls, handler_cancellation=handler_cancellation
    )
    wire = await shown.visit(address)
    wire.send(masked(0x88, b"\x03\xe8bye"))
    assert await wire.read_frame() == (0x88, b"\x03\xe8")
    assert await wire.read_to_end() == b""
    await wire.close()
    await until(lambda: not shown.queues)


@BOTH
@pytest.mark.parametrize("leave", ["fin", "rst"])
async def test_the_peer_leaves_without_a_close(
    serve: Serve, shown: Shown, tls: bool, leave: str
) -> None:
    wire = await shown.visit(await serve(application(shown.handler), tls=tls))
    if leave == "rst":
        reset(wire)
    elif tls:
        await wire.close()
    else:
        wire.end()
        assert await rest(wire) == b""
    await until(lambda: not shown.queues)
    await wire.close()


@BOTH
async def test_the_server_ends_first(serve: Serve, shown: Shown, tls: bool) -> None:
    wire = await shown.visit(await serve(application(shown.handler), tls=tls))
    shown.publish("last")
    shown.publish(None)
    assert await next_frame(wire) == (0x81, b"last")
    assert await next_frame(wire) == (0x88, b"\x03\xe8")
    # It still reads; nothing may be answered any more.
    wire.send(masked(0x89) + CLOSE)
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_the_server_ends_first_and_the_peer_does_not_care(serve: Serve, shown: Shown) -> None:
    wire = await shown.visit(await serve(application(shown.handler)))
    shown.publish(None)
    assert await next_frame(wire) == (0x88, b"\x03\xe8")
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()


@BOTH
async def test_a_silent_peer(serve: Serve, shown: Shown, tls: bool) -> None:
    wire = await shown.visit(await serve(application(shown.handler), tls=tls))
    await until(lambda: not shown.queues)
    reset(wire)
    await wire.close()


@BOTH
async def test_the_pusher_meets_a_lost_connection(serve: Serve, shown: Shown, tls: bool) -> None:
    """In the middle of a stream of news."""
    wire = await shown.visit(await serve(application(shown.handler), tls=tls))
    reset(wire)
    while shown.queues:
        shown.publish("x" * 1000)
        await asyncio.sleep(0)
    await wire.close()


@BOTH
async def test_the_pusher_waits_for_a_peer_that_does_not_read(
    serve: Serve, shown: Shown, tls: bool
) -> None:
    """Its Close ends it all the same, as far as anybody can."""
    address = await serve(application(shown.handler, linger=0.1), tls=tls)
    wire = await shown.visit(address)
    wire.transport.pause_reading()
    for _ in range(100):
        shown.publish("x" * 2**20)
    await asyncio.sleep(0.05)
    wire.send(CLOSE)
    await until(lambda: not shown.queues)
    reset(wire)
    await wire.close()


@BOTH
@pytest.mark.parametrize("violation", [b"GET / HTTP/1.1\r\n\r\n", masked(0x83), masked(0x80)])
async def test_the_peer_breaks_the_protocol(
    serve: Serve, shown: Shown, tls: bool, violation: bytes
) -> None:
    wire = await shown.visit(await serve(application(shown.handler), tls=tls))
    wire.send(violation)
    head, payload = await next_frame(wire)
    assert (head, payload[:2]) == (0x88, b"\x03\xea")
    assert b"RFC 6455" in payload
    assert await wire.read_to_end() == b""
    await wire.close()
    assert not shown.queues


@BOTH
async def test_the_server_stops(shown: Shown, contexts: Contexts, tls: bool) -> None:
    app = application(shown.handler)
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await shown.visit(address)
        stopping = asyncio.ensure_future(runner.cleanup())
        assert await next_frame(wire) == (0x88, b"\x03\xe9")
        wire.send(masked(0x88, b"\x03\xe9"))
        assert await wire.read_to_end() == b""
        await wire.close()
        await soon(stopping)
    assert not shown.queues


@BOTH
async def test_a_fault_of_the_pusher(
    shown: Shown, contexts: Contexts, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log, and ends the connection. By messages the peer gets a 1011."""
    app = application(shown.handler)
    async with running(app, contexts if tls else None) as (runner, address):
        wire = await shown.visit(address)
        shown.publish(5)
        if shown.form == "messages":
            assert await next_frame(wire) == (0x88, b"\x03\xf3")
            assert await rest(wire) == b""
        elif not tls:
            with pytest.raises(ConnectionResetError):
                await wire.read_to_end()
        await forgotten(runner)
        await wire.close()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "a Text frame takes a str, got int" in str(errors[0].exc_text)
    assert not shown.queues
