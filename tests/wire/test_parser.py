"""Bytes to frames: what comes out, which rules are told to be broken, when, and what it costs."""

import itertools
import sys
import tracemalloc
from dataclasses import dataclass
from typing import Any

import pytest

from aiohttp_rawws import Frame, FrameTooBig, Opcode, Piece, ProtocolError, Violation
from aiohttp_rawws.wire.frames import FRAME_COST
from aiohttp_rawws.wire.native import READ_SIZE
from aiohttp_rawws.wire.parser import Parser, ReadBuffer, explain, judge, judge_close
from tests.support.octets import MASK, xor
from tests.support.parser_reader import Reader

ALL = Violation.ALL
NONE = Violation.NONE
BIG = 20_000  # so big that it is read into its own memory while it is incomplete

SERVER: "dict[str, Any]" = {"is_client": False}
both_roles = pytest.mark.parametrize("is_client", [False, True], ids=["server", "client"])


def length_of(size: int) -> bytes:
    """A payload length in its shortest form (RFC 6455 section 5.2)."""
    if size < 126:
        return bytes([size])
    if size < 65536:
        return b"\x7e" + size.to_bytes(2, "big")
    return b"\x7f" + size.to_bytes(8, "big")


def header(head: int, size: int, is_client: bool = False, length: bytes = b"") -> bytes:
    """All that stands before the masking key; a server receives masked frames, a client bare."""
    length = length or length_of(size)
    return bytes([head, length[0] | (0 if is_client else 0x80)]) + length[1:]


def octets(head: int, payload: bytes = b"", is_client: bool = False, length: bytes = b"") -> bytes:
    """A whole frame as that role receives it."""
    start = header(head, len(payload), is_client, length)
    return start + (payload if is_client else MASK + xor(payload))


def parser(**options: Any) -> Any:
    return Parser(ReadBuffer(), **{**SERVER, **options})


def reader(data: bytes = b"", pieces: bool = False, **options: Any) -> Reader:
    """A reader that has read `data`, and taken all it could."""
    it = Reader(**{**SERVER, **options})
    it.read(data)
    it.rest(pieces)
    return it


def heads_and_payloads(frames: Any) -> "list[tuple[int, bytes]]":
    return [(frame.opcode, frame.payload) for frame in frames]


def the_error(it: Reader) -> ProtocolError:
    assert isinstance(it.parser.error, ProtocolError)
    return it.parser.error


# -- frames --------------------------------------------------------------------------------


