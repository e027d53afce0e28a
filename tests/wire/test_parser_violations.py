"""The rules that a frame breaks: which are reported, and when."""

import itertools
from dataclasses import dataclass

import pytest

from aiohttp_rawws import Frame, ProtocolError, Violation
from aiohttp_rawws.wire.explanations import explain
from aiohttp_rawws.wire.native import READ_SIZE
from aiohttp_rawws.wire.rules import judge, judge_close
from aiohttp_rawws.wire.stops import Stop
from tests.support.octets import MASK
from tests.support.parser_reader import (
    ALL,
    NONE,
    both_roles,
    header,
    heads_and_payloads,
    octets,
    parser,
    reader,
    the_error,
)

# -- each rule -------------------------------------------------------------------------------------


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
    frames = it.queue.take_all()
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
    assert not it.parser.is_partial


@both_roles
@each_breach
def test_nothing_is_parsed_behind_a_violation(breach: Breach, is_client: bool) -> None:
    it = reader(b"".join(breach.wire(is_client)), is_client=is_client)
    error, items = it.parser.error, list(it.items)
    it.read(octets(0x81, b"later", is_client) * 3)
    it.rest()
    assert it.parser.error is error
    assert it.items == items
    assert not it.parser.is_partial


def test_a_client_must_mask() -> None:
    hello = b"\x81\x05Hello"
    error = the_error(reader(hello[:2]))
    assert (error.violation, error.close_code) == (Violation.UNMASKED, 1002)
    it = parser(reject=ALL & ~Violation.UNMASKED)
    it.feed(hello)
    frame = it.queue.take()
    assert (frame.payload, frame.mask, frame.violations) == (b"Hello", None, Violation.UNMASKED)


def test_a_server_must_not_mask() -> None:
    hello = b"\x81\x85" + MASK + b"\x7f\x9f\x4d\x51\x58"
    error = the_error(reader(hello[:2], is_client=True))
    assert (error.violation, error.close_code) == (Violation.MASKED, 1002)
    it = parser(is_client=True, reject=ALL & ~Violation.MASKED)
    it.feed(hello)
    frame = it.queue.take()
    assert (frame.payload, frame.mask, frame.violations) == (b"Hello", MASK, Violation.MASKED)


# -- several rules at once -------------------------------------------------------------------------


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
    frame = it.queue.take()
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
    assert it.queue.take().violations == Violation.LONG_CONTROL | Violation.CLOSE_PAYLOAD


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


# -- a 64-bit length with its top bit set ----------------------------------------------------------


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
    assert it.is_partial


# -- Close -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [b"", b"\x03\xe8", b"\x0f\xa0reason", b"\x03\xe8" + "ü".encode() * 61]
)
def test_a_close_is_delivered_and_ends_the_parsing(payload: bytes) -> None:
    it = parser()
    it.feed(octets(0x81) + octets(0x88, payload) + octets(0x81) + b"\xff\xff garbage")
    frames = it.queue.take_all()
    assert heads_and_payloads(frames) == [(1, b""), (8, payload)]
    assert frames[1].violations is NONE
    assert it.stop == Stop.CLOSED
    assert it.is_ready()
    assert it.error is None
    assert not it.is_partial


def test_bytes_after_a_close_are_thrown_away() -> None:
    it = parser()
    it.feed(octets(0x88))
    it.queue.take()
    for _ in range(3):
        it.feed(b"\xff" * READ_SIZE)
    assert not it.queue.items
    assert (it.error, it.is_partial, it.queue.cost) == (None, False, 0)


def test_frames_after_a_close_are_flagged_where_that_is_let_pass() -> None:
    it = parser(reject=ALL & ~Violation.AFTER_CLOSE)
    it.feed(octets(0x88) + octets(0x81, b"a") + octets(0x88) + octets(0x89))
    assert it.stop != Stop.CLOSED
    assert it.after_close
    frames = it.queue.take_all()
    assert heads_and_payloads(frames) == [(8, b""), (1, b"a"), (8, b""), (9, b"")]
    assert [frame.violations for frame in frames] == [NONE, *[Violation.AFTER_CLOSE] * 3]


def test_frames_after_a_close_are_still_judged() -> None:
    it = reader(octets(0x88) + octets(0x83), reject=(ALL & ~Violation.AFTER_CLOSE).value)
    assert len(it.items) == 1
    assert the_error(it).violation is Violation.RESERVED_OPCODE


def test_a_malformed_close_that_is_let_pass_ends_the_parsing_too() -> None:
    it = parser(reject=ALL & ~Violation.CLOSE_PAYLOAD)
    it.feed(octets(0x88, b"\x03") + octets(0x81))
    assert [frame.violations for frame in it.queue.take_all()] == [Violation.CLOSE_PAYLOAD]
    assert it.stop == Stop.CLOSED
