"""What a relay says that is cancelled, and a proxy whose server stops."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.support.octets import masked
from tests.support.relays import LEGS, between, nothing_comes, tls_of, unmasked
from tests.support.servers import BOTH, Contexts, ingress, running
from tests.support.upstreams import Upstream, opened
from tests.support.waiting import soon
from tests.support.wire import ByHand


@LEGS
async def test_a_cancelled_relay_says_goodbye(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool
) -> None:
    legs = tls_of(contexts, visitor_tls, upstream_tls)
    async with between(*legs, goodbye=(1012, "again")) as it:
        it.relaying.cancel()
        assert await it.visitor.read_frame() == (0x88, b"\x03\xf4again")
        assert await unmasked(it.upstream) == (0x88, b"\x03\xf4again")
        # What still comes is read and thrown away.
        it.visitor.send(masked(0x81, b"late") + masked(0x88))
        it.upstream.send(b"\x88\x00")
        assert await it.visitor.read_to_end() == b""
        assert await it.upstream.read_to_end() == b""
        await it.visitor.close()
        await it.upstream.close()
        with pytest.raises(asyncio.CancelledError):
            await it.stats()


async def test_without_a_goodbye_the_sessions_are_left_as_they_are() -> None:
    async with between() as it:
        it.relaying.cancel()
        await asyncio.wait([it.relaying])
        await nothing_comes(it.visitor)
        await it.a.close(1001)
        assert await it.visitor.read_frame() == (0x88, b"\x03\xe9")


async def test_a_side_in_the_middle_of_a_frame_gets_none() -> None:
    data = masked(0x82, bytes(100))
    async with between(goodbye=(1001, ""), options={"linger": 0.2}) as it:
        it.visitor.send(data[:60])
        assert await it.upstream.read(60) == data[:60]
        it.relaying.cancel()
        assert await it.visitor.read_frame() == (0x88, b"\x03\xe9")
        assert await it.upstream.read_to_end() == b""


async def test_a_side_that_has_sent_a_close_gets_no_second_one() -> None:
    async with between(goodbye=(1001, ""), options={"linger": 0.2}) as it:
        it.visitor.send(masked(0x88, b"\x03\xe8"))
        assert await unmasked(it.upstream) == (0x88, b"\x03\xe8")
        it.relaying.cancel()
        assert await it.visitor.read_frame() == (0x88, b"\x03\xe9")
        assert await it.upstream.read_to_end() == b""


async def test_a_peer_that_breaks_a_rule_meanwhile() -> None:
    async with between(goodbye=(1001, "")) as it:
        it.relaying.cancel()
        assert await it.visitor.read_frame() == (0x88, b"\x03\xe9")
        it.visitor.send(b"\xff\xff")
        await it.visitor.writer.drain()
        it.upstream.send(b"\x88\x00")
        it.visitor.writer.write_eof()
        assert await it.visitor.read_to_end() == b""


GOODBYES: dict[str, tuple[dict[str, Any], bytes]] = {
    "by default": ({}, b"\x88\x02\x03\xe9"),
    "given": ({"goodbye": (1012, "again")}, b"\x88\x07\x03\xf4again"),
    "none": ({"goodbye": None}, b""),
}


@BOTH
@pytest.mark.parametrize(("options", "close"), GOODBYES.values(), ids=GOODBYES)
async def test_a_proxy_whose_server_stops(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    contexts: Contexts,
    tls: bool,
    options: dict[str, Any],
    close: bytes,
) -> None:
    upstream = Upstream()
    app = ingress(bare, await by_hand(upstream.script), **options)
    async with running(app, contexts if tls else None) as (runner, ours):
        wire = await opened(upstream, ours)
        stopping = asyncio.ensure_future(runner.cleanup())
        assert await wire.read(len(close)) == close
        if close:
            wire.send(masked(0x88))
            head, payload = await unmasked(upstream.wire)
            assert bytes([head, len(payload)]) + payload == close
            upstream.wire.send(b"\x88\x00")
        assert await wire.read_to_end() == b""
        assert await upstream.wire.read_to_end() == b""
        upstream.over.set()
        await wire.close()
        await soon(stopping)
