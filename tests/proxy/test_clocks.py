"""The clocks of a relay: idle, lifetime, and pings of its own."""

import asyncio
import contextlib
import gc
from typing import Any

import pytest

from aiohttp_rawws.proxy.clocks import Heart
from tests.support.ends import both_ends
from tests.support.octets import CLOSE, HELLO, long_frame, masked
from tests.support.relays import LEGS, Between, between, look, nothing_comes, tls_of, unmasked
from tests.support.servers import Contexts, Serve
from tests.support.waiting import until
from tests.support.wire import Wire

GOING_AWAY = b"\x03\xe9"

CLOCKS: dict[str, dict[str, Any]] = {"idle": {"idle": 0.2}, "lifetime": {"lifetime": 0.2}}


async def end_both(it: Between) -> None:
    """Be peers that answer a Close with a Close, and read to the end."""
    it.visitor.send(masked(0x88, GOING_AWAY))
    it.upstream.send(b"\x88\x02" + GOING_AWAY)
    assert await it.visitor.read_to_end() == b""
    assert await it.upstream.read_to_end() == b""
    await it.visitor.close()
    await it.upstream.close()


@LEGS
@pytest.mark.parametrize("name", CLOCKS)
async def test_a_close_to_both_sides(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool, name: str
) -> None:
    async with between(*tls_of(contexts, visitor_tls, upstream_tls), **CLOCKS[name]) as it:
        assert await it.visitor.read_frame() == (0x88, GOING_AWAY)
        assert await unmasked(it.upstream) == (0x88, GOING_AWAY)
        await nothing_comes(it.visitor)
        assert not it.relaying.done()
        await end_both(it)
        stats = await it.stats()
    assert (stats.ended_first, stats.reason, stats.error) == ("", name, None)


async def test_peers_that_answer_no_close() -> None:
    """`linger` bounds the wait for each, and the connections end as a handler's return ends one."""
    async with between(idle=0.1, options={"linger": 0.1}) as it:
        assert await it.visitor.read_frame() == (0x88, GOING_AWAY)
        assert await it.visitor.read_to_end() == b""
        assert await unmasked(it.upstream) == (0x88, GOING_AWAY)
        assert await it.upstream.read_to_end() == b""
        assert (await it.stats()).reason == "idle"


@pytest.mark.parametrize("direction", ["a->b", "b->a"])
@pytest.mark.parametrize("how", [{}, {"tap": look}, {"heartbeat": (60.0, 60.0)}], ids=str)
async def test_bytes_either_way_are_no_idleness(direction: str, how: dict[str, Any]) -> None:
    async with between(idle=0.8, **how) as it:
        for _ in range(6):
            if direction == "a->b":
                it.visitor.send(masked(0x89))
                assert await unmasked(it.upstream) == (0x89, b"")
            else:
                it.upstream.send(HELLO)
                assert await it.visitor.read_frame() == (0x81, b"Hello")
            await asyncio.sleep(0.2)
        assert not it.relaying.done()


async def test_a_frame_that_still_arrives_is_no_idleness() -> None:
    data = masked(0x82, bytes(100))
    async with between(idle=0.8) as it:
        for octet in data[:10]:
            it.visitor.send(bytes([octet]))
            await asyncio.sleep(0.12)
        assert not it.relaying.done()


async def test_frames_that_an_edit_drops_are_no_idleness() -> None:
    how: dict[str, Any] = {"edit": lambda *_: (), "heartbeat": (60.0, 60.0)}
    async with between(idle=0.4, **how) as it:
        for _ in range(8):
            it.visitor.send(masked(0x81, b"dropped"))
            await asyncio.sleep(0.1)
        await nothing_comes(it.visitor)


async def test_a_side_in_the_middle_of_a_frame_is_only_ended() -> None:
    async with between(lifetime=0.2, options={"linger": 0.3}) as it:
        it.visitor.send(masked(0x82, bytes(100))[:50])
        assert await it.visitor.read_frame() == (0x88, GOING_AWAY)
        assert await it.upstream.read_to_end() == masked(0x82, bytes(100))[:50]
        await it.upstream.close()
        assert (await it.stats()).reason == "lifetime"


async def test_an_end_before_the_clock() -> None:
    async with between(idle=30, lifetime=30, heartbeat=(30, 30)) as it:
        it.visitor.send(masked(0x88))
        assert await unmasked(it.upstream) == (0x88, b"")
        it.upstream.send(CLOSE)
        assert await it.visitor.read_frame() == (0x88, b"\x03\xe8")
        await it.visitor.close()
        await it.upstream.close()
        assert (await it.stats()).reason == "close"


# -- pings -----------------------------------------------------------------------------------------