@both_roles
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 0xC123, 65535, 65536, READ_SIZE])
def test_a_frame_of_any_length(size: int, is_client: bool) -> None:
    payload = (b"payload" * (size // 7 + 1))[:size]
    it = parser(is_client=is_client)
    it.feed(octets(0x82, payload, is_client))
    frame = it.take()
    assert frame.payload == payload
    assert type(frame.payload) is bytes
    assert frame.mask == (None if is_client else MASK)
    assert frame.violations is NONE
    assert not it.waiting


@pytest.mark.parametrize("fin", [0x80, 0])
@pytest.mark.parametrize("opcode", [1, 2])
def test_opcode_and_fin_as_they_were_sent(opcode: int, fin: int) -> None:
    it = parser()
    it.feed(octets(fin | opcode))
    frame = it.take()
    assert frame.opcode is Opcode(opcode)
    assert frame.fin is (fin != 0)


def test_fragments_keep_their_own_opcodes_with_control_frames_between() -> None:
    it = parser()
    it.feed(octets(0x01, b"a") + octets(0x89, b"b") + octets(0x00, b"c") + octets(0x80, b"d"))
    assert heads_and_payloads(it.take_all()) == [(1, b"a"), (9, b"b"), (0, b"c"), (0, b"d")]


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
    frame = it.take()
    assert (frame.rsv1, frame.rsv2, frame.rsv3) == (
        bool(head & 0x40),
        bool(head & 0x20),
        bool(head & 0x10),
    )
    assert frame.violations is NONE


def test_an_extension_owns_only_the_rsv_bits() -> None:
    assert the_error(reader(octets(0x83), extended=True)).violation is Violation.RESERVED_OPCODE


# -- each rule -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Breach:
    """A frame that breaks one rule, once the frames `before` it have come."""

    rule: Violation
    head: int
    payload: bytes = b""
    before: "tuple[int, ...]" = ()
    length: bytes = b""
    #: How many octets tell; None if it takes the whole frame.
    tells: "int | None" = 2
    close_code: int = 1002

    def __str__(self) -> str:
        return f"{self.rule.name} {self.head:08b} {self.payload[:8].hex()}{self.length.hex()}"

    def wire(self, is_client: bool) -> "tuple[bytes, bytes]":
        before = b"".join(octets(head, b"", is_client) for head in self.before)
        return before, octets(self.head, self.payload, is_client, self.length)


BREACHES = [
    *(Breach(Violation.RESERVED_BITS, 0x81 | rsv) for rsv in range(0x10, 0x80, 0x10)),
    Breach(Violation.RESERVED_BITS, 0b1100_1001),
    *(Breach(Violation.RESERVED_OPCODE, 0x80 | opcode) for opcode in (3, 4, 5, 6, 7)),
    *(Breach(Violation.RESERVED_OPCODE, 0x80 | opcode) for opcode in (11, 12, 13, 14, 15)),
    *(Breach(Violation.FRAGMENTED_CONTROL, opcode) for opcode in (8, 9, 10)),
    Breach(Violation.LONG_CONTROL, 0x89, bytes(126)),
    Breach(Violation.LONG_CONTROL, 0x8A, bytes(65536)),
    Breach(Violation.LONG_CONTROL, 0x88, b"\x03\xe8" + b"x" * 124),
    Breach(Violation.UNEXPECTED_CONTINUATION, 0x80),
    Breach(Violation.UNEXPECTED_CONTINUATION, 0x00),
    Breach(Violation.UNEXPECTED_CONTINUATION, 0x80, before=(0x01, 0x80)),
    Breach(Violation.UNEXPECTED_CONTINUATION, 0x80, before=(0x81, 0x89)),
    Breach(Violation.EXPECTED_CONTINUATION, 0x81, before=(0x01,)),
    Breach(Violation.EXPECTED_CONTINUATION, 0x02, before=(0x02, 0x00, 0x8A)),
    Breach(Violation.LENGTH_ENCODING, 0x82, b"Hello", length=b"\x7e\x00\x05", tells=4),
    Breach(Violation.LENGTH_ENCODING, 0x82, bytes(125), length=b"\x7e\x00\x7d", tells=4),
    Breach(Violation.LENGTH_ENCODING, 0x82, b"", length=b"\x7f" + bytes(8), tells=10),
    Breach(Violation.LENGTH_ENCODING, 0x82, bytes(65535), (), b"\x7f" + bytes(6) + b"\xff\xff", 10),
    *(
        Breach(Violation.CLOSE_PAYLOAD, 0x88, payload, tells=None)
        for payload in (
            b"\x03",  # half a code
            b"\x00\x00",
            b"\x03\xe7",  # 999
            b"\x03\xec",  # 1004
            b"\x03\xed",  # 1005
            b"\x03\xee",  # 1006
            b"\x03\xf7",  # 1015
            b"\x0b\xb7",  # 2999
            b"\x13\x88",  # 5000
            b"\xff\xff",
            b"\x03\xee\xff",  # 1006, and a reason that is not UTF-8
        )
    ),
    *(
        Breach(Violation.CLOSE_PAYLOAD, 0x88, b"\x03\xe8" + reason, tells=None, close_code=1007)
        for reason in (
            b"\xff",
            b"ok \xf0\x9f\x98",  # the end of a character is missing
            b"\xc0\x80",  # a form too long
            b"\xed\xa0\x80",  # half a surrogate pair
        )
    ),
]

each_breach = pytest.mark.parametrize("breach", BREACHES, ids=str)


@both_roles
@each_breach
def test_a_rejected_rule_raises(breach: Breach, is_client: bool) -> None:
    it = reader(b"".join(breach.wire(is_client)), is_client=is_client)
    assert len(it.items) == len(breach.before)
    error = the_error(it)
    assert type(error) is ProtocolError
    assert error.violation == breach.rule
    assert error.close_code == breach.close_code
    assert "RFC 6455" in str(error)


@both_roles
@each_breach
def test_only_what_reject_names_raises(breach: Breach, is_client: bool) -> None:
    data = b"".join(breach.wire(is_client))
    assert the_error(reader(data, is_client=is_client, reject=breach.rule.value))
    it = parser(is_client=is_client, reject=ALL & ~breach.rule)
    it.feed(data)
    frames = it.take_all()
    assert it.error is None
    assert [frame.violations for frame in frames] == [NONE] * len(breach.before) + [breach.rule]
    frame = frames[-1]
    assert frame.encode()[0] == breach.head
    assert frame.payload == breach.payload


@both_roles
@each_breach
def test_the_verdict_comes_as_early_as_the_bytes_allow(breach: Breach, is_client: bool) -> None:
    before, data = breach.wire(is_client)
    tells = len(data) if breach.tells is None else breach.tells
    it = reader(before + data[: tells - 1], is_client=is_client)
    assert it.parser.error is None
    it.read(data[tells - 1 : tells])
    assert the_error(it).violation == breach.rule
    assert not it.parser.partial


@both_roles
@each_breach
def test_nothing_is_parsed_behind_a_violation(breach: Breach, is_client: bool) -> None:
    it = reader(b"".join(breach.wire(is_client)), is_client=is_client)
    error, items = it.parser.error, list(it.items)
    it.read(octets(0x81, b"later", is_client) * 3)
    it.rest()
    assert it.parser.error is error
    assert it.items == items
    assert not it.parser.partial


def test_a_client_must_mask() -> None:
    hello = b"\x81\x05Hello"
    error = the_error(reader(hello[:2]))
    assert (error.violation, error.close_code) == (Violation.UNMASKED, 1002)
    it = parser(reject=ALL & ~Violation.UNMASKED)
    it.feed(hello)
    frame = it.take()
    assert (frame.payload, frame.mask, frame.violations) == (b"Hello", None, Violation.UNMASKED)


def test_a_server_must_not_mask() -> None:
    hello = b"\x81\x85" + MASK + b"\x7f\x9f\x4d\x51\x58"
    error = the_error(reader(hello[:2], is_client=True))
    assert (error.violation, error.close_code) == (Violation.MASKED, 1002)
    it = parser(is_client=True, reject=ALL & ~Violation.MASKED)
    it.feed(hello)
    frame = it.take()
    assert (frame.payload, frame.mask, frame.violations) == (b"Hello", MASK, Violation.MASKED)


# -- several rules at once -----------------------------------------------------------------

#: FIN 0, RSV 111, a reserved control opcode, and its length does not fit 7 bits
EVERYTHING = Violation.RESERVED_BITS | Violation.RESERVED_OPCODE | Violation.FRAGMENTED_CONTROL
COMBINED = [
    (b"\x7b\x7e", Violation.UNMASKED | EVERYTHING | Violation.LONG_CONTROL),
    (b"\xc0\x80", Violation.RESERVED_BITS | Violation.UNEXPECTED_CONTINUATION),
    (octets(0x01) + b"\x83\x80", Violation.RESERVED_OPCODE | Violation.EXPECTED_CONTINUATION),
    (b"\x09\xfe", Violation.FRAGMENTED_CONTROL | Violation.LONG_CONTROL),
]


def told(violations: Violation) -> str:
    """How several violations at once are told."""
    rules = [Violation(1 << bit) for bit in range(11)]
    return f"breaks RFC 6455: {', '.join(str(rule.name) for rule in rules if rule & violations)}"


@pytest.mark.parametrize(("data", "violations"), COMBINED)
def test_all_the_rules_a_frame_breaks_are_told(data: bytes, violations: Violation) -> None:
    error = the_error(reader(data))
    assert error.violation == violations
    assert str(error) == told(violations)


def test_what_is_wrong_with_a_frame_fits_a_close() -> None:
    """So that `session.close(error.close_code, str(error))` never fails."""
    for number in range(1, ALL.value + 1):
        text = explain(Violation(number))
        assert Frame.close(1002, text).close_reason == text
        if number.bit_count() > 1:
            assert text == told(Violation(number))[:123]


@both_roles
def test_whatever_a_frame_begins_with_the_error_fits_a_close(is_client: bool) -> None:
    for before, head, second in itertools.product(
        (b"", octets(0x01, b"", is_client), octets(0x88, b"", is_client)),
        range(256),
        (0, 1, 125, 126, 127, 128, 129, 253, 254, 255),
    ):
        reject = ALL & ~Violation.AFTER_CLOSE if before[:1] == b"\x88" else ALL
        data = before + bytes([head, second]) + b"\x80" + bytes(7) + MASK + bytes(300)
        it = reader(data, is_client=is_client, reject=reject.value)
        if it.parser.error is not None:
            error = the_error(it)
            Frame.close(error.close_code, str(error))
            if error.violation.value.bit_count() > 1:
                # Nothing that one frame can break had to be cut.
                assert str(error) == told(error.violation)


def test_an_http_request_behind_the_upgrade_can_be_answered_with_a_close() -> None:
    error = the_error(reader(b"GET / HTTP/1.1\r\n\r\n"))
    close = Frame.close(error.close_code, str(error))
    assert close.close_code == 1002
    assert close.close_reason == "breaks RFC 6455: UNMASKED, RESERVED_BITS, RESERVED_OPCODE"


def test_of_several_rules_only_the_rejected_ones_are_told() -> None:
    error = the_error(reader(b"\x7b\x7e", reject=Violation.RESERVED_OPCODE.value))
    assert error.violation is Violation.RESERVED_OPCODE


def test_what_is_let_pass_is_told_by_the_frame() -> None:
    it = parser(reject=NONE)
    it.feed(b"\x7b\x7e\x00\x05Hello")
    frame = it.take()
    assert frame.payload == b"Hello"
    assert frame.violations == (
        Violation.UNMASKED | EVERYTHING | Violation.LONG_CONTROL | Violation.LENGTH_ENCODING
    )


def test_a_malformed_close_that_is_long_too() -> None:
    data = octets(0x88, b"\x03\xe8" + b"\xff" * 200)
    let_pass = ALL & ~Violation.LONG_CONTROL
    error = the_error(reader(data, reject=let_pass.value))
    assert (error.violation, error.close_code) == (Violation.CLOSE_PAYLOAD, 1007)
    it = parser(reject=NONE)
    it.feed(data)
    assert it.take().violations == Violation.LONG_CONTROL | Violation.CLOSE_PAYLOAD


def test_a_rule_let_pass_does_not_confuse_what_follows() -> None:
    passing = Violation.EXPECTED_CONTINUATION | Violation.UNEXPECTED_CONTINUATION
    it = reader(
        octets(0x00) + octets(0x01) + octets(0x81) + octets(0x80),
        reject=(ALL & ~passing).value,
    )
    assert [item[7] for item in it.items] == [
        Violation.UNEXPECTED_CONTINUATION.value,  # 0x00 begins a message nevertheless,
        Violation.EXPECTED_CONTINUATION.value,  # which 0x01 does not continue,
        Violation.EXPECTED_CONTINUATION.value,  # nor 0x81, but that one is finished
        Violation.UNEXPECTED_CONTINUATION.value,
    ]


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("fragmented", [False, True])
@both_roles
def test_judge_every_first_octet(is_client: bool, fragmented: bool, extended: bool) -> None:
    known = {0, 1, 2, 8, 9, 10}
    for head, second in itertools.product(range(256), (0, 125, 126, 127, 128, 253, 254, 255)):
        opcode = head & 0b1111
        control, final, masked = opcode > 7, head > 127, second > 127
        broken = {
            Violation.UNMASKED: not is_client and not masked,
            Violation.MASKED: is_client and masked,
            Violation.RESERVED_BITS: bool(head & 0b0111_0000) and not extended,
            Violation.RESERVED_OPCODE: opcode not in known,
            Violation.FRAGMENTED_CONTROL: control and not final,
            Violation.LONG_CONTROL: control and second % 128 > 125,
            Violation.UNEXPECTED_CONTINUATION: opcode == 0 and not fragmented,
            Violation.EXPECTED_CONTINUATION: 0 < opcode < 8 and fragmented,
        }
        expected = sum(rule.value for rule, breaks in broken.items() if breaks)
        assert judge(head, second, is_client, fragmented, extended) == expected


def test_judge_close_every_code() -> None:
    sendable = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    for code in range(65536):
        broken = judge_close(code.to_bytes(2, "big")) == Violation.CLOSE_PAYLOAD.value
        assert broken is (code not in sendable)


# -- a 64-bit length with its top bit set --------------------------------------------------


@both_roles
@pytest.mark.parametrize("length", [b"\x80" + bytes(7), b"\xff" * 8])
@pytest.mark.parametrize("reject", [ALL, NONE, ALL & ~Violation.LENGTH_ENCODING])
@pytest.mark.parametrize("pieces", [False, True])
def test_the_top_bit_of_a_length_always_raises(
    length: bytes, reject: Violation, pieces: bool, is_client: bool
) -> None:
    data = header(0x82, 0, is_client, b"\x7f" + length)
    it = reader(data[:-1], pieces, is_client=is_client, reject=reject.value)
    assert it.parser.error is None
    it.read(data[-1:])  # before the masking key
    error = the_error(it)
    assert type(error) is ProtocolError
    assert (error.violation, error.close_code) == (Violation.LENGTH_ENCODING, 1002)


def test_the_longest_length_is_no_violation() -> None:
    it = parser(max_frame_size=2**70)
    it.feed(octets(0x82, b"x", length=b"\x7f\x7f" + b"\xff" * 7))
    assert it.error is None
    assert it.partial


# -- Close ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [b"", b"\x03\xe8", b"\x0f\xa0reason", b"\x03\xe8" + "ü".encode() * 61]
)
def test_a_close_is_delivered_and_ends_the_parsing(payload: bytes) -> None:
    it = parser()
    it.feed(octets(0x81) + octets(0x88, payload) + octets(0x81) + b"\xff\xff garbage")
    frames = it.take_all()
    assert heads_and_payloads(frames) == [(1, b""), (8, payload)]
    assert frames[1].violations is NONE
    assert it.closed
    assert it.ready
    assert it.error is None
    assert not it.partial


def test_bytes_after_a_close_are_thrown_away() -> None:
    it = parser()
    it.feed(octets(0x88))
    it.take()
    for _ in range(3):
        it.feed(b"\xff" * READ_SIZE)
    assert not it.waiting
    assert (it.error, it.partial, it.weight) == (None, False, 0)


def test_frames_after_a_close_are_flagged_where_that_is_let_pass() -> None:
    it = parser(reject=ALL & ~Violation.AFTER_CLOSE)
    it.feed(octets(0x88) + octets(0x81, b"a") + octets(0x88) + octets(0x89))
    assert not it.closed
    assert it.after_close
    frames = it.take_all()
    assert heads_and_payloads(frames) == [(8, b""), (1, b"a"), (8, b""), (9, b"")]
    assert [frame.violations for frame in frames] == [NONE, *[Violation.AFTER_CLOSE] * 3]


def test_frames_after_a_close_are_still_judged() -> None:
    it = reader(octets(0x88) + octets(0x83), reject=(ALL & ~Violation.AFTER_CLOSE).value)
    assert len(it.items) == 1
    assert the_error(it).violation is Violation.RESERVED_OPCODE


def test_a_malformed_close_that_is_let_pass_ends_the_parsing_too() -> None:
    it = parser(reject=ALL & ~Violation.CLOSE_PAYLOAD)
    it.feed(octets(0x88, b"\x03") + octets(0x81))
    assert [frame.violations for frame in it.take_all()] == [Violation.CLOSE_PAYLOAD]
    assert it.closed


# -- max_frame_size ------------------------------------------------------------------------


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
    assert not it.error
    assert heads_and_payloads(it.take_all()) == [(1, b"first"), (9, b"")]
    it.settle()
    assert isinstance(it.error, FrameTooBig)
    assert not it.partial
    assert not it.full  # what follows is read, and thrown away


def test_reading_pauses_at_a_frame_over_the_limit_until_it_is_judged() -> None:
    it = parser(max_frame_size=10)
    it.feed(header(0x82, 11))
    assert it.full
    assert it.ready
    assert it.error is None


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


def test_limits_by_default() -> None:
    it = parser()
    assert (it.max_frame_size, it.limit, it.reject) == (16 * 2**20, 256 * 2**10, ALL.value)


def test_limits_may_be_larger_than_any_size() -> None:
    it = parser(max_frame_size=2**70, limit=2**70)
    assert (it.max_frame_size, it.limit) == (sys.maxsize, sys.maxsize)


# -- the limit of what waits ---------------------------------------------------------------


def test_parsing_stops_when_the_limit_waits() -> None:
    it = parser(limit=2 * (FRAME_COST + 10))
    it.feed(octets(0x82, b"0123456789") * 5)
    assert len(it.waiting) == 2
    assert it.weight == 2 * (FRAME_COST + 10)
    assert it.full
    assert it.stalled


def test_empty_frames_count() -> None:
    it = parser(limit=10 * FRAME_COST)
    it.feed(octets(0x82) * 100)
    assert len(it.waiting) == 10


def test_an_incomplete_frame_does_not_count() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82, bytes(100_000))[:-1])
    assert (it.weight, it.full, it.ready) == (0, False, False)
    assert it.partial


