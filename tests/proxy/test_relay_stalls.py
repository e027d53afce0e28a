"""Relays one side of which takes nothing any more: who gets how much time."""

import asyncio
import contextlib
import socket
import sys
import time
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import RawWebSocketSession, connect, relay
from aiohttp_rawws.session import kernel, reader
from tests.support.handshakes import Opening, answer, request
from tests.support.octets import CLOSE, masked
from tests.support.relays import (
    EVERY_WAY,
    LEGS,
    NOTHING_ELSE,
    WAYS,
    Between,
    bare,
    between,
    listening,
    tls_of,
    unmasked,
)
from tests.support.servers import Contexts, Serve, application, left, running
from tests.support.sockets import keepalive, narrow, reset, unread
from tests.support.waiting import PATIENCE, soon, turns, until
from tests.support.wire import ByHand, Wire

LINGER = 0.05
#: By when a pair must be over that has a stalled side, with a machine that is busy.
BOUND = 8.0
BLOCK = bare(0x82, bytes(8_000))
MASKED_BLOCK = masked(0x82, bytes(8_000))

WHO = pytest.mark.parametrize("who", ["visitor", "upstream"])


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for what nobody tells as often as a test can wait for."""
    for module in ("backpressure", "direction"):
        monkeypatch.setattr(sys.modules[f"aiohttp_rawws.proxy.{module}"], "END_POLL", 0.1)
    monkeypatch.setattr(reader, "STALL_NOTED", 0.1)


def sides(it: Between, who: str) -> "tuple[Wire, RawWebSocketSession, Wire, RawWebSocketSession]":
    """The peer that takes nothing, its session, and the other peer and its session."""
    if who == "visitor":
        return it.visitor, it.a, it.upstream, it.b
    return it.upstream, it.b, it.visitor, it.a


async def fill(stuck: Wire, source: Wire, session: RawWebSocketSession, block: bytes) -> None:
    """Send until the relay reads no more, with nothing of it left in the source."""
    stuck.transport.pause_reading()
    quiet = 0
    while quiet < 30:
        if quiet == 0:
            source.send(block)
        await asyncio.sleep(0.001)
        quiet = quiet + 1 if unread(session) else 0
    assert source.transport.get_write_buffer_size() == 0


async def is_over(it: Between, by: float = BOUND) -> None:
    await asyncio.wait_for(asyncio.shield(it.relaying), by)


async def lost(wire: Wire) -> bytes:
    """All that came before the reset."""
    wire.transport.resume_reading()
    received = b""
    with pytest.raises(ConnectionResetError):
        while data := await wire.reader.read(2**16):
            received += data
        raise AssertionError("it has ended without a reset")
    return received


# -- a source that has ended, unseen behind what is not read ---------------------------------


@WHO
@EVERY_WAY
async def test_a_side_that_takes_nothing_after_the_others_end(
    how: "dict[str, Any]", who: str
) -> None:
    async with between(options={"linger": LINGER}, **how) as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer, size=16 * 1024)
        stuck, _, source, session = sides(it, who)
        await fill(stuck, source, session, BLOCK if who == "visitor" else MASKED_BLOCK)
        source.end()
        await is_over(it)
        await lost(stuck)
        stats = await it.stats()
        assert stats.ended_first == ("b" if who == "visitor" else "a")


@LEGS
async def test_on_every_leg(contexts: Contexts, visitor_tls: bool, upstream_tls: bool) -> None:
    options = {"linger": LINGER}
    async with between(*tls_of(contexts, visitor_tls, upstream_tls), options=options) as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer, size=16 * 1024)
        await fill(it.visitor, it.upstream, it.b, BLOCK)
        it.upstream.transport.abort()
        await is_over(it)
        it.visitor.transport.resume_reading()
        with contextlib.suppress(ConnectionError):
            await it.visitor.read_to_end()


@WHO
async def test_a_reset_that_is_not_read(who: str) -> None:
    async with between(options={"linger": LINGER}) as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer, size=16 * 1024)
        stuck, _, source, session = sides(it, who)
        await fill(stuck, source, session, BLOCK if who == "visitor" else MASKED_BLOCK)
        reset(source)
        await is_over(it)
        await lost(stuck)
        stats = await it.stats()
        assert (stats.ended_first, stats.reason) == ("b" if who == "visitor" else "a", "lost")
        assert isinstance(stats.error, ConnectionResetError)


async def test_a_pair_of_a_proxy_is_forgotten(
    by_hand: ByHand, through: Serve, bare: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + BLOCK * 12)
        await wire.writer.drain()

    ours = await through(await by_hand(script), linger=LINGER)
    visitor = await Wire.open(ours)
    narrow(visitor.writer, size=16 * 1024)
    visitor.transport.pause_reading()
    visitor.send(request())
    await until(lambda: left(bare) > 0)
    await until(lambda: left(bare) == 0)
    visitor.transport.abort()


# -- a source whose end has passed -----------------------------------------------------------


@WHO
@EVERY_WAY
async def test_a_side_that_does_not_take_what_stands_before_the_end(
    how: "dict[str, Any]", who: str
) -> None:
    """The FIN has passed into the buffers, and waits there."""
    async with between(options={"linger": LINGER}, **how) as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer, size=16 * 1024)
        stuck, target, source, _ = sides(it, who)
        stuck.transport.pause_reading()
        while target.write_backlog == 0:
            source.send(BLOCK if who == "visitor" else MASKED_BLOCK)
            await turns(10)
        source.end()
        await is_over(it)
        await lost(stuck)
        stats = await it.stats()
        assert (stats.ended_first, stats.reason) == (
            "b" if who == "visitor" else "a",
            "end of stream",
        )


def read_in_parts(address: Any, *, end: bool) -> bytes:
    """All that a visitor gets which takes long, and perhaps has ended its own stream."""
    with socket.socket() as peer:
        peer.settimeout(PATIENCE)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        # With the segments of the loopback, larger than the buffer, no window update is sent.
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        peer.connect((address.host, address.port))
        peer.sendall(request())
        received = b""
        # aiohttp drops a client that ends its stream before it has the answer.
        while b"\r\n\r\n" not in received:
            received += peer.recv(4096)
        if end:
            peer.shutdown(socket.SHUT_WR)
        while data := peer.recv(4096):
            received += data
            time.sleep(0.01)
    return received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("how", "end"),
    [
        (WAYS["as they stand"], False),
        (WAYS["as they stand"], True),
        (WAYS["tapped"], True),
    ],
)
async def test_a_slow_side_is_served_to_the_end(how: "dict[str, Any]", end: bool) -> None:
    """Also where both streams have ended, and only bytes are under way."""
    async with listening(None) as (address, wires), aiohttp.ClientSession() as http:

        async def handler(session: RawWebSocketSession) -> None:
            narrow(session, size=16 * 1024)
            async with connect(http, address.url(), linger=0.08) as other:
                await relay(session, other, **how)

        async with running(application(handler, linger=0.08)) as (_, here):
            visiting = asyncio.ensure_future(asyncio.to_thread(read_in_parts, here, end=end))
            upstream = await soon(wires.get())
            upstream.send(BLOCK * 30 + CLOSE)
            await upstream.writer.drain()
            upstream.writer.close()
            assert await soon(visiting) == BLOCK * 30 + CLOSE


# -- a side that has taken all, and neither reads nor ends -----------------------------------


def quick_probes(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(kernel, "PROBE_AFTER", 1)
    patched.setattr(kernel, "PROBE_INTERVAL", 1)
    patched.setattr(kernel, "PROBES", 1)


def close_quite(wire: Wire) -> None:
    """Close both halves; the kernel keeps what is left of the connection for a second."""
    sock = wire.writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
    wire.writer.close()


async def test_the_system_asks_both_sides_whether_they_are_there() -> None:
    async with between() as it:
        assert [keepalive(each.get_extra_info("socket")) for each in (it.a, it.b)] == [
            [1, 60, 15, 4]
        ] * 2


@WHO
async def test_a_side_that_has_closed_while_the_other_is_silent(
    monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Its FIN may be that of one half; its kernel is asked."""
    quick_probes(monkeypatch)
    async with between(options={"linger": LINGER}) as it:
        silent, _, gone, _ = sides(it, who)
        close_quite(gone)
        assert await silent.read_to_end() == NOTHING_ELSE
        await is_over(it)


