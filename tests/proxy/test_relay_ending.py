"""How a relay ends, and the errors that it passes on."""

import asyncio
import contextlib
import logging
from typing import Any

import pytest

from aiohttp_rawws import Frame, FrameTooBig, ProtocolError, Violation
from tests.support.octets import CLOSE, MASK, masked
from tests.support.relays import (
    EVERY_WAY,
    LEGS,
    NOTHING_ELSE,
    bare,
    between,
    look,
    lost_abruptly,
    nothing_comes,
    tls_of,
    unmasked,
)
from tests.support.servers import Contexts
from tests.support.sockets import reset
from tests.support.waiting import PATIENCE, turns

# -- how it ends -----------------------------------------------------------------------------------


CLOSES = [
    b"",
    b"\x03\xe8",
    b"\x03\xe9going away",
    b"\x03\xf5",
    b"\x03\xf6",
    b"\x0b\xb8",
    b"\x11\x34gone",
    b"\x13\x87" + b"r" * 123,
    "\x03\xe8\u00fc".encode("latin-1")[:2] + "\u00fc".encode(),
]


@EVERY_WAY
@pytest.mark.parametrize("payload", CLOSES, ids=repr)
async def test_a_close_passes_and_so_does_its_reply(how: "dict[str, Any]", payload: bytes) -> None:
    async with between(**how) as it:
        it.upstream.send(bare(0x88, payload))
        assert await it.visitor.read_frame() == (0x88, payload)
        it.visitor.send(masked(0x88, payload))
        assert await unmasked(it.upstream) == (0x88, payload)
        it.upstream.end()
        assert await it.visitor.read_to_end() == NOTHING_ELSE
        it.visitor.end()
        assert await it.upstream.read_to_end() == NOTHING_ELSE
        stats = await it.stats()
        assert (stats.ended_first, stats.reason, stats.error) == ("b", "close", None)
        assert it.a.close_sent == it.b.close_received == Frame(8, payload)


