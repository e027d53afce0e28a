"""Properties of frames and of the parser that hold for every input."""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import aiohttp_rawws
from aiohttp_rawws import Frame, Opcode, Violation
from tests.fuzz import parser as fuzz
from tests.support.builds import INTERPRETED, RUNNING, Build
from tests.support.octets import MASK, xor
from tests.support.parser_reader import Reader, error_values, values
from tests.support.profile import PROFILE

needs_both = pytest.mark.skipif(not aiohttp_rawws.COMPILED, reason="only one build runs here")


# -- frames ----------------------------------------------------------------------------------------


SIZES = st.one_of(
    st.integers(0, 130),
    st.integers(0, 70_000),
    st.sampled_from([126, 127, 16_384, 16_385, 65_535, 65_536]),
)


def payload_of(size: int, pattern: bytes) -> bytes:
    return (pattern * (size // len(pattern) + 1))[:size]


PAYLOADS = st.builds(payload_of, SIZES, st.binary(min_size=1, max_size=7))
MASKS = st.none() | st.binary(min_size=4, max_size=4)

FRAMES = st.builds(
    Frame,
    st.integers(0, 15),
    PAYLOADS,
    st.booleans(),
    rsv1=st.booleans(),
    rsv2=st.booleans(),
    rsv3=st.booleans(),
    mask=MASKS,
)
#: How many bytes each read brings; the last one brings the rest.
CUTS = st.lists(st.integers(1, 12) | st.integers(1, 100_000), max_size=30)


def cut(data: bytes, cuts: "list[int]") -> "list[bytes]":
    reads = []
    for size in cuts:
        reads.append(data[:size])
        data = data[size:]
    return [*reads, data]


def outcome(data: bytes, cuts: "list[int]", pieces: bool = False, **options: Any) -> Any:
    """What comes out of bytes that were cut into reads, each read taken at once."""
    reader = Reader(**options)
    for read in cut(data, cuts):
        reader.read(read)
        reader.rest(pieces)
    return reader.outcome


@PROFILE
@given(st.lists(FRAMES, max_size=6), CUTS, st.booleans(), st.booleans())
def test_any_frames_in_any_reads(
    frames: "list[Frame]", cuts: "list[int]", is_client: bool, pieces: bool
) -> None:
    data = b"".join(frame.encode() for frame in frames)
    came, error = outcome(data, cuts, pieces, is_client=is_client, reject=0)
    assert error is None
    # Masks included, violations not.
    assert [item[:7] for item in came] == [values(frame)[:7] for frame in frames]


@PROFILE
@given(FRAMES)
def test_encode_then_parse_is_the_identity(frame: Frame) -> None:
    reader = Reader(is_client=True, reject=0)
    reader.read(frame.encode())
    parsed = reader.parser.queue.take()
    assert parsed == frame
    assert hash(parsed) == hash(frame)
    assert parsed.encode() == frame.encode()


LEGAL = st.builds(
    lambda size, opcode, key: Frame(
        opcode, bytes(size if opcode < 8 else min(size, 125)), mask=key
    ),
    SIZES,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG]),
    st.binary(min_size=4, max_size=4),
)


@PROFILE
@given(st.lists(LEGAL, max_size=6), CUTS)
def test_legal_frames_break_no_rule(frames: "list[Frame]", cuts: "list[int]") -> None:
    data = b"".join(frame.encode() for frame in frames)
    came, error = outcome(data, cuts, is_client=False)
    assert error is None
    assert [item[7] for item in came] == [0] * len(frames)


# -- any bytes -------------------------------------------------------------------------------------


def octets(head: int, payload: bytes, masked: bool, form: int) -> bytes:
    """A frame whose length may be in a longer form than it needs."""
    size = len(payload)
    if size > 65_535 or form == 127:
        length = b"\x7f" + size.to_bytes(8, "big")
    elif size > 125 or form == 126:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = bytes([size])
    if masked:
        return bytes([head, length[0] | 0x80]) + length[1:] + MASK + xor(payload)
    return bytes([head]) + length + payload


SMALL = st.binary(max_size=20) | st.builds(bytes, st.sampled_from([124, 125, 126, 200, 20_000]))
CODES = st.one_of(st.sampled_from([1000, 1005, 1007, 2999, 3000, 5000]), st.integers(0, 65_535))

CLOSES = st.builds(
    lambda code, reason: code.to_bytes(2, "big") + reason, CODES, st.binary(max_size=5)
)
FORMS = st.sampled_from([125, 125, 125, 126, 127])