async def ping_of(wire: Wire, is_server: bool) -> bytes:
    """Return the payload of the next Ping, past empty Pongs."""
    head, payload = 0x8A, b""
    while (head, payload) == (0x8A, b""):
        head, payload = await (unmasked(wire) if is_server else wire.read_frame())
    assert head == 0x89
    assert len(payload) == 8
    return payload


@LEGS
async def test_pongs_to_own_pings_do_not_pass(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool
) -> None:
    legs = tls_of(contexts, visitor_tls, upstream_tls)
    async with between(*legs, heartbeat=(0.05, 5.0)) as it:
        to_visitor = await ping_of(it.visitor, is_server=False)
        to_upstream = await ping_of(it.upstream, is_server=True)
        it.visitor.send(masked(0x8A, b"other") + masked(0x8A, to_visitor) + masked(0x81, b"a"))
        it.upstream.send(b"\x8a\x08" + to_upstream + HELLO)
        assert await it.visitor.read_frame() == (0x81, b"Hello")
        assert await unmasked(it.upstream) == (0x8A, b"other")
        assert await unmasked(it.upstream) == (0x81, b"a")


async def answer_pings(upstream: Wire, got: list[tuple[int, bytes]]) -> None:
    """Be an upstream that answers each ping, and note all that comes."""
    while True:
        head, payload = await unmasked(upstream)
        got.append((head, payload))
        if head == 0x89:
            upstream.send(b"\x8a\x08" + payload)


@pytest.mark.parametrize("how", [{}, {"tap": look}], ids=["parts", "tap"])
async def test_a_later_pong_answers_for_all(how: dict[str, Any]) -> None:
    got: list[tuple[int, bytes]] = []
    async with between(heartbeat=(0.02, 0.5), **how) as it:
        answering = asyncio.ensure_future(answer_pings(it.upstream, got))
        pings = []
        for _ in range(3):
            pings.append(await ping_of(it.visitor, is_server=False))
            # Any byte is a sign of life.
            it.visitor.send(masked(0x8A, b"other"))
        it.visitor.send(masked(0x8A, pings[1]) + masked(0x8A, pings[0]))
        # The first was answered by the second, so this pong is the visitor's own.
        await until(lambda: (0x8A, pings[0]) in got)
        assert (0x8A, pings[1]) not in got
        assert got.count((0x8A, b"other")) == 3
        answering.cancel()


@pytest.mark.parametrize("silent", ["a", "b"])
async def test_a_silent_peer(silent: str) -> None:
    async with between(heartbeat=(0.1, 0.6)) as it:

        async def live(wire: Wire, is_server: bool) -> None:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    ping = await ping_of(wire, is_server)
                    wire.send(b"\x8a\x08" + ping if is_server else masked(0x8A, ping))

        alive = asyncio.ensure_future(
            live(it.visitor, False) if silent == "b" else live(it.upstream, True)
        )
        stats = await it.stats()
        assert (stats.ended_first, stats.reason) == (silent, "lost")
        assert "sent nothing within 0.6 s" in str(stats.error)
        await alive
        lost = it.upstream if silent == "b" else it.visitor
        with pytest.raises(ConnectionResetError):
            await lost.read_to_end()


async def test_own_pings_do_not_count_as_traffic() -> None:
    async with between(heartbeat=(0.05, 5.0), idle=0.4) as it:
        for _ in range(30):
            head, payload = await it.visitor.read_frame()
            if head == 0x88:
                break
            it.visitor.send(masked(0x8A, payload))
        assert (head, payload) == (0x88, GOING_AWAY)


async def test_the_bytes_of_pongs_to_own_pings_are_counted(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        heart = Heart(session, "a")
        beating = asyncio.create_task(heart.beat(0.01, 60.0))
        wire.send(masked(0x8A, await ping_of(wire, is_server=False)) + masked(0x8A, b"other"))
        assert heart.takes(await session.receive())
        assert not heart.takes(await session.receive())
        assert session.bytes_received - heart.octets == len(masked(0x8A, b"other"))
        beating.cancel()


async def test_no_ping_within_a_frame() -> None:
    data = long_frame(0x82, bytes(2**18))
    async with between(heartbeat=(0.03, 5.0), options={"receive_limit": 2**16}) as it:
        it.visitor.send(data[:-50])
        # Above the limit it goes on in pieces.
        assert await it.upstream.read(14) == data[:14]
        await asyncio.sleep(0.15)
        it.visitor.send(data[-50:])
        assert await it.upstream.read(len(data) - 14) == data[14:]
        await ping_of(it.upstream, is_server=True)


async def test_a_cancelled_relay_with_a_clock_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with between(lifetime=60) as it:
        it.relaying.cancel()
        await asyncio.wait([it.relaying])
    gc.collect()
    assert not caplog.records