@EVERY_WAY
async def test_nothing_passes_behind_a_close(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        it.upstream.send(bare(0x88, b"") + bare(0x81, b"after") + b"\xff\xff")
        it.upstream.end()
        assert await it.visitor.read_to_end() == b"\x88\x00"


@EVERY_WAY
async def test_frames_pass_until_the_reply(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        it.visitor.send(masked(0x88, b"\x03\xe8"))
        assert await unmasked(it.upstream) == (0x88, b"\x03\xe8")
        it.upstream.send(bare(0x81, b"still") + bare(0x89, b"?") + CLOSE)
        assert await it.visitor.read_frame() == (0x81, b"still")
        assert await it.visitor.read_frame() == (0x89, b"?")
        assert await it.visitor.read(4) == CLOSE


@EVERY_WAY
async def test_an_end_without_a_close_is_one(how: "dict[str, Any]") -> None:
    """And half of it: the other half goes on."""
    async with between(**how) as it:
        it.visitor.send(masked(0x81, b"last"))
        it.visitor.end()
        assert await unmasked(it.upstream) == (0x81, b"last")
        assert await it.upstream.read_to_end() == NOTHING_ELSE
        for _ in range(3):
            it.upstream.send(bare(0x81, b"answer"))
            assert await it.visitor.read_frame() == (0x81, b"answer")
        assert not it.relaying.done()
        it.upstream.end()
        assert await it.visitor.read_to_end() == NOTHING_ELSE
        stats = await it.stats()
        assert (stats.ended_first, stats.reason) == ("a", "end of stream")


@EVERY_WAY
async def test_a_reset_is_a_reset(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        reset(it.upstream)
        await lost_abruptly(it.visitor)
        stats = await it.stats()
        assert (stats.ended_first, stats.reason) == ("b", "lost")
        assert isinstance(stats.error, ConnectionError)


@EVERY_WAY
async def test_what_was_sent_before_a_reset_arrives(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        it.upstream.send(bare(0x81, b"before") + CLOSE)
        await turns()
        reset(it.upstream)
        assert await it.visitor.read(8) == bare(0x81, b"before")
        assert await it.visitor.read(4) == CLOSE
        await lost_abruptly(it.visitor)


@EVERY_WAY
async def test_a_reset_of_the_visitor(how: "dict[str, Any]") -> None:
    async with between(**how) as it:
        reset(it.visitor)
        await lost_abruptly(it.upstream)
        assert (await it.stats()).ended_first == "a"


@LEGS
@pytest.mark.parametrize("who", ["visitor", "upstream"])
async def test_the_end_of_a_connection(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool, who: str
) -> None:
    """A full close; no side waits for a linger, and nobody makes up a Close."""
    options = {"linger": 10 * PATIENCE}
    async with between(*tls_of(contexts, visitor_tls, upstream_tls), options=options) as it:
        first, second = it.visitor, it.upstream
        if who == "upstream":
            first, second = second, first
        first.writer.close()
        assert await second.read_to_end() == NOTHING_ELSE
        second.writer.close()
        stats = await it.stats()
        assert stats.ended_first == ("a" if who == "visitor" else "b")
        assert stats.reason == "end of stream"


@pytest.mark.parametrize("who", ["visitor", "upstream"])
@LEGS
async def test_a_closing_handshake_ends_at_once(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool, who: str
) -> None:
    """As RFC 6455 section 7.1.1 has it: the server closes first."""
    options = {"linger": 10 * PATIENCE}
    async with between(*tls_of(contexts, visitor_tls, upstream_tls), options=options) as it:
        if who == "visitor":
            it.visitor.send(masked(0x88, b"\x03\xe8"))
            assert await unmasked(it.upstream) == (0x88, b"\x03\xe8")
            it.upstream.send(CLOSE)
            it.upstream.writer.close()
        else:
            it.upstream.send(CLOSE)
            assert await it.visitor.read(4) == CLOSE
            it.visitor.send(masked(0x88, b"\x03\xe8"))
            assert await unmasked(it.upstream) == (0x88, b"\x03\xe8")
            it.upstream.writer.close()
        rest = await it.visitor.read_to_end()
        assert rest == (CLOSE if who == "visitor" else b"")
        it.visitor.writer.close()
        assert (await it.stats()).reason == "close"


async def test_a_half_closed_plain_leg_gets_the_reply_of_a_tls_one(contexts: Contexts) -> None:
    """Which has no halves: the reply to the Close is waited for, and not much longer."""
    async with between(contexts, None, options={"linger": 10 * PATIENCE}) as it:
        it.upstream.send(CLOSE)
        it.upstream.end()
        assert await it.visitor.read(4) == CLOSE
        await asyncio.sleep(0.05)
        it.visitor.send(masked(0x81, b"more") + masked(0x88, b"\x03\xe8"))
        assert await unmasked(it.upstream) == (0x81, b"more")
        assert await unmasked(it.upstream) == (0x88, b"\x03\xe8")
        assert await it.visitor.read_to_end() == NOTHING_ELSE
        it.visitor.writer.close()
        await it.stats()


async def test_a_tls_leg_that_never_replies(contexts: Contexts) -> None:
    async with between(contexts, None, options={"linger": 0.05}) as it:
        it.upstream.send(CLOSE)
        it.upstream.end()
        assert await it.visitor.read_to_end() == CLOSE
        await it.stats()


# -- violations ------------------------------------------------------------------------------------


@EVERY_WAY
@pytest.mark.parametrize("who", ["visitor", "upstream"])
async def test_a_violation_drops_both(
    how: "dict[str, Any]", who: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiohttp_rawws")
    async with between(**how) as it:
        if who == "visitor":
            it.visitor.send(masked(0x81, b"sound") + masked(0x83, b"not") + masked(0x81))
            assert await unmasked(it.upstream) == (0x81, b"sound")
        else:
            it.upstream.send(bare(0x81, b"sound") + bare(0x83, b"not") + bare(0x81, b""))
            assert await it.visitor.read_frame() == (0x81, b"sound")
        for wire in (it.upstream, it.visitor) if who == "visitor" else (it.visitor, it.upstream):
            with contextlib.suppress(ConnectionResetError):
                assert await wire.read_to_end() == NOTHING_ELSE
            wire.writer.close()
        stats = await it.stats()
        assert (stats.ended_first, stats.reason) == ("a" if who == "visitor" else "b", "violation")
        assert isinstance(stats.error, ProtocolError)
        assert stats.error.violation == Violation.RESERVED_OPCODE
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "opcode is reserved" in record.getMessage()


async def test_a_header_that_is_not_sound_never_passes() -> None:
    async with between() as it:
        it.visitor.send(b"\x83")
        await nothing_comes(it.upstream)
        it.visitor.send(b"\x80" + MASK)
        assert await it.upstream.read_to_end() == NOTHING_ELSE


async def test_what_reject_lets_pass_does_pass() -> None:
    reject = Violation.ALL & ~Violation.RESERVED_OPCODE
    async with between(options={"reject": reject}) as it:
        it.visitor.send(masked(0x83, b"x"))
        assert await unmasked(it.upstream) == (0x83, b"x")


async def test_a_frame_too_big_for_a_tap() -> None:
    async with between(tap=look, options={"max_frame_size": 10}) as it:
        it.visitor.send(masked(0x81, bytes(10)) + masked(0x81, bytes(11)))
        assert await unmasked(it.upstream) == (0x81, bytes(10))
        assert await it.upstream.read_to_end() == NOTHING_ELSE
        it.upstream.writer.close()
        assert isinstance((await it.stats()).error, FrameTooBig)
