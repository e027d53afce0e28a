"""`proxy` while it dials the upstream."""

import asyncio
import contextlib
import logging

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws.proxy.proxy import proxy
from tests.support.forwarding import plain
from tests.support.handshakes import Opening, answer, request
from tests.support.octets import CLOSE, HELLO, masked
from tests.support.servers import BOTH, CANCELLATION, Contexts, Serve, ingress, running
from tests.support.sockets import reset
from tests.support.upstreams import Upstream, end_of
from tests.support.waiting import PATIENCE, soon
from tests.support.wire import ByHand, Wire, only_response, tell


@pytest.fixture(name="upstream")
def an_upstream() -> Upstream:
    return Upstream()


@CANCELLATION
@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_visitor_that_goes_away_during_the_dial(
    by_hand: ByHand,
    through: Serve,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    handler_cancellation: bool,
    how: str,
) -> None:
    """The upstream gets what the visitor has sent, and the end of it."""
    ours = await through(await by_hand(upstream.script), handler_cancellation=handler_cancellation)
    wire = await Wire.open(ours)
    wire.send(request() + masked(0x81, b"Hello"))
    await soon(upstream.asked.wait())
    if how == "FIN":
        wire.end()
    else:
        reset(wire)
    await asyncio.sleep(0.02)
    upstream.answers.set()
    if how == "FIN":
        assert await upstream.wire.read_to_end() == masked(0x81, b"Hello")
        upstream.wire.send(HELLO)
        assert await wire.read_head()
        assert await wire.read(7) == HELLO
    else:
        with contextlib.suppress(ConnectionError):
            assert await upstream.wire.read_to_end() in (b"", masked(0x81, b"Hello"))
    upstream.over.set()
    await wire.close()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_a_handler_that_gives_up_on_the_dial(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, upstream: Upstream
) -> None:
    address = await by_hand(upstream.script)

    async def handler(asked: web.Request) -> web.StreamResponse:
        with contextlib.suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(proxy(asked, bare, address.url()), 0.05)
        return web.Response(text="too late")

    app = web.Application()
    app.router.add_get("/", handler)
    wire = await Wire.open(await serve(app))
    wire.send(request() + masked(0x81, b"Hello") * 1000)
    status, body = only_response(await wire.read_to_end())
    assert (status, body) == (200, b"too late")
    assert await end_of(upstream.wire) == "FIN"
    await wire.close()
    upstream.answers.set()
    upstream.over.set()


@BOTH
async def test_a_visitor_that_sends_much_during_the_dial(
    by_hand: ByHand, through: Serve, upstream: Upstream, tls: bool
) -> None:
    """All of it arrives once the upstream has answered."""
    wire = await Wire.open(await through(await by_hand(upstream.script), tls=tls))
    frames = masked(0x82, bytes(50_000)) * 20
    wire.send(request() + frames)
    await soon(upstream.asked.wait())
    await asyncio.sleep(0.05)
    upstream.answers.set()
    assert await upstream.wire.read(len(frames)) == frames
    upstream.over.set()
    await wire.close()


@BOTH
@CANCELLATION
async def test_a_shutdown_during_the_dial(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    contexts: Contexts,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    tls: bool,
    handler_cancellation: bool,
) -> None:
    """A 503 at once, on a connection that is kept no longer."""
    app = ingress(bare, await by_hand(upstream.script))
    options = {"handler_cancellation": handler_cancellation, "shutdown_timeout": 10 * PATIENCE}
    async with running(app, contexts if tls else None, **options) as (runner, ours):
        wires = [await Wire.open(ours) for _ in range(3)]
        for wire in wires:
            upstream.asked.clear()
            wire.send(request() + masked(0x81, b"Hello") * 1000)
            await soon(upstream.asked.wait())
        stopping = asyncio.create_task(runner.cleanup())
        for wire in wires:
            status, body = only_response(await wire.read_to_end())
            assert (status, body) == (503, b"The server is shutting down.")
            await wire.close()
        assert await end_of(upstream.wire) == "FIN"
        await soon(stopping)
    assert not caplog.records
    upstream.answers.set()
    upstream.over.set()


async def test_a_shutdown_does_not_cut_a_refusal_short(
    by_hand: ByHand, bare: aiohttp.ClientSession
) -> None:
    halfway, stopping = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nHello")
        await stopping.wait()
        wire.send(b"World")
        await wire.read_to_end()

    async with running(ingress(bare, await by_hand(script))) as (runner, ours):
        wire = await Wire.open(ours)
        wire.send(request())
        await wire.read_head()
        assert await wire.read(5) == b"Hello"
        halfway.set()
        cleanup = asyncio.create_task(runner.cleanup())
        await asyncio.sleep(0.05)
        stopping.set()
        assert await wire.read_to_end() == b"World"
        await wire.close()
        await soon(cleanup)


async def test_an_upgrade_that_a_signal_breaks_off(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, upstream: Upstream
) -> None:
    """The upstream has switched protocols, the visitor gets a 500."""

    async def refuse(asked: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            raise ValueError("no")

    app = ingress(bare, await by_hand(upstream.script))
    app.on_response_prepare.append(refuse)
    upstream.answers.set()
    wire = await Wire.open(await serve(app))
    wire.send(request())
    assert (await wire.read_head())[0] == 500
    await wire.close()
    assert await end_of(upstream.wire) == "RST"
    upstream.over.set()


@BOTH
@pytest.mark.parametrize("how", ["silent", "reset"])
async def test_a_connection_of_the_pool_that_has_died(
    by_hand: ByHand, through: Serve, tls: bool, how: str
) -> None:
    """The opening handshake goes to a new one."""
    connections: list[Wire] = []

    async def script(wire: Wire, opening: Opening) -> None:
        connections.append(wire)
        if len(connections) == 1:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            if how == "reset":
                await wire.read(1)
                reset(wire)
            assert await wire.read_to_end() == b""
        else:
            wire.send(answer(opening) + CLOSE)
            await wire.read_to_end()

    ours = await through(await by_hand(script, tls=tls), tls=tls)
    assert (await tell(ours, plain()))[0] == 200
    for _ in range(2):
        assert (await tell(ours, request()))[0] == 101
    assert len(connections) == 3