def test_one_frame_over_the_limit_is_let_in() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82, bytes(100_000)) + octets(0x82))
    assert len(it.waiting) == 1


def test_what_was_read_beyond_the_limit_stays_as_bytes() -> None:
    it = parser(limit=1)
    for number in range(5):
        it.feed(octets(0x82, bytes([number])))
    assert it.stalled
    seen = []
    while it.waiting:
        seen.append(it.take().payload[0])
        assert it.stalled is (seen[-1] < 4)
        it.resume()
    assert seen == [0, 1, 2, 3, 4]
    assert (it.stalled, it.partial, it.weight) == (False, False, 0)


def test_nothing_is_parsed_while_the_limit_still_waits() -> None:
    it = parser(limit=2 * FRAME_COST)
    it.feed(octets(0x82) * 5)
    it.resume()
    assert len(it.waiting) == 2
    it.take()
    it.resume()
    assert len(it.waiting) == 2
    assert it.stalled


def test_nothing_to_resume() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82))
    assert it.full
    it.resume()
    assert not it.stalled


def test_a_violation_among_what_stays_as_bytes_is_told_later() -> None:
    it = parser(limit=1)
    it.feed(octets(0x82, b"a") + octets(0x83))
    assert not it.error
    it.take()
    it.resume()
    assert isinstance(it.error, ProtocolError)
    assert (it.stalled, it.partial) == (False, False)


