"""Two sessions joined: what passes, what does not, how it ends, and what it costs."""

import asyncio
import contextlib
import logging
import random
import socket
import time
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import (
    EndOfStream,
    Frame,
    FrameTooBig,
    ProtocolError,
    RawWebSocketSession,
    Violation,
    connect,
    relay,
)
from tests.support.ends import both_ends
from tests.support.handshakes import request
from tests.support.octets import MASK, long_frame, masked, xor
from tests.support.relays import between, listening
from tests.support.servers import BOTH, Contexts, Serve, application, running
from tests.support.sockets import narrow, reset, segments, send_until_full
from tests.support.waiting import PATIENCE, soon, turns
from tests.support.wire import Address, Wire

NOTHING_ELSE = b""
CLOSE = b"\x88\x02\x03\xe8"


def look(direction: str, frame: Frame) -> None:
    """A tap that sees and says nothing."""


#: As they stand, assembled for a tap, and under fresh masking keys.
WAYS: "dict[str, dict[str, Any]]" = {
    "as they stand": {},
    "tapped": {"tap": look},
    "remasked": {"remask": True},
}
EVERY_WAY = pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
LEGS = pytest.mark.parametrize(
    ("visitor_tls", "upstream_tls"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["plain", "visitor tls", "upstream tls", "tls"],
)


def tls_of(contexts: Contexts, *legs: bool) -> "list[Contexts | None]":
    return [contexts if tls else None for tls in legs]


async def nothing_comes(wire: Wire) -> None:
    await turns(20)
    assert wire.reader._buffer == b""  # type: ignore[attr-defined]


async def lost_abruptly(wire: Wire) -> None:
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()


# -- what passes -----------------------------------------------------------------------------

#: Frames of a visitor that are sound together, first octet and payload.
TALK = [
    (0x81, "a text, \u00e4 \U0001f600".encode()),
    (0x82, b""),
    (0x01, b"first"),
    (0x89, b"ping between"),
    (0x00, b""),
    (0x8A, b"pong nobody asked for"),
    (0x80, b"last"),
    (0x82, bytes(range(126))),
    (0x82, bytes(126)),
    (0x89, b""),
    (0x89, bytes(125)),
    (0x81, b"\xff is not UTF-8, and not ours to judge"),
]


def bare(head: int, payload: bytes) -> bytes:
    """A server's frame of up to 65535 bytes."""
    size = len(payload)
    return (
        bytes([head])
        + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big"))
        + payload
    )


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


async def unmasked(wire: Wire) -> "tuple[int, bytes]":
    """A masked frame of up to 65535 bytes."""
    head, size = await wire.read(2)
    assert size & 0x80
    size &= 0x7F
    if size == 126:
        size = int.from_bytes(await wire.read(2), "big")
    key = await wire.read(4)
    return head, xor(await wire.read(size), key)


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


# -- roles -----------------------------------------------------------------------------------


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


# -- how it ends -----------------------------------------------------------------------------

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


# -- violations ------------------------------------------------------------------------------


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


# -- taps ------------------------------------------------------------------------------------


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


# -- what slows, and what is bounded ---------------------------------------------------------

LIMIT = 64 * 2**20
CHUNK = bare(0x82, bytes(60_000)) * 4


@EVERY_WAY
@LEGS
async def test_a_slow_side_slows_the_other(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool, how: "dict[str, Any]"
) -> None:
    async with between(*tls_of(contexts, visitor_tls, upstream_tls), **how) as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        through = await send_until_full(it.upstream, CHUNK, LIMIT)
        assert through < 8 * 2**20
        assert it.a.write_backlog < 2 * 2**20
        it.visitor.transport.resume_reading()
        sent = -(-through // len(CHUNK)) * len(CHUNK)
        received = await it.visitor.read(sent)
        assert received == CHUNK * (sent // len(CHUNK))


async def test_a_slow_side_does_not_slow_what_comes_from_it() -> None:
    async with between() as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        await send_until_full(it.upstream, CHUNK, LIMIT)
        it.visitor.send(masked(0x81, b"but it can speak"))
        assert await unmasked(it.upstream) == (0x81, b"but it can speak")


async def test_the_end_of_a_side_that_is_held_back() -> None:
    """What it sent before arrives first."""
    async with between() as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        it.upstream.send(CHUNK * 20)
        it.upstream.end()
        await turns(50)
        it.visitor.transport.resume_reading()
        assert await it.visitor.read_to_end() == CHUNK * 20


def read_slowly(address: Address) -> bytes:
    """All that a visitor gets; one that no event loop helps, for that may read ahead, or lose."""
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(socket.create_connection((address.host, address.port), PATIENCE))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        if address.ssl is not None:
            peer = stack.enter_context(address.ssl.wrap_socket(peer, server_hostname=address.host))
        peer.sendall(request())
        received = b""
        while data := peer.recv(100_000):
            received += data
            time.sleep(0.03)
    return received.partition(b"\r\n\r\n")[2]


@BOTH
async def test_a_slow_reader_gets_all_before_the_end(contexts: Contexts, tls: bool) -> None:
    """However much longer than the linger it takes."""
    async with listening(None) as (address, wires), aiohttp.ClientSession() as http:

        async def handler(session: RawWebSocketSession) -> None:
            narrow(session)
            async with connect(http, address.url()) as other:
                await relay(session, other)

        async with running(application(handler, linger=0.5), contexts if tls else None) as (
            _,
            here,
        ):
            visiting = asyncio.ensure_future(asyncio.to_thread(read_slowly, here))
            upstream = await soon(wires.get())
            upstream.send(CHUNK * 4 + CLOSE)
            upstream.writer.close()
            assert await soon(visiting) == CHUNK * 4 + CLOSE


@pytest.mark.parametrize("who", ["visitor", "upstream"])
async def test_a_loss_while_both_sides_are_full(who: str) -> None:
    async with between() as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        it.upstream.transport.pause_reading()
        await send_until_full(it.upstream, CHUNK, LIMIT)
        await send_until_full(it.visitor, masked(0x82, bytes(60_000)) * 4, LIMIT)
        lost, other = it.visitor, it.upstream
        if who == "upstream":
            lost, other = other, lost
        reset(lost)
        other.transport.resume_reading()
        with pytest.raises(ConnectionResetError):
            await other.read_to_end()
        assert (await it.stats()).reason == "lost"


async def test_a_loss_behind_an_end_of_stream_that_nobody_tells_of() -> None:
    """What was sent there will never be taken, and the kernel does not say so."""
    async with between(options={"linger": 0.1}) as it:
        narrow(it.upstream.writer)
        it.upstream.transport.pause_reading()
        it.visitor.send(masked(0x82, bytes(60_000)) * 5)
        await turns(50)
        assert it.b.write_backlog == 0
        it.upstream.end()
        assert await it.visitor.read_to_end() == NOTHING_ELSE
        reset(it.upstream)
        await turns(5)
        it.a.abort()
        assert (await it.stats()).ended_first == "b"


async def test_a_burst_of_tiny_frames_does_not_hold_the_loop() -> None:
    """At most `receive_limit` of them in a turn, each counted with what a frame costs."""
    async with between(options={"receive_limit": 16_000}) as it:
        number = 20_000
        it.upstream.send(b"\x82\x00" * number)
        ran = 0
        while len(it.visitor.reader._buffer) < 2 * number:  # type: ignore[attr-defined]
            ran += 1
            await asyncio.sleep(0)
        assert ran >= number / 100


# -- who owns what ---------------------------------------------------------------------------


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


# -- what it counts --------------------------------------------------------------------------


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