async def test_one_half_may_live_as_long_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_probes(monkeypatch)
    async with between(options={"linger": LINGER}) as it:
        it.visitor.end()
        assert await it.upstream.read_to_end() == NOTHING_ELSE
        await asyncio.sleep(2.5)
        it.upstream.send(bare(0x81, b"still here"))
        assert await it.visitor.read_frame() == (0x81, b"still here")
        assert not it.relaying.done()


async def test_a_side_that_takes_nothing_while_both_are_there() -> None:
    """Nobody has ended: it has all the time there is."""
    async with between(options={"linger": LINGER}) as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer, size=16 * 1024)
        await fill(it.visitor, it.upstream, it.b, BLOCK)
        await asyncio.sleep(0.8)
        assert not it.relaying.done()
        it.visitor.transport.resume_reading()
        it.upstream.send(CLOSE)
        while (await it.visitor.read_frame())[0] != 0x88:
            pass


async def test_both_have_said_their_close_and_one_does_not_end() -> None:
    async with between(options={"linger": LINGER}) as it:
        it.visitor.send(masked(0x88, b"\x03\xe8"))
        assert await unmasked(it.upstream) == (0x88, b"\x03\xe8")
        it.upstream.send(CLOSE)
        it.upstream.end()
        assert await it.visitor.read_to_end() == CLOSE
        await is_over(it)
        assert it.visitor.writer.transport.is_closing() is False


# -- what waits behind a burst ---------------------------------------------------------------


@pytest.mark.parametrize("how", [WAYS["as they stand"], WAYS["remasked"]])
async def test_a_side_that_is_lost_while_a_burst_for_it_waits(how: "dict[str, Any]") -> None:
    """Of which more came in one read than may be passed on at once."""
    options = {"linger": LINGER, "receive_limit": 16_000}
    async with between(options=options, **how) as it:
        narrow(it.a, it.visitor.writer, size=16 * 1024)
        it.visitor.transport.pause_reading()
        while it.a.write_backlog == 0:
            it.upstream.send(BLOCK)
            await turns(10)
        while unread(it.b) == 0:
            it.upstream.send(BLOCK * 4 + b"\x82\x00" * 4_000)
            await asyncio.sleep(0.01)
        reset(it.visitor)
        await is_over(it)
        await lost(it.upstream)