def test_more_than_a_read_stays_as_bytes() -> None:
    it = reader(limit=1)
    frame = octets(0x82, bytes(10_000))
    it.read(frame * 100)
    assert it.parser.stalled
    it.rest()
    assert len(it.items) == 100
    assert not it.parser.partial


def test_take_all() -> None:
    it = parser()
    it.feed(octets(0x82, b"x") * 3)
    assert it.weight == 3 * (FRAME_COST + 1)
    assert len(it.take_all()) == 3
    assert (it.weight, it.take_all()) == (0, [])


def test_a_handler_is_woken_by_a_whole_frame() -> None:
    it = parser()
    data = octets(0x82, bytes(BIG))
    it.feed(data[:-1])
    assert not it.ready
    it.feed(data[-1:])
    assert it.ready


@pytest.mark.parametrize("data", [octets(0x83), octets(0x88)])
def test_a_handler_is_woken_by_the_end(data: bytes) -> None:
    it = parser()
    assert not it.ready
    it.feed(data)
    it.take_all()
    assert it.ready


# -- memory --------------------------------------------------------------------------------


def cost_of(data: bytes, pieces: bool = False, **options: Any) -> float:
    """How much memory a parser takes that has read `data` and asks for more, in bytes."""
    buffer = ReadBuffer()
    tracemalloc.start()
    try:
        parsers = [Parser(buffer, **SERVER, **options) for _ in range(200)]
        for it in parsers:
            it.pieces = pieces
            it.feed(data)
            it.writable()
        assert all(it.partial and it.error is None for it in parsers)
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
    it.take()
    tracemalloc.start()
    try:
        it.writable()
        it.feed(octets(0x82))
        assert tracemalloc.get_traced_memory()[1] < 4000
    finally:
        tracemalloc.stop()


