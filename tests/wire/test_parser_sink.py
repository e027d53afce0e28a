"""Frames that are checked but not taken apart: what the parser passes to its sink, and when."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiohttp_rawws import Frame, Piece, ProtocolError, Violation
from aiohttp_rawws.wire.frames import FRAME_COST
from aiohttp_rawws.wire.native import READ_SIZE
from aiohttp_rawws.wire.stops import Stop
from tests.support.builds import INTERPRETED, RUNNING, Build
from tests.support.octets import MASK
from tests.support.parser_reader import Reader, both_roles, header, octets, parser

MEGABYTE = 2**20


class Sink:
    """What a parser hands over, read by read."""

    def __init__(self, it: Any) -> None:
        self.parser = it
        self.parts: list[bytes] = []
        it.forward_to(self.take)

    def take(self, data: bytearray, size: int) -> None:
        self.parts.append(bytes(data[:size]))

    def read(self, data: bytes) -> bytes:
        """What it gets of a read."""
        before = len(self.parts)
        self.parser.feed(data)
        return b"".join(self.parts[before:])

    @property
    def whole(self) -> bytes:
        return b"".join(self.parts)


def sink(**options: Any) -> Sink:
    return Sink(parser(**options))


FRAMES = [
    (0x01, b"a"),
    (0x89, b"ping"),
    (0x00, b""),
    (0x80, b"x" * 126),
    (0x82, b"y" * 65536),
    (0x8A, b"z" * 125),
    (0x82, b"w" * (READ_SIZE + 1)),
]


def stream(is_client: bool) -> bytes:
    return b"".join(octets(head, payload, is_client) for head, payload in FRAMES)


@both_roles
@pytest.mark.parametrize("step", [1, 2, 3, 7, 4096, READ_SIZE, 10 * READ_SIZE])
def test_octets_go_on_as_they_came(step: int, is_client: bool) -> None:
    it = sink(is_client=is_client)
    data = stream(is_client)
    for start in range(0, len(data), step):
        it.read(data[start : start + step])
    assert it.whole == data
    assert it.parser.queue.first is None
    assert it.parser.is_between_frames
    assert it.parser.forwarding.frames == len(FRAMES)
    assert it.parser.forwarding.octets == sum(len(payload) for _, payload in FRAMES)


def test_one_read_is_one_part() -> None:
    it = sink()
    it.read(octets(0x81, b"one") + octets(0x89) + octets(0x82, bytes(1000)))
    assert len(it.parts) == 1


@pytest.mark.parametrize("size", [0, 125, 126, 65536])
def test_a_data_frame_goes_on_once_its_header_is_there(size: int) -> None:
    it = sink()
    frame = octets(0x82, bytes(size))
    head = len(header(0x82, size)) + len(MASK)
    assert it.read(frame[: head - 1]) == b""
    assert it.parser.is_between_frames
    assert it.read(frame[head - 1 : head + 10]) == frame[: head + 10]
    assert it.parser.left == max(size - 10, 0)
    assert it.parser.is_between_frames is (size == 0)
    assert it.read(frame[head + 10 :]) == frame[head + 10 :]
    assert it.parser.left == 0


@pytest.mark.parametrize("head", [0x89, 0x8A])
def test_a_control_frame_goes_on_whole(head: int) -> None:
    it = sink()
    frame = octets(head, bytes(125))
    assert it.read(frame[:-1]) == b""
    assert it.read(frame[-1:] + b"\x81") == frame


def test_the_longest_frame_there_can_be() -> None:
    it = sink()
    beginning = header(0x82, 2**63 - 1) + MASK + b"begins"
    assert it.read(beginning) == beginning
    assert it.parser.left == 2**63 - 1 - len(b"begins")


def test_no_frame_is_too_big() -> None:
    it = sink(max_frame_size=1)
    data = octets(0x82, bytes(MEGABYTE)) + octets(0x89, bytes(125))
    assert it.read(data + octets(0x88, b"\x03\xe8")) == data
    assert it.parser.queue.take() == Frame.close(1000)


def test_a_close_is_taken_not_passed() -> None:
    it = sink()
    ping, close = octets(0x89, b"p"), octets(0x88, b"\x03\xe8")
    assert it.read(ping + close + ping) == ping
    assert it.parser.stop == Stop.CLOSED
    assert it.parser.queue.take() == Frame.close(1000)
    assert not it.parser.is_full()
    assert it.read(ping) == b""


def test_a_close_comes_whole() -> None:
    it = sink()
    close = octets(0x88, b"\x03\xe8why")
    for octet in close[:-1]:
        it.read(bytes([octet]))
        assert not it.parser.is_ready()
    it.read(close[-1:])
    assert it.parser.queue.take() == Frame.close(1000, "why")
    assert it.whole == b""


@pytest.mark.parametrize(
    ("bad", "violation"),
    [
        (octets(0x83), Violation.RESERVED_OPCODE),
        (octets(0xC1), Violation.RESERVED_BITS),
        (octets(0x09), Violation.FRAGMENTED_CONTROL),
        (header(0x89, 126), Violation.LONG_CONTROL),
        (octets(0x80), Violation.UNEXPECTED_CONTINUATION),
        (b"\x81\xfe\x00\x05", Violation.LENGTH_ENCODING),
        (b"\x81\xff\x80" + bytes(7), Violation.LENGTH_ENCODING),
        (b"\x81\x00", Violation.UNMASKED),
        (octets(0x88, b"\x03\xed"), Violation.CLOSE_PAYLOAD),
    ],
)
def test_nothing_malformed_goes_on(bad: bytes, violation: Violation) -> None:
    it = sink()
    good = octets(0x81, b"good")
    assert it.read(good + bad + good) == good
    assert isinstance(it.parser.error, ProtocolError)
    assert it.parser.error.violation == violation
    assert it.parser.is_ready()
    assert it.read(good) == b""


def test_fragments_are_followed() -> None:
    it = sink()
    it.read(octets(0x01, bytes(10))[:-3])
    it.read(octets(0x01, bytes(10))[-3:] + octets(0x81))
    assert it.parser.error is not None
    assert it.parser.error.violation == Violation.EXPECTED_CONTINUATION


# -- what it bounds --------------------------------------------------------------------------


def test_a_burst_is_passed_in_turns() -> None:
    it = sink(limit=10 * FRAME_COST)
    empty = octets(0x89)
    assert it.read(empty * 25) == empty * 10
    assert it.parser.is_full()
    assert it.parser.stop == Stop.LIMIT
    for expected in (10, 5):
        before = len(it.whole)
        it.parser.resume()
        assert it.whole[before:] == empty * expected
    assert not it.parser.is_full()
    assert it.parser.stop != Stop.LIMIT


def test_what_has_gone_on_does_not_hold_the_reading_back() -> None:
    it = sink(limit=10 * FRAME_COST)
    for _ in range(100):
        it.read(octets(0x89) * 10)
        assert not it.parser.is_full()


def test_a_big_frame_counts_as_one() -> None:
    it = sink(limit=2 * FRAME_COST)
    it.read(octets(0x82, bytes(10 * MEGABYTE)))
    assert not it.parser.is_full()


# -- before and after ------------------------------------------------------------------------


def test_what_waited_as_bytes_goes_on_first() -> None:
    it = parser(limit=1)
    data = octets(0x81, b"first") + octets(0x82, b"second") + octets(0x89)[:3]
    it.feed(data)
    assert it.queue.take() == Frame.text("first")
    passing = Sink(it)
    assert passing.whole == octets(0x82, b"second")
    it.feed(octets(0x89)[3:])
    it.resume()
    assert passing.whole == octets(0x82, b"second") + octets(0x89)


def test_a_frame_over_the_limit_goes_on() -> None:
    it = parser(max_frame_size=10)
    frame = octets(0x82, bytes(100))
    it.feed(frame[:50])
    assert it.stop == Stop.TOO_BIG
    passing = Sink(it)
    assert passing.whole == frame[:50]
    assert it.stop != Stop.TOO_BIG


@pytest.mark.parametrize("cut", [0, 1, 5])
def test_frames_are_taken_again_afterwards(cut: int) -> None:
    it = sink()
    frame = octets(0x81, b"one")
    it.read(frame + frame[:cut])
    it.parser.stop_forwarding()
    it.parser.feed(frame[cut:] + frame)
    it.parser.whole()
    assert it.parser.queue.take_all() == [Frame.text("one")] * 2
    assert it.whole == frame


def test_the_end_in_the_middle_of_a_frame_is_one() -> None:
    it = sink()
    frame = octets(0x82, bytes(100))
    it.read(frame[:50])
    assert it.parser.is_partial
    assert it.parser.is_cutting
    it.parser.stop_forwarding()
    it.parser.feed(frame[50:] + frame)
    assert it.whole == frame[:50]
    assert not it.parser.is_partial
    assert isinstance(it.parser.queue.take(), (Frame, Piece))


# -- both builds -----------------------------------------------------------------------------


def heads() -> "st.SearchStrategy[tuple[int, int]]":
    return st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 2, 125, 126, 300]))


def run(build: Build, reads: "list[bytes]", limit: int) -> "Iterator[Any]":
    it = Reader(build, is_client=False, limit=limit).parser
    parts: list[bytes] = []
    it.forward_to(lambda data, size: parts.append(bytes(data[:size])))
    for data in reads:
        it.feed(data)
        while it.stop == Stop.LIMIT:
            it.resume()
        yield (
            list(parts),
            it.left,
            it.forwarding.frames,
            it.forwarding.octets,
            it.stop == Stop.CLOSED,
            len(it.queue.items),
        )
        yield None if it.error is None else str(it.error)


@given(
    st.lists(heads(), max_size=8),
    st.lists(st.integers(1, 400), max_size=20),
    st.sampled_from([1, 3 * FRAME_COST, 2**18]),
)
def test_the_builds_agree(frames: "list[tuple[int, int]]", cuts: "list[int]", limit: int) -> None:
    data = b"".join(octets(head, bytes(size)) for head, size in frames)
    reads = []
    for cut in cuts:
        reads.append(data[:cut])
        data = data[cut:]
    reads.append(data)
    assert list(run(RUNNING, reads, limit)) == list(run(INTERPRETED, reads, limit))


@given(st.lists(heads(), max_size=8), st.lists(st.integers(1, 400), max_size=20))
def test_what_goes_on_is_a_beginning_of_what_came(
    frames: "list[tuple[int, int]]", cuts: "list[int]"
) -> None:
    """And all of it, but for an incomplete header or control frame, up to a Close or an error."""
    data = b"".join(octets(head, bytes(size)) for head, size in frames)
    it = sink()
    position = 0
    for cut in cuts:
        it.read(data[position : position + cut])
        position += cut
    it.read(data[position:])
    assert data.startswith(it.whole)
    if it.parser.error is None and it.parser.stop != Stop.CLOSED:
        assert it.whole == data


def test_what_was_passed_does_not_hold_back_what_is_left() -> None:
    """A sink that is taken away in the middle of a burst leaves the rest of it to be taken."""
    it = sink(limit=10 * FRAME_COST)
    it.read(octets(0x82) * 25)
    assert it.parser.stop == Stop.LIMIT
    left = 25 - it.parser.forwarding.frames
    it.parser.stop_forwarding()
    taken = 0
    while it.parser.queue.first is not None:
        it.parser.queue.take()
        taken += 1
        it.parser.resume()
    assert taken == left == 15
    assert it.parser.queue.cost == 0
