"""Frames in pieces, and the change from frames to pieces and back."""

import itertools
import tracemalloc

import pytest

from aiohttp_rawws import Frame, FrameTooBig, Opcode, Piece, ProtocolError, Violation
from aiohttp_rawws.wire.frames import FRAME_COST
from aiohttp_rawws.wire.native import READ_SIZE
from aiohttp_rawws.wire.stops import Stop
from tests.support.octets import MASK
from tests.support.parser_reader import (
    ALL,
    BIG,
    NONE,
    SERVER,
    Reader,
    header,
    in_pieces,
    octets,
    parser,
    reader,
)

# -- pieces ----------------------------------------------------------------------------------------


def test_a_piece_is_what_has_arrived_since_the_last_one() -> None:
    it = in_pieces(max_frame_size=1, reject=NONE)
    data = octets(0x42, b"0123456789", length=b"\x0a")
    it.feed(data[:9])
    common = (Opcode.BINARY, False, True, False, False, 10)
    rest = (MASK, Violation.RESERVED_BITS)
    assert it.cut() == Piece(*common, 0, b"012", False, *rest)
    assert it.is_cutting
    assert it.cut() is None
    it.feed(data[9:13])
    assert it.is_ready()
    assert it.cut() == Piece(*common, 3, b"3456", False, *rest)
    it.feed(data[13:])
    assert it.queue.cost == FRAME_COST + 3
    assert it.queue.take() == Piece(*common, 7, b"789", True, *rest)
    assert (it.queue.cost, it.is_cutting, it.fragmented) == (0, False, True)


def test_one_octet_is_a_piece() -> None:
    it = in_pieces()
    it.feed(octets(0x82, b"Hello")[:7])
    assert it.is_ready()
    piece = it.cut()
    assert (piece.payload, piece.last) == (b"H", False)
    assert it.is_cutting
    it.feed(octets(0x82, b"Hello")[7:])
    piece = it.queue.take()
    assert (piece.offset, piece.payload, piece.last) == (1, b"ello", True)


def test_nothing_to_cut_in_a_header() -> None:
    it = in_pieces()
    it.feed(octets(0x82, bytes(BIG))[:8])
    assert not it.is_ready()
    assert it.cut() is None
    assert not it.is_cutting


def test_a_frame_that_came_whole_is_no_piece() -> None:
    it = in_pieces()
    it.feed(octets(0x82, b"Hello") + octets(0x82, bytes(BIG))[:100])
    assert it.queue.take() == Frame.binary(b"Hello")
    assert it.cut() is not None


def test_a_frame_that_became_whole_before_it_was_cut_is_no_piece() -> None:
    it = in_pieces()
    it.feed(octets(0x82, b"Hello")[:-1])
    it.feed(octets(0x82, b"Hello")[-1:])
    assert it.queue.take() == Frame.binary(b"Hello")


@pytest.mark.parametrize("size", [100, BIG])
def test_control_frames_come_whole(size: int) -> None:
    it = in_pieces(reject=NONE)
    data = octets(0x89, bytes(size))
    it.feed(data[:-1])
    assert it.cut() is None
    it.feed(data[-1:])
    assert it.queue.take() == Frame(9, bytes(size))


@pytest.mark.parametrize("opcode", range(8))
def test_max_frame_size_is_not_applied_to_data_frames(opcode: int) -> None:
    it = in_pieces(max_frame_size=10, reject=NONE)
    data = octets(0x80 | opcode, bytes(300))
    it.feed(data[:-1])
    assert len(it.cut().payload) == 299
    it.feed(data[-1:])
    assert (it.queue.take().payload, it.error) == (b"\x00", None)


@pytest.mark.parametrize("known", [False, True])
def test_max_frame_size_is_applied_to_control_frames(known: bool) -> None:
    it = in_pieces(max_frame_size=10, reject=ALL & ~Violation.RESERVED_OPCODE)
    it.feed(octets(0x82, b"x") + header(0x89 if known else 0x8B, 11))
    it.settle()
    assert it.stop == Stop.TOO_BIG
    assert it.queue.take().payload == b"x"
    it.settle()
    assert it.stop == Stop.VIOLATION
    assert isinstance(it.error, FrameTooBig)


def test_the_limit_counts_what_has_arrived_of_a_frame() -> None:
    it = in_pieces(limit=1000)
    data = octets(0x82, bytes(5000))
    it.feed(data[:1007])
    assert not it.is_full()
    it.feed(data[1007:1008])
    assert it.is_full()
    it.feed(data[1008:])
    assert it.stop == Stop.LIMIT
    sizes = []
    while (piece := it.cut()) is not None:
        sizes.append(len(piece.payload))
        it.resume()
    assert sum(sizes) + len(it.queue.take().payload) == 5000


def test_a_control_frame_on_its_way_is_not_held_back() -> None:
    # It comes whole, so that nothing could be taken to go on.
    it = in_pieces(limit=1000, reject=NONE)
    it.feed(octets(0x89, bytes(BIG))[:-1])
    assert not it.is_full()
    assert not it.is_ready()
    it.feed(octets(0x89, bytes(BIG))[-1:])
    assert it.queue.take().payload == bytes(BIG)