# -- reading in place ----------------------------------------------------------------------


def test_a_big_frame_is_read_into_its_own_memory() -> None:
    buffer = ReadBuffer()
    it = Parser(buffer, **SERVER)
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
    assert it.take() == Frame.binary(payload)
    assert not any(buffer.data)


def test_reading_in_place_ends_with_the_frame() -> None:
    it = parser()
    it.feed(octets(0x82, bytes(BIG))[:-10])
    assert len(it.writable()) == 10
    it.feed(octets(0x82, bytes(BIG))[-10:] + octets(0x81, b"next"))
    assert heads_and_payloads(it.take_all()) == [(2, bytes(BIG)), (1, b"next")]


def test_a_small_frame_waits_for_the_rest_among_the_unparsed_bytes() -> None:
    it = parser()
    it.feed(octets(0x82, b"Hello")[:-2])
    assert it.partial
    assert len(it.writable()) == READ_SIZE - len(octets(0x82, b"Hello")[:-2])
    it.feed(octets(0x82, b"Hello")[-2:])
    assert it.take().payload == b"Hello"
    assert not it.partial


def test_one_octet_is_the_beginning_of_a_frame() -> None:
    it = parser()
    assert not it.partial
    it.feed(b"\x82")
    assert it.partial


def test_parsers_may_share_a_buffer() -> None:
    buffer = ReadBuffer()
    parsers = [Parser(buffer, **SERVER) for _ in range(3)]
    data = [octets(0x82, bytes([number]) * 1000) for number in range(3)]
    for start in range(0, len(data[0]), 100):
        for it, mine in zip(parsers, data, strict=True):
            it.feed(mine[start : start + 100])
    assert [it.take().payload for it in parsers] == [bytes([n]) * 1000 for n in range(3)]


