"""Frames that are too big, and the limit of what waits in a parser."""

import sys

import pytest

from aiohttp_rawws import FrameTooBig, ProtocolError, Violation
from aiohttp_rawws.wire.frames import FRAME_COST
from aiohttp_rawws.wire.stops import Stop
from tests.support.parser_reader import (
    ALL,
    BIG,
    NONE,
    both_roles,
    header,
    heads_and_payloads,
    octets,
    parser,
    reader,
    the_error,
)

# -- max_frame_size --------------------------------------------------------------------------------


@both_roles
def test_a_frame_of_just_the_limit(is_client: bool) -> None:
    it = reader(octets(0x82, bytes(1023), is_client), is_client=is_client, max_frame_size=1023)
    assert len(it.items) == 1
    assert it.parser.error is None


@both_roles
@pytest.mark.parametrize("size", [1024, 65535, 65536, 2**62, 2**63 - 1])
def test_a_frame_over_the_limit_raises_before_the_key(size: int, is_client: bool) -> None:
    data = header(0x82, size, is_client)
    it = reader(data[:-1], is_client=is_client, max_frame_size=1023)
    assert it.parser.error is None
    it.read(data[-1:])
    it.rest()
    error = the_error(it)
    assert isinstance(error, FrameTooBig)
    assert (error.size, error.limit, error.close_code) == (size, 1023, 1009)
    assert error.violation is NONE


@pytest.mark.parametrize("reject", [ALL, NONE])
def test_it_raises_whatever_reject_says(reject: Violation) -> None:
    it = reader(header(0x82, 11), reject=reject.value, max_frame_size=10)
    assert isinstance(the_error(it), FrameTooBig)


def test_the_rules_of_the_header_come_first() -> None:
    error = the_error(reader(header(0x83, 11), max_frame_size=10))
    assert error.violation is Violation.RESERVED_OPCODE


def test_frames_before_one_over_the_limit_are_delivered_first() -> None:
    it = parser(max_frame_size=10)
    it.feed(octets(0x81, b"first") + octets(0x89) + octets(0x82, bytes(11)))
    it.settle()
    assert it.stop == Stop.TOO_BIG
    assert heads_and_payloads(it.queue.take_all()) == [(1, b"first"), (9, b"")]
    it.settle()
    assert isinstance(it.error, FrameTooBig)
    assert it.stop == Stop.VIOLATION
    assert not it.is_partial
    assert not it.is_full()  # what follows is read, and thrown away


def test_reading_pauses_at_a_frame_over_the_limit_until_it_is_judged() -> None:
    it = parser(max_frame_size=10)
    it.feed(header(0x82, 11))
    assert it.is_full()
    assert it.is_ready()
    assert it.stop == Stop.TOO_BIG


def test_a_limit_that_is_raised_in_time_lets_the_frame_pass() -> None:
    it = reader()
    it.parser.max_frame_size = 10
    data = octets(0x82, bytes(11)) + octets(0x81, b"next")
    it.read(data[:5])
    it.read(data[5:])  # though reading should have paused
    it.parser.max_frame_size = 11
    it.rest()
    assert [item[5] for item in it.items] == [bytes(11), b"next"]
    assert it.parser.error is None


def test_limits_may_be_larger_than_any_size() -> None:
    it = parser(max_frame_size=2**70, limit=2**70)
    assert (it.max_frame_size, it.limit) == (sys.maxsize, sys.maxsize)


# -- the limit of what waits -----------------------------------------------------------------------


def test_parsing_stops_when_the_limit_waits() -> None:
    it = parser(limit=2 * (FRAME_COST + 10))
    it.feed(octets(0x82, b"0123456789") * 5)
    assert len(it.queue.items) == 2
    assert it.queue.cost == 2 * (FRAME_COST + 10)
    assert it.is_full()
    assert it.stop == Stop.LIMIT


def test_empty_frames_count() -> None:
    it = parser(limit=10 * FRAME_COST)
    it.feed(octets(0x82) * 100)
    assert len(it.queue.items) == 10


def test_an_incomplete_frame_does_not_count() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82, bytes(100_000))[:-1])
    assert (it.queue.cost, it.is_full(), it.is_ready()) == (0, False, False)
    assert it.is_partial


def test_one_frame_over_the_limit_is_let_in() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82, bytes(100_000)) + octets(0x82))
    assert len(it.queue.items) == 1


def test_what_was_read_beyond_the_limit_stays_as_bytes() -> None:
    it = parser(limit=1)
    for number in range(5):
        it.feed(octets(0x82, bytes([number])))
    assert it.stop == Stop.LIMIT
    seen = []
    while it.queue.items:
        seen.append(it.queue.take().payload[0])
        assert (it.stop == Stop.LIMIT) is (seen[-1] < 4)
        it.resume()
    assert seen == [0, 1, 2, 3, 4]
    assert (it.stop == Stop.LIMIT, it.is_partial, it.queue.cost) == (False, False, 0)


def test_nothing_is_parsed_while_the_limit_still_waits() -> None:
    it = parser(limit=2 * FRAME_COST)
    it.feed(octets(0x82) * 5)
    it.resume()
    assert len(it.queue.items) == 2
    it.queue.take()
    it.resume()
    assert len(it.queue.items) == 2
    assert it.stop == Stop.LIMIT


def test_nothing_to_resume() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82))
    assert it.is_full()
    it.resume()
    assert it.stop != Stop.LIMIT


def test_a_violation_among_what_stays_as_bytes_is_told_later() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82, b"a") + octets(0x83))
    assert not it.error
    it.queue.take()
    it.resume()
    assert isinstance(it.error, ProtocolError)
    assert (it.stop == Stop.LIMIT, it.is_partial) == (False, False)


def test_more_than_a_read_stays_as_bytes() -> None:
    it = reader(limit=1)
    frame = octets(0x82, bytes(10_000))
    it.read(frame * 100)
    assert it.parser.stop == Stop.LIMIT
    it.rest()
    assert len(it.items) == 100
    assert not it.parser.is_partial


def test_take_all() -> None:
    it = parser()
    it.feed(octets(0x82, b"x") * 3)
    assert it.queue.cost == 3 * (FRAME_COST + 1)
    assert len(it.queue.take_all()) == 3
    assert (it.queue.cost, it.queue.take_all()) == (0, [])


def test_a_handler_is_woken_by_a_whole_frame() -> None:
    it = parser()
    data = octets(0x82, bytes(BIG))
    it.feed(data[:-1])
    assert not it.is_ready()
    it.feed(data[-1:])
    assert it.is_ready()


@pytest.mark.parametrize("data", [octets(0x83), octets(0x88)])
def test_a_handler_is_woken_by_the_end(data: bytes) -> None:
    it = parser()
    assert not it.is_ready()
    it.feed(data)
    it.queue.take_all()
    assert it.is_ready()