def test_memory_is_bounded_for_a_frame_of_any_size() -> None:
    it = in_pieces(limit=10_000)
    it.feed(header(0x82, 2**62) + MASK)
    tracemalloc.start()
    try:
        for _ in range(100):
            it.feed(bytes(20_000))
            assert it.is_full()
            while it.cut() is not None:
                it.resume()
        assert tracemalloc.get_traced_memory()[1] < 2 * READ_SIZE
    finally:
        tracemalloc.stop()


# -- from frames to pieces and back ----------------------------------------------------------------


@pytest.mark.parametrize("modes", list(itertools.product([False, True], repeat=5)))
@pytest.mark.parametrize("step", [1, 2, 9, 400, 700])
def test_change_between_pieces_and_frames_at_every_point(
    step: int, modes: "tuple[bool, ...]"
) -> None:
    story = b"".join(
        [
            octets(0x02, bytes(300)),
            octets(0x89, b"ping"),
            octets(0x00, b"x"),
            octets(0x80, bytes(range(256)) * 4),
            octets(0x81),
            octets(0x8A, b"pong"),
            octets(0x88, b"\x03\xe8"),
        ]
    )
    it = Reader(**SERVER, limit=400)
    mode = itertools.cycle(modes)
    for start in range(0, len(story), step):
        it.read(story[start : start + step])
        it.take(next(mode))
    it.rest(next(mode))
    assert it.outcome == reader(story).outcome
    assert it.parser.stop == Stop.CLOSED


def test_a_frame_over_the_limit_can_still_be_wanted_in_pieces() -> None:
    it = parser(max_frame_size=10)
    it.feed(octets(0x82, bytes(300))[:20])
    assert it.is_full()
    it.pieces = True
    it.resume()
    assert not it.is_full()
    piece = it.cut()
    assert piece is not None
    assert (piece.length, len(piece.payload)) == (300, 12)


def test_what_has_arrived_of_a_small_frame_can_be_wanted_in_pieces() -> None:
    it = parser()
    it.feed(octets(0x82, b"Hello")[:-2])
    it.pieces = True
    it.resume()
    piece = it.cut()
    assert piece is not None
    assert piece.payload == b"Hel"


def test_wanted_in_pieces_while_the_limit_waits() -> None:
    it = parser(limit=1, max_frame_size=10)
    it.feed(octets(0x81) + octets(0x82, bytes(11)))
    it.pieces = True
    it.resume()
    assert len(it.queue.items) == 1
    it.queue.take()
    it.resume()
    assert len(it.queue.take().payload) == 11


def test_a_frame_begun_in_pieces_can_be_wanted_whole() -> None:
    it = in_pieces(limit=1000)
    data = octets(0x82, bytes(2000))
    it.feed(data[:1500])
    assert it.is_full()
    it.whole()
    assert not it.is_full()
    it.feed(data[1500:])
    it.resume()
    assert it.queue.take() == Frame.binary(bytes(2000))


#: Around a Ping and a Pong, a frame over the limit, cut at every interesting place.
AROUND = octets(0x89) + octets(0x82, bytes(300)) + octets(0x8A)


@pytest.mark.parametrize("read", [2 + 6, 2 + 8, 2 + 9, 2 + 307, 2 + 308, 2 + 308 + 6, len(AROUND)])
@pytest.mark.parametrize("taken", [0, 1])
def test_a_frame_over_the_limit_is_an_error_when_wanted_whole(read: int, taken: int) -> None:
    """However much of it has come meanwhile: the frames before it, then the error."""
    it = in_pieces(max_frame_size=10)
    it.feed(AROUND[: 4 + read])
    assert [it.queue.take().opcode for _ in range(taken)] == [9] * taken
    it.whole()
    assert [frame.opcode for frame in it.queue.items] == [9] * (1 - taken)
    it.feed(AROUND[4 + read :])
    it.queue.take_all()
    it.settle()
    assert isinstance(it.error, FrameTooBig)
    assert (it.error.size, it.error.limit) == (300, 10)
    assert (it.queue.cost, it.is_partial, it.stop == Stop.LIMIT) == (0, False, False)
    assert not it.queue.items


def test_an_error_behind_a_frame_over_the_limit_is_not_told() -> None:
    it = in_pieces(max_frame_size=10)
    it.feed(octets(0x82, bytes(11)) + octets(0x83))
    assert type(it.error) is ProtocolError
    it.whole()
    assert isinstance(it.error, FrameTooBig)


def test_whole_frames_within_the_limit_stay() -> None:
    it = in_pieces(max_frame_size=10)
    it.feed(octets(0x82, bytes(10)) + octets(0x82, bytes(10))[:-1])
    it.whole()
    it.feed(b"\x00")
    assert len(it.queue.items) == 2
    assert it.error is None


@pytest.mark.parametrize("count", [-1, READ_SIZE - 1, 2**31])
def test_more_than_one_read_can_bring(count: int) -> None:
    """Octets that are not there must not be parsed, whoever says that they are."""
    it = parser()
    it.feed(b"\x89\x80")
    with pytest.raises(ValueError, match="no room"):
        it.written(count)
    it.feed(MASK)
    assert it.queue.take() == Frame.ping()
