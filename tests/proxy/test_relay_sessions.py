"""The sessions of a relay: who owns them, and what is counted."""

import asyncio
import contextlib
from typing import Any

import pytest

from aiohttp_rawws import EndOfStream, Frame, relay
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.relays import EVERY_WAY, NOTHING_ELSE, bare, between, lost_abruptly, unmasked
from tests.support.servers import Serve
from tests.support.sockets import reset
from tests.support.waiting import soon, turns

# -- who owns what ---------------------------------------------------------------------------------


async def test_a_relay_that_is_cancelled_leaves_the_sessions() -> None:
    async with between() as it:
        it.visitor.send(masked(0x81, b"relayed"))
        await it.upstream.read(13)
        it.relaying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await it.relaying
        a, b = it.a, it.b
        relaying = asyncio.create_task(relay(a, b))
        it.visitor.send(masked(0x81, b"again"))
        assert await unmasked(it.upstream) == (0x81, b"again")
        relaying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await relaying
        it.visitor.send(masked(0x81, b"for us"))
        assert await a.receive() == Frame.text("for us")
        it.upstream.send(bare(0x81, b"so is this"))
        assert await b.receive() == Frame.text("so is this")
        await a.close(1001)
        assert await it.visitor.read_frame() == (0x88, b"\x03\xe9")


async def test_cancelled_in_the_middle_of_a_frame() -> None:
    async with between() as it:
        it.upstream.send(b"\x82\x7f" + (2**40).to_bytes(8, "big") + b"begins")
        await it.visitor.read(16)
        it.relaying.cancel()
        await turns()
        with pytest.raises(RuntimeError, match="relayed in part"):
            await it.b.receive()
        with pytest.raises(RuntimeError, match="relayed in part"):
            await it.b.pieces().__anext__()
        with pytest.raises(RuntimeError, match="half sent"):
            it.a.send_nowait(Frame.ping())
        reset(it.upstream)
        with pytest.raises(EndOfStream):
            while True:
                with contextlib.suppress(RuntimeError):
                    await it.b.receive()
                await asyncio.sleep(0)


async def test_nobody_else_may_receive() -> None:
    async with between() as it:
        with pytest.raises(RuntimeError, match="another task"):
            await it.a.receive()
        with pytest.raises(RuntimeError, match="another task"):
            await relay(it.a, it.b)
        it.visitor.send(masked(0x81, b"x"))
        assert await unmasked(it.upstream) == (0x81, b"x")


async def test_frames_of_ones_own_may_go_between() -> None:
    async with between() as it:
        it.a.send_nowait(Frame.ping(b"ours"))
        assert await it.visitor.read_frame() == (0x89, b"ours")
        it.upstream.send(bare(0x81, b"theirs"))
        assert await it.visitor.read_frame() == (0x81, b"theirs")


@EVERY_WAY
async def test_behind_a_close_of_ones_own_nothing_passes(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        await it.a.close(1012)
        it.upstream.send(bare(0x81, b"too late"))
        await turns()
        it.upstream.end()
        assert await it.visitor.read_to_end() == b"\x88\x02\x03\xf4"


async def test_a_side_that_is_aborted_here() -> None:
    async with between() as it:
        it.a.abort()
        assert await it.upstream.read_to_end() == NOTHING_ELSE
        it.upstream.writer.close()
        assert (await it.stats()).ended_first == "a"


async def test_bad_arguments(serve: Serve) -> None:
    async def tap(direction: str, frame: Frame) -> None: ...

    async with both_ends(serve) as (a, _), both_ends(serve) as (b, _):
        with pytest.raises(TypeError, match="two sessions"):
            await relay(a, "b")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="same one twice"):
            await relay(a, a)
        for wrong in (tap, "tap"):
            with pytest.raises(TypeError, match="plain function"):
                await relay(a, b, tap=wrong)  # type: ignore[arg-type]
    async with between(extensions="x-flags") as one, between() as other:
        with pytest.raises(ValueError, match="'x-flags' and None"):
            await relay(one.a, other.a)


# -- what it counts --------------------------------------------------------------------------------


@EVERY_WAY
async def test_stats(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        it.visitor.send(masked(0x82, bytes(1000)) + masked(0x89) + masked(0x88, b"\x03\xe8"))
        it.upstream.send(bare(0x82, bytes(5)))
        await it.visitor.read(7)
        it.visitor.end()
        await it.upstream.read_to_end()
        it.upstream.end()
        stats = await it.stats()
        assert stats.frames == {"a->b": 3, "b->a": 1}
        assert stats.bytes == {"a->b": 1002, "b->a": 5}


async def test_each_relay_counts_its_own() -> None:
    async with between() as it:
        it.visitor.send(masked(0x81, b"one") * 3)
        await it.upstream.read(27)
        it.relaying.cancel()
        await turns()
        relaying = asyncio.create_task(relay(it.a, it.b))
        await turns()
        it.visitor.send(masked(0x81, b"four"))
        await it.upstream.read(10)
        it.visitor.end()
        it.upstream.end()
        stats = await soon(relaying)
        assert (stats.frames["a->b"], stats.bytes["a->b"]) == (1, 4)


async def test_half_a_frame_is_not_counted_but_its_bytes_are() -> None:
    async with between() as it:
        it.visitor.send(masked(0x82, bytes(1000))[:-100])
        await it.upstream.read(908)
        reset(it.visitor)
        await lost_abruptly(it.upstream)
        stats = await it.stats()
        assert stats.frames["a->b"] == 0
        assert stats.bytes["a->b"] == 900