ODD_FRAMES = st.builds(
    octets,
    st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A]) | st.integers(0, 255),
    SMALL,
    st.booleans(),
    FORMS,
)
ODD_CLOSES = st.builds(octets, st.just(0x88), CLOSES, st.booleans(), FORMS)

HEADERS = st.builds(
    lambda head, second, length: bytes([head, second]) + length.to_bytes(8, "big"),
    st.integers(0, 255),
    st.sampled_from([126, 127, 254, 255]),
    st.integers(0, 2**64 - 1) | st.sampled_from([2**62, 2**63 - 1, 2**63]),
)

BYTES = st.one_of(
    st.lists(ODD_FRAMES | ODD_CLOSES | HEADERS, max_size=8).map(b"".join),
    st.lists(ODD_FRAMES, max_size=8).map(b"".join),
    st.binary(max_size=60),
)
REJECTS = st.one_of(st.just(0), st.just(Violation.ALL.value), st.integers(0, Violation.ALL.value))

OPTIONS = st.fixed_dictionaries(
    {
        "is_client": st.booleans(),
        "extended": st.booleans(),
        "reject": REJECTS,
        "limit": st.sampled_from([1, 161, 400, 1000, 2**18]),
        "max_frame_size": st.sampled_from([1, 19, 125, 200, 20_000, 2**63 - 1]),
    }
)


@PROFILE
@given(BYTES, CUTS, OPTIONS, st.booleans())
def test_how_bytes_are_cut_makes_no_difference(
    data: bytes, cuts: "list[int]", options: "dict[str, Any]", pieces: bool
) -> None:
    assert outcome(data, cuts, pieces, **options) == outcome(data, [], pieces, **options)


@PROFILE
@given(st.binary(max_size=30) | HEADERS, OPTIONS, st.booleans())
def test_one_octet_at_a_time(data: bytes, options: "dict[str, Any]", pieces: bool) -> None:
    assert outcome(data, [1] * len(data), pieces, **options) == outcome(data, [], pieces, **options)


@PROFILE
@given(BYTES, CUTS, st.lists(st.booleans(), min_size=1, max_size=8), OPTIONS)
def test_pieces_and_frames_in_any_turn_make_no_difference(
    data: bytes, cuts: "list[int]", turns: "list[bool]", options: "dict[str, Any]"
) -> None:
    options |= {"max_frame_size": 2**63 - 1}
    reader = Reader(**options)
    for number, read in enumerate(cut(data, cuts)):
        reader.read(read)
        reader.take(turns[number % len(turns)])
    reader.rest()
    assert reader.outcome == outcome(data, [], **options)


@PROFILE
@given(BYTES, OPTIONS)
def test_reject_only_tells_where_to_stop(data: bytes, options: "dict[str, Any]") -> None:
    """What is delivered is what would be delivered if all were let pass, up to the breach."""
    options |= {"max_frame_size": 2**63 - 1}
    reject = options["reject"]
    came, error = outcome(data, [], **options)
    passed, _ = outcome(data, [], **options | {"reject": 0})
    expected = list(takewhile(lambda item: not item[7] & reject, passed))
    if reject & Violation.AFTER_CLOSE.value:
        closes = [number for number, item in enumerate(expected) if item[0] == Opcode.CLOSE]
        expected = expected[: closes[0] + 1] if closes else expected
    assert came == expected
    if error is not None:
        assert error[0] == "ProtocolError"
        assert error[1] & reject or error[1] == Violation.LENGTH_ENCODING.value
        assert error[2] in (1002, 1007)


@PROFILE
@given(BYTES, CUTS, OPTIONS)
def test_no_frame_over_the_limit_is_delivered(
    data: bytes, cuts: "list[int]", options: "dict[str, Any]"
) -> None:
    came, error = outcome(data, cuts, **options)
    assert all(len(item[5]) <= options["max_frame_size"] for item in came)
    if error is not None and error[0] == "FrameTooBig":
        assert error[1:3] == (Violation.NONE.value, 1009)


@PROFILE
@given(st.binary(max_size=fuzz.SETTINGS + 20))
def test_what_the_fuzz_harness_checks(data: bytes) -> None:
    fuzz.check(data)


# -- both builds -----------------------------------------------------------------------------------