def test_what_was_taken_does_not_change_with_later_reads() -> None:
    it = parser()
    it.feed(octets(0x82, b"first"))
    frame = it.take()
    it.feed(octets(0x82, b"other"))
    assert frame.payload == b"first"


# -- cuts ----------------------------------------------------------------------------------

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


# -- pieces --------------------------------------------------------------------------------


def in_pieces(**options: Any) -> Any:
    it = parser(**options)
    it.pieces = True
    return it


def test_a_piece_is_what_has_arrived_since_the_last_one() -> None:
    it = in_pieces(max_frame_size=1)
    data = octets(0x42, b"0123456789", length=b"\x0a")
    it.reject = NONE.value
    it.feed(data[:9])
    common = (Opcode.BINARY, False, True, False, False, 10)
    rest = (MASK, Violation.RESERVED_BITS)
    assert it.cut() == Piece(*common, 0, b"012", False, *rest)
    assert it.cutting
    assert it.cut() is None
    it.feed(data[9:13])
    assert it.ready
    assert it.cut() == Piece(*common, 3, b"3456", False, *rest)
    it.feed(data[13:])
    assert it.weight == FRAME_COST + 3
    assert it.take() == Piece(*common, 7, b"789", True, *rest)
    assert (it.weight, it.cutting, it.fragmented) == (0, False, True)


