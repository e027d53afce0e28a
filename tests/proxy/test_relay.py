"""Two sessions joined: the frames that pass, in both roles and past taps."""

import asyncio
import random
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import Frame, connect, relay
from tests.support.ends import both_ends
from tests.support.octets import CLOSE, MASK, long_frame, masked, xor
from tests.support.relays import (
    EVERY_WAY,
    LEGS,
    TALK,
    WAYS,
    bare,
    between,
    listening,
    look,
    nothing_comes,
    tls_of,
    unmasked,
)
from tests.support.servers import Contexts, Serve
from tests.support.sockets import segments
from tests.support.waiting import soon, turns

# -- what passes -----------------------------------------------------------------------------------


@LEGS
async def test_frames_pass_to_the_octet(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool
) -> None:
    """Under the visitor's masking key, too."""
    async with between(*tls_of(contexts, visitor_tls, upstream_tls)) as it:
        there = b"".join(masked(*frame) for frame in TALK)
        back = b"".join(bare(*frame) for frame in TALK)
        it.visitor.send(there)
        it.upstream.send(back)
        assert await it.upstream.read(len(there)) == there
        assert await it.visitor.read(len(back)) == back
        await nothing_comes(it.visitor)
        await nothing_comes(it.upstream)


@EVERY_WAY
async def test_frames_pass_octet_by_octet(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        for head, payload in TALK:
            for octet in bare(head, payload):
                it.upstream.send(bytes([octet]))
                await asyncio.sleep(0)
            assert await it.visitor.read_frame() == (head, payload)


@EVERY_WAY
async def test_frames_of_every_kind(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        it.visitor.send(b"".join(masked(*frame) for frame in TALK))
        for head, payload in TALK:
            assert await unmasked(it.upstream) == (head, payload)


async def test_fresh_masking_keys(contexts: Contexts) -> None:
    async with between(remask=True) as it:
        it.visitor.send(masked(0x82, b"same") * 2)
        first, second = await it.upstream.read(10), await it.upstream.read(10)
        assert len({first[2:6], second[2:6], MASK}) == 3
        assert xor(first[6:], first[2:6]) == xor(second[6:], second[2:6]) == b"same"


async def test_a_tap_keeps_the_masking_key() -> None:
    async with between(tap=look) as it:
        it.visitor.send(masked(0x82, b"same"))
        assert await it.upstream.read(10) == masked(0x82, b"same")


@EVERY_WAY
async def test_bits_of_an_extension(how: "dict[str, Any]") -> None:
    async with between(extensions="x-flags", **how) as it:
        for head in (0xC1, 0xA2, 0x92, 0xF9):
            it.visitor.send(masked(head, b"x"))
            assert await unmasked(it.upstream) == (head, b"x")
            it.upstream.send(bare(head, b"y"))
            assert await it.visitor.read_frame() == (head, b"y")


@EVERY_WAY
async def test_what_came_before_the_relay_began(how: "dict[str, Any]") -> None:
    """Frames that wait, and a half one."""
    big = long_frame(0x82, bytes(100_000))
    before = masked(0x81, b"early") + masked(0x89) + big[:50_000]
    async with between(before=before, **how) as it:
        assert await unmasked(it.upstream) == (0x81, b"early")
        assert await unmasked(it.upstream) == (0x89, b"")
        it.visitor.send(big[50_000:] + masked(0x8A, b"after"))
        start = await it.upstream.read(14)
        assert start[:2] == b"\x82\xff"
        assert xor_long(await it.upstream.read(100_000), start[10:]) == bytes(100_000)
        assert await unmasked(it.upstream) == (0x8A, b"after")


def xor_long(payload: bytes, key: bytes) -> bytes:
    pad = int.from_bytes((key * (len(payload) // 4 + 1))[: len(payload)], "big")
    return (int.from_bytes(payload, "big") ^ pad).to_bytes(len(payload), "big")


@pytest.mark.parametrize("how", [WAYS["as they stand"], WAYS["remasked"]])
async def test_a_frame_passes_while_it_arrives(how: "dict[str, Any]") -> None:
    """Also one over `max_frame_size`, and one that will never end."""
    async with between(options={"max_frame_size": 10}, **how) as it:
        it.upstream.send(b"\x82\x7f" + (2**62).to_bytes(8, "big") + b"begins")
        assert await it.visitor.read(16) == b"\x82\x7f" + (2**62).to_bytes(8, "big") + b"begins"
        it.visitor.send(b"\x82\xff" + (2**62).to_bytes(8, "big") + MASK + xor(b"begins"))
        start = await it.upstream.read(20)
        assert xor(start[14:], start[10:14]) == b"begins"


@EVERY_WAY
async def test_both_directions_at_once(how: "dict[str, Any]") -> None:
    number = 2000
    payloads = [random.Random(n).randbytes(n % 300) for n in range(number)]
    async with between(**how) as it:
        it.visitor.send(b"".join(masked(0x82, payload) for payload in payloads))
        it.upstream.send(b"".join(bare(0x81, payload) for payload in payloads))
        for payload in payloads:
            assert await unmasked(it.upstream) == (0x82, payload)
            assert await it.visitor.read_frame() == (0x81, payload)


async def test_one_read_is_one_write() -> None:
    async with between() as it:
        data = masked(0x81, b"x" * 100) * 50
        it.visitor.send(data)
        assert await it.upstream.read(len(data)) == data
        assert segments(it.upstream) <= 2


# -- roles -----------------------------------------------------------------------------------------


@EVERY_WAY
async def test_two_servers_sessions(serve: Serve, how: "dict[str, Any]") -> None:
    """Frames come masked and leave bare."""
    async with both_ends(serve) as (a, one), both_ends(serve) as (b, other):
        relaying = asyncio.create_task(relay(a, b, **how))
        for head, payload in TALK:
            one.send(masked(head, payload))
            assert await other.read_frame() == (head, payload)
            other.send(masked(head, payload))
            assert await one.read_frame() == (head, payload)
        one.end()
        other.end()
        await soon(relaying)


async def test_two_clients_sessions() -> None:
    """Frames come bare and leave masked."""
    async with (
        listening(None) as (address, wires),
        aiohttp.ClientSession() as http,
        connect(http, address.url()) as a,
        connect(http, address.url()) as b,
    ):
        one, other = await wires.get(), await wires.get()
        relaying = asyncio.create_task(relay(a, b))
        for head, payload in TALK:
            one.send(bare(head, payload))
            assert await unmasked(other) == (head, payload)
        one.end()
        other.end()
        await soon(relaying)
        await one.close()
        await other.close()


async def test_the_order_of_the_sides_is_of_no_matter(serve: Serve) -> None:
    async with between() as it:
        it.relaying.cancel()
        await turns()
        relaying = asyncio.create_task(relay(it.b, it.a))
        it.visitor.send(masked(0x81, b"there"))
        assert await it.upstream.read(11) == masked(0x81, b"there")
        it.visitor.send(masked(0x88))
        it.visitor.end()
        it.upstream.end()
        stats = await soon(relaying)
        assert (stats.ended_first, stats.reason) == ("b", "close")
        assert stats.frames == {"b->a": 2, "a->b": 0}


# -- taps ------------------------------------------------------------------------------------------


async def test_a_tap_sees_each_frame_with_its_direction() -> None:
    seen: list[tuple[str, Frame]] = []
    async with between(tap=lambda direction, frame: seen.append((direction, frame))) as it:
        it.visitor.send(masked(0x01, b"a") + masked(0x80, b"b"))
        await it.upstream.read(14)
        it.upstream.send(bare(0x89, b"c") + CLOSE)
        await it.visitor.read(7)
    assert seen == [
        ("a->b", Frame(1, b"a", False)),
        ("a->b", Frame(0, b"b")),
        ("b->a", Frame.ping(b"c")),
        ("b->a", Frame.close(1000)),
    ]


async def test_what_a_tap_raises_ends_the_relay() -> None:
    def tap(direction: str, frame: Frame) -> None:
        raise LookupError(direction)

    async with between(tap=tap) as it:
        it.visitor.send(masked(0x81))
        await asyncio.wait([it.relaying])
        with pytest.raises(LookupError, match="a->b"):
            it.relaying.result()