#: What may be done with a parser, in any order; see `do`.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 12) | st.integers(1, 30_000)),
        st.tuples(st.sampled_from(["take", "rest"]), st.booleans()),
        st.tuples(st.sampled_from(["feed", "resume", "settle", "writable"]), st.none()),
        st.tuples(st.just("max_frame_size"), st.sampled_from([1, 20, 200, 2**63 - 1])),
    ),
    max_size=25,
)


def do(reader: Reader, name: str, argument: Any, data: bytes) -> Any:
    """One step of a session's life; what it shows."""
    parser = reader.parser
    if name == "read":
        return reader.read(data)
    if name == "feed":
        return parser.feed(data)
    if name in ("take", "rest"):
        return getattr(reader, name)(argument)
    if name == "max_frame_size":
        parser.max_frame_size = argument
        return None
    shown = getattr(parser, name)()
    if name == "writable":
        return len(shown)
    return shown


@needs_both
@PROFILE
@given(BYTES, STEPS, OPTIONS)
def test_both_parsers_agree_at_every_step(
    data: bytes, steps: "list[tuple[str, Any]]", options: "dict[str, Any]"
) -> None:
    readers = [Reader(build, **options) for build in (RUNNING, INTERPRETED)]
    assert readers[0].state == readers[1].state
    for name, argument in [*steps, ("feed", None), ("rest", False)]:
        size = {"read": argument, "feed": len(data)}.get(name, 0)
        shown = [do(reader, name, argument, data[:size]) for reader in readers]
        data = data[size:]
        assert shown[0] == shown[1]
        assert readers[0].state == readers[1].state
        assert readers[0].items == readers[1].items


ANYTHING = st.one_of(
    st.integers(-1, 17),
    st.sampled_from([1.0, None, "text", "\ud800", True, [1], 2**70]),
    st.binary(max_size=5),
    st.binary(max_size=130).map(bytearray),
    st.binary(max_size=5).map(lambda data: memoryview(data)),
)

LIKELY = {
    "opcode": st.integers(0, 15) | ANYTHING,
    "payload": st.binary(max_size=130) | ANYTHING,
    "mask": MASKS | ANYTHING,
    "code": st.none() | CODES | ANYTHING,
    "reason": st.text(max_size=130) | ANYTHING,
}


def attempt(make: "Callable[..., Any]", *args: Any, **options: Any) -> Any:
    """Everything that can be seen of a frame, or of the error instead of it."""
    try:
        frame = make(*args, **options)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    control = (frame.is_control, frame.close_code, frame.close_reason)
    return values(frame), control, frame.encode(), hash(frame), repr(frame)


def both(make: "Callable[[Build], Any]") -> None:
    assert make(RUNNING) == make(INTERPRETED)


@needs_both
@PROFILE
@given(LIKELY["opcode"], LIKELY["payload"], st.booleans(), st.booleans(), LIKELY["mask"])
def test_both_builds_make_the_same_frames(
    opcode: Any, payload: Any, fin: bool, rsv: bool, mask: Any
) -> None:
    both(lambda build: attempt(build.frames.Frame, opcode, payload, fin, rsv2=rsv, mask=mask))


@needs_both
@PROFILE
@given(LIKELY["code"], LIKELY["reason"])
@example(1000, "é" * 61 + "x")
@example(1000, "é" * 62)
def test_both_builds_make_the_same_closes(code: Any, reason: Any) -> None:
    both(lambda build: attempt(build.frames.Frame.close, code, reason))


@needs_both
@PROFILE
@given(st.sampled_from(["text", "binary", "continuation", "ping", "pong"]), ANYTHING)
def test_both_builds_check_alike(name: str, argument: Any) -> None:
    both(lambda build: attempt(getattr(build.frames.Frame, name), argument))


@needs_both
@PROFILE
@given(st.integers(0, 255), SMALL, MASKS, st.integers(0, Violation.ALL.value))
def test_both_builds_show_received_frames_alike(
    head: int, payload: bytes, mask: "bytes | None", violations: int
) -> None:
    both(lambda build: attempt(build.frames.make_frame, head, payload, mask, violations))


@needs_both
def test_the_twins_are_two() -> None:
    assert RUNNING.parser.Parser is not INTERPRETED.parser.Parser
    assert INTERPRETED.parser.__file__.endswith(".py")
    error = INTERPRETED.errors.FrameTooBig(2, 1)
    assert error_values(error) == error_values(RUNNING.errors.FrameTooBig(2, 1))