def test_one_octet_is_a_piece() -> None:
    it = in_pieces()
    it.feed(octets(0x82, b"Hello")[:7])
    assert it.ready
    piece = it.cut()
    assert (piece.payload, piece.last) == (b"H", False)
    assert it.cutting
    it.feed(octets(0x82, b"Hello")[7:])
    piece = it.take()
    assert (piece.offset, piece.payload, piece.last) == (1, b"ello", True)


def test_nothing_to_cut_in_a_header() -> None:
    it = in_pieces()
    it.feed(octets(0x82, bytes(BIG))[:8])
    assert not it.ready
    assert it.cut() is None
    assert not it.cutting


def test_a_frame_that_came_whole_is_no_piece() -> None:
    it = in_pieces()
    it.feed(octets(0x82, b"Hello") + octets(0x82, bytes(BIG))[:100])
    assert it.take() == Frame.binary(b"Hello")
    assert it.cut() is not None


def test_a_frame_that_became_whole_before_it_was_cut_is_no_piece() -> None:
    it = in_pieces()
    it.feed(octets(0x82, b"Hello")[:-1])
    it.feed(octets(0x82, b"Hello")[-1:])
    assert it.take() == Frame.binary(b"Hello")


@pytest.mark.parametrize("size", [100, BIG])
def test_control_frames_come_whole(size: int) -> None:
    it = in_pieces(reject=NONE)
    data = octets(0x89, bytes(size))
    it.feed(data[:-1])
    assert it.cut() is None
    it.feed(data[-1:])
    assert it.take() == Frame(9, bytes(size))


@pytest.mark.parametrize("opcode", range(8))
def test_max_frame_size_is_not_applied_to_data_frames(opcode: int) -> None:
    it = in_pieces(max_frame_size=10, reject=NONE)
    data = octets(0x80 | opcode, bytes(300))
    it.feed(data[:-1])
    assert len(it.cut().payload) == 299
    it.feed(data[-1:])
    assert (it.take().payload, it.error) == (b"\x00", None)


