"""Bytes to frames: what comes out, and what it costs."""

import tracemalloc
from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, Violation
from aiohttp_rawws.wire.native import READ_SIZE, ReadBuffer
from aiohttp_rawws.wire.parser import Parser
from aiohttp_rawws.wire.stops import Stop
from tests.support.octets import MASK
from tests.support.parser_reader import (
    BIG,
    LIMITS,
    NONE,
    SERVER,
    Reader,
    both_roles,
    header,
    heads_and_payloads,
    octets,
    parser,
    reader,
    the_error,
)

# -- frames ----------------------------------------------------------------------------------------


@both_roles
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 0xC123, 65535, 65536, READ_SIZE])
def test_a_frame_of_any_length(size: int, is_client: bool) -> None:
    payload = (b"payload" * (size // 7 + 1))[:size]
    it = parser(is_client=is_client)
    it.feed(octets(0x82, payload, is_client))
    frame = it.queue.take()
    assert frame.payload == payload
    assert type(frame.payload) is bytes
    assert frame.mask == (None if is_client else MASK)
    assert frame.violations is NONE
    assert not it.queue.items


@pytest.mark.parametrize("fin", [0x80, 0])
@pytest.mark.parametrize("opcode", [1, 2])
def test_opcode_and_fin_as_they_were_sent(opcode: int, fin: int) -> None:
    it = parser()
    it.feed(octets(fin | opcode))
    frame = it.queue.take()
    assert frame.opcode is Opcode(opcode)
    assert frame.fin is (fin != 0)


def test_fragments_keep_their_own_opcodes_with_control_frames_between() -> None:
    it = parser()
    it.feed(octets(0x01, b"a") + octets(0x89, b"b") + octets(0x00, b"c") + octets(0x80, b"d"))
    assert heads_and_payloads(it.queue.take_all()) == [(1, b"a"), (9, b"b"), (0, b"c"), (0, b"d")]


def test_a_message_may_follow_a_finished_one() -> None:
    it = parser()
    assert not it.fragmented
    it.feed(octets(0x01))
    assert it.fragmented
    it.feed(octets(0x80) + octets(0x82))
    assert not it.fragmented
    assert it.error is None


@pytest.mark.parametrize("head", [0b1100_0001, 0b1010_0010, 0b1001_1001])
def test_rsv_bits_are_no_violation_with_an_extension(head: int) -> None:
    it = parser(extended=True)
    it.feed(octets(head))
    frame = it.queue.take()
    assert (frame.rsv1, frame.rsv2, frame.rsv3) == (
        bool(head & 0x40),
        bool(head & 0x20),
        bool(head & 0x10),
    )
    assert frame.violations is NONE


def test_an_extension_owns_only_the_rsv_bits() -> None:
    assert the_error(reader(octets(0x83), extended=True)).violation is Violation.RESERVED_OPCODE


# -- memory ----------------------------------------------------------------------------------------


def cost_of(data: bytes, pieces: bool = False, **options: Any) -> float:
    """How much memory a parser takes that has read `data` and asks for more, in bytes."""
    buffer = ReadBuffer()
    tracemalloc.start()
    try:
        parsers = [Parser(buffer, **{**SERVER, **LIMITS, **options}) for _ in range(200)]
        for it in parsers:
            it.pieces = pieces
            it.feed(data)
            it.writable()
        assert all(it.is_partial and it.stop != Stop.VIOLATION for it in parsers)
        return tracemalloc.get_traced_memory()[1] / len(parsers)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("size", [2**17, 2**30, 2**62, 2**63 - 1])
def test_memory_follows_bytes_not_the_declared_length(size: int, pieces: bool) -> None:
    data = header(0x82, size) + MASK + bytes(20)
    # A parser itself, and 4096 bytes for the next read.
    assert cost_of(data, pieces, max_frame_size=2**63 - 1) < 8000


@pytest.mark.parametrize("size", [2**17, 2**30, 2**62, 2**63 - 1])
def test_nothing_is_allocated_for_a_frame_over_the_limit(size: int) -> None:
    assert cost_of(header(0x82, size), max_frame_size=2**16) < 4000


def test_an_idle_parser_owns_no_buffer() -> None:
    it = parser()
    it.feed(octets(0x82, bytes(100_000)))
    it.queue.take()
    tracemalloc.start()
    try:
        it.writable()
        it.feed(octets(0x82))
        assert tracemalloc.get_traced_memory()[1] < 4000
    finally:
        tracemalloc.stop()


# -- reading in place ------------------------------------------------------------------------------


def test_a_big_frame_is_read_into_its_own_memory() -> None:
    buffer = ReadBuffer()
    it = Parser(buffer, **SERVER, **LIMITS)
    payload = bytes(range(256)) * 400
    data = octets(0x82, payload)
    it.feed(data[:1000])
    buffer.data[:] = bytes(READ_SIZE)
    rest = data[1000:]
    while rest:
        view = it.writable()
        count = min(len(view), len(rest))
        view[:count] = rest[:count]
        it.written(count)
        rest = rest[count:]
    assert it.queue.take() == Frame.binary(payload)
    assert not any(buffer.data)


def test_reading_in_place_ends_with_the_frame() -> None:
    it = parser()
    it.feed(octets(0x82, bytes(BIG))[:-10])
    assert len(it.writable()) == 10
    it.feed(octets(0x82, bytes(BIG))[-10:] + octets(0x81, b"next"))
    assert heads_and_payloads(it.queue.take_all()) == [(2, bytes(BIG)), (1, b"next")]


def test_a_small_frame_waits_for_the_rest_among_the_unparsed_bytes() -> None:
    it = parser()
    it.feed(octets(0x82, b"Hello")[:-2])
    assert it.is_partial
    assert len(it.writable()) == READ_SIZE - len(octets(0x82, b"Hello")[:-2])
    it.feed(octets(0x82, b"Hello")[-2:])
    assert it.queue.take().payload == b"Hello"
    assert not it.is_partial


def test_one_octet_is_the_beginning_of_a_frame() -> None:
    it = parser()
    assert not it.is_partial
    it.feed(b"\x82")
    assert it.is_partial


def test_parsers_may_share_a_buffer() -> None:
    buffer = ReadBuffer()
    parsers = [Parser(buffer, **SERVER, **LIMITS) for _ in range(3)]
    data = [octets(0x82, bytes([number]) * 1000) for number in range(3)]
    for start in range(0, len(data[0]), 100):
        for it, mine in zip(parsers, data, strict=True):
            it.feed(mine[start : start + 100])
    assert [it.queue.take().payload for it in parsers] == [bytes([n]) * 1000 for n in range(3)]


def test_what_was_taken_does_not_change_with_later_reads() -> None:
    it = parser()
    it.feed(octets(0x82, b"first"))
    frame = it.queue.take()
    it.feed(octets(0x82, b"other"))
    assert frame.payload == b"first"


# -- cuts ------------------------------------------------------------------------------------------


#: A bit of everything, then a violation.
STORY = (
    octets(0x01, b"Hel")
    + octets(0x89, b"?" * 125)
    + octets(0x80, b"lo" * 70)
    + octets(0x82, bytes(BIG))
    + octets(0x82)
    + octets(0x03, b"never")
)


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, BIG])
def test_how_the_bytes_are_cut_makes_no_difference(step: int, pieces: bool) -> None:
    it = Reader(**SERVER)
    for start in range(0, len(STORY), step):
        it.read(STORY[start : start + step])
        it.rest(pieces)
    assert it.outcome == reader(STORY).outcome
    assert len(it.outcome[0]) == 5