@pytest.mark.parametrize("known", [False, True])
def test_max_frame_size_is_applied_to_control_frames(known: bool) -> None:
    it = in_pieces(max_frame_size=10, reject=ALL & ~Violation.RESERVED_OPCODE)
    it.feed(octets(0x82, b"x") + header(0x89 if known else 0x8B, 11))
    it.settle()
    assert it.error is None
    assert it.take().payload == b"x"
    it.settle()
    assert isinstance(it.error, FrameTooBig)


def test_the_limit_counts_what_has_arrived_of_a_frame() -> None:
    it = in_pieces(limit=1000)
    data = octets(0x82, bytes(5000))
    it.feed(data[:1007])
    assert not it.full
    it.feed(data[1007:1008])
    assert it.full
    it.feed(data[1008:])
    assert it.stalled
    sizes = []
    while (piece := it.cut()) is not None:
        sizes.append(len(piece.payload))
        it.resume()
    assert sum(sizes) + len(it.take().payload) == 5000


def test_a_control_frame_on_its_way_is_not_held_back() -> None:
    # It comes whole, so that nothing could be taken to go on.
    it = in_pieces(limit=1000, reject=NONE)
    it.feed(octets(0x89, bytes(BIG))[:-1])
    assert not it.full
    assert not it.ready
    it.feed(octets(0x89, bytes(BIG))[-1:])
    assert it.take().payload == bytes(BIG)


def test_memory_is_bounded_for_a_frame_of_any_size() -> None:
    it = in_pieces(limit=10_000)
    it.feed(header(0x82, 2**62) + MASK)
    tracemalloc.start()
    try:
        for _ in range(100):
            it.feed(bytes(20_000))
            assert it.full
            while it.cut() is not None:
                it.resume()
        assert tracemalloc.get_traced_memory()[1] < 2 * READ_SIZE
    finally:
        tracemalloc.stop()


# -- from frames to pieces and back --------------------------------------------------------


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
    assert it.parser.closed


def test_a_frame_over_the_limit_can_still_be_wanted_in_pieces() -> None:
    it = parser(max_frame_size=10)
    it.feed(octets(0x82, bytes(300))[:20])
    assert it.full
    it.pieces = True
    it.resume()
    assert not it.full
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
    assert len(it.waiting) == 1
    it.take()
    it.resume()
    assert len(it.take().payload) == 11


def test_a_frame_begun_in_pieces_can_be_wanted_whole() -> None:
    it = in_pieces(limit=1000)
    data = octets(0x82, bytes(2000))
    it.feed(data[:1500])
    assert it.full
    it.whole()
    assert not it.full
    it.feed(data[1500:])
    it.resume()
    assert it.take() == Frame.binary(bytes(2000))


#: Around a Ping and a Pong, a frame over the limit, cut at every interesting place.
AROUND = octets(0x89) + octets(0x82, bytes(300)) + octets(0x8A)


@pytest.mark.parametrize("read", [2 + 6, 2 + 8, 2 + 9, 2 + 307, 2 + 308, 2 + 308 + 6, len(AROUND)])
@pytest.mark.parametrize("taken", [0, 1])
def test_a_frame_over_the_limit_is_an_error_when_wanted_whole(read: int, taken: int) -> None:
    """However much of it has come meanwhile: the frames before it, then the error."""
    it = in_pieces(max_frame_size=10)
    it.feed(AROUND[: 4 + read])
    assert [it.take().opcode for _ in range(taken)] == [9] * taken
    it.whole()
    assert [frame.opcode for frame in it.waiting] == [9] * (1 - taken)
    it.feed(AROUND[4 + read :])
    it.take_all()
    it.settle()
    assert isinstance(it.error, FrameTooBig)
    assert (it.error.size, it.error.limit) == (300, 10)
    assert (it.weight, it.partial, it.stalled) == (0, False, False)
    assert not it.waiting


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
    assert len(it.waiting) == 2
    assert it.error is None


@pytest.mark.parametrize("count", [-1, READ_SIZE - 1, 2**31])
def test_more_than_one_read_can_bring(count: int) -> None:
    """Octets that are not there must not be parsed, whoever says that they are."""
    it = parser()
    it.feed(b"\x89\x80")
    with pytest.raises(ValueError, match="no room"):
        it.written(count)
    it.feed(MASK)
    assert it.take() == Frame.ping()
