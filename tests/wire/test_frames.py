"""Frames, and the names RFC 6455 gives to their parts."""

import copy
import enum
import pickle
from array import array
from typing import Any

import pytest

from aiohttp_rawws import CloseCode, Frame, Opcode, Piece, Violation, truncate_reason
from aiohttp_rawws.wire.frames import FRAME_COST, make_frame, make_piece, whole_piece
from tests.support.octets import MASK, xor

SURROGATE = "\ud800"  # half a character: not encodable as UTF-8
KNOWN = (0x0, 0x1, 0x2, 0x8, 0x9, 0xA)
RESERVED = (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)
FLAGS = ("fin", "rsv1", "rsv2", "rsv3")


class Octets(bytes):
    """Bytes that are not exactly `bytes`."""


# -- the names -----------------------------------------------------------------------------


def test_opcodes_of_rfc_6455_section_5_2() -> None:
    assert {opcode.name: opcode.value for opcode in Opcode} == {
        "CONTINUATION": 0,
        "TEXT": 1,
        "BINARY": 2,
        "CLOSE": 8,
        "PING": 9,
        "PONG": 10,
    }
    assert issubclass(Opcode, enum.IntEnum)


def test_close_codes_of_the_iana_registry() -> None:
    assert [code.value for code in CloseCode] == [*range(1000, 1004), *range(1005, 1016)]
    assert issubclass(CloseCode, enum.IntEnum)


def test_close_codes_that_may_stand_on_the_wire() -> None:
    sendable = [code for code in range(65536) if CloseCode.is_sendable(code)]
    assert sendable == [*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)]


def test_sendable_is_not_the_same_as_known() -> None:
    assert CloseCode.is_sendable(CloseCode.BAD_GATEWAY)
    assert not CloseCode.is_sendable(CloseCode.NO_STATUS_RECEIVED)
    assert not CloseCode.is_sendable(CloseCode.ABNORMAL_CLOSURE)
    assert not CloseCode.is_sendable(CloseCode.TLS_HANDSHAKE)


VIOLATIONS = (
    "UNMASKED",
    "MASKED",
    "RESERVED_BITS",
    "RESERVED_OPCODE",
    "FRAGMENTED_CONTROL",
    "LONG_CONTROL",
    "UNEXPECTED_CONTINUATION",
    "EXPECTED_CONTINUATION",
    "LENGTH_ENCODING",
    "CLOSE_PAYLOAD",
    "AFTER_CLOSE",
)


def test_violations_have_one_bit_per_rule() -> None:
    bits = [Violation[name].value for name in VIOLATIONS]
    assert all(bit.bit_count() == 1 for bit in bits)
    assert len(set(bits)) == len(bits)
    assert set(Violation.__members__) == {*VIOLATIONS, "NONE", "ALL"}


def test_violations_none_and_all() -> None:
    assert Violation.NONE.value == 0
    assert Violation.ALL.value == sum(Violation[name].value for name in VIOLATIONS)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_rule_is_taken_out_of_all(name: str) -> None:
    rest = Violation.ALL & ~Violation[name]
    assert Violation[name] not in rest
    assert rest | Violation[name] == Violation.ALL


# -- what a frame is -----------------------------------------------------------------------


def test_defaults() -> None:
    frame = Frame(Opcode.PING)
    assert frame.opcode is Opcode.PING
    assert frame.payload == b""
    assert frame.fin is True
    assert (frame.rsv1, frame.rsv2, frame.rsv3) == (False, False, False)
    assert frame.mask is None
    assert frame.violations is Violation.NONE


def test_everything_given_is_kept() -> None:
    frame = Frame(2, b"x", False, rsv1=True, rsv2=True, rsv3=True, mask=MASK)
    assert (frame.opcode, frame.payload, frame.mask) == (Opcode.BINARY, b"x", MASK)
    assert [getattr(frame, flag) for flag in FLAGS] == [False, True, True, True]


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_is_its_own_bit_of_the_first_octet(flag: str) -> None:
    #       FIN RSV1 RSV2 RSV3
    bits = {"fin": 0b1000_0001, "rsv1": 0b0100_0001, "rsv2": 0b0010_0001, "rsv3": 0b0001_0001}
    options: Any = {"fin": False} | {flag: True}
    frame = Frame(1, **options)
    assert [name for name in FLAGS if getattr(frame, name)] == [flag]
    assert frame.encode() == bytes([bits[flag], 0])


@pytest.mark.parametrize("number", KNOWN)
def test_a_known_opcode_is_an_opcode(number: int) -> None:
    assert Frame(number).opcode is Opcode(number)


@pytest.mark.parametrize("number", RESERVED)
def test_a_reserved_opcode_is_a_plain_int(number: int) -> None:
    assert type(Frame(number).opcode) is int
    assert Frame(number).opcode == number


@pytest.mark.parametrize("number", range(16))
def test_control_frames_have_the_top_bit_of_the_opcode(number: int) -> None:
    assert Frame(number).is_control is (number >= 8)


def test_rsv_and_mask_are_keyword_only() -> None:
    options: Any = (1, b"", True, True)
    with pytest.raises(TypeError):
        Frame(*options)


@pytest.mark.parametrize("opcode", [-1, 16, 256, 2**70])
def test_an_opcode_has_4_bits(opcode: int) -> None:
    with pytest.raises(ValueError, match=rf"4 bits \(0 to 15\), got {opcode}"):
        Frame(opcode)


@pytest.mark.parametrize("opcode", [1.0, "1", None, b"\x01"])
def test_an_opcode_is_an_int(opcode: Any) -> None:
    with pytest.raises(TypeError):
        Frame(opcode)


def test_an_opcode_is_anything_that_is_an_index() -> None:
    class Nine:
        def __index__(self) -> int:
            return 9

    opcode: Any = Nine()
    assert Frame(opcode).opcode is Opcode.PING


@pytest.mark.parametrize("size", [0, 1, 3, 5, 8])
def test_a_masking_key_has_4_bytes(size: int) -> None:
    with pytest.raises(ValueError, match=f"4 bytes, got {size}"):
        Frame(1, mask=bytes(size))


@pytest.mark.parametrize("mask", ["abcd", 4, [1, 2, 3, 4]])
def test_a_masking_key_is_bytes_like(mask: Any) -> None:
    with pytest.raises(TypeError, match="mask must be bytes-like"):
        Frame(1, mask=mask)


@pytest.mark.parametrize("payload", ["text", 5, None, [1, 2], 1.0])
def test_a_payload_is_bytes_like(payload: Any) -> None:
    with pytest.raises(TypeError, match="payload must be bytes-like, got"):
        Frame(1, payload)


BYTES_LIKE = [
    b"abcdefgh",
    Octets(b"abcdefgh"),
    bytearray(b"abcdefgh"),
    memoryview(b"abcdefgh"),
    memoryview(b"a.b.c.d.e.f.g.h.")[::2],  # not contiguous
    array("I", [0x64636261, 0x68676665]),  # items of 4 bytes
    memoryview(b"abcdefgh").cast("B", (2, 4)),
]


@pytest.mark.parametrize("payload", BYTES_LIKE, ids=lambda payload: type(payload).__name__)
def test_any_bytes_like_payload_becomes_bytes(payload: Any) -> None:
    frame = Frame(2, payload)
    assert type(frame.payload) is bytes
    assert frame.payload == b"abcdefgh"


@pytest.mark.parametrize(
    "mask", [MASK, Octets(MASK), bytearray(MASK), memoryview(MASK), array("B", MASK)]
)
def test_any_bytes_like_mask_becomes_bytes(mask: Any) -> None:
    frame = Frame(2, mask=mask)
    assert type(frame.mask) is bytes
    assert frame.mask == MASK


@pytest.mark.parametrize("payload", [bytearray(b"abcd"), array("B", b"abcd")])
def test_a_payload_is_taken_as_it_is_at_the_call(payload: Any) -> None:
    frame = Frame(2, payload, mask=payload)
    seen = Frame(2, memoryview(payload))
    payload[0] = 0
    assert frame.payload == frame.mask == seen.payload == b"abcd"


def test_a_payload_of_bytes_is_not_copied() -> None:
    payload = bytes(1000)
    assert Frame(2, payload).payload is payload


#: What breaks the rules of RFC 6455, but can be encoded.
ODD = [
    (Frame(9, bytes(126)), b"\x89\x7e\x00\x7e" + bytes(126)),  # a long Ping
    (Frame(9, b"", False), b"\x09\x00"),  # a fragmented Ping
    (Frame(8, b"\x03"), b"\x88\x01\x03"),  # a Close with half a code
    (Frame(8, b"\x03\xed"), b"\x88\x02\x03\xed"),  # a Close with code 1005
    (Frame(1, b"\xff"), b"\x81\x01\xff"),  # Text that is not UTF-8
    (Frame(15, b"", rsv3=True), b"\x9f\x00"),  # all that is reserved
]


@pytest.mark.parametrize(("frame", "encoded"), ODD)
def test_the_constructor_refuses_only_what_cannot_be_encoded(frame: Frame, encoded: bytes) -> None:
    assert frame.encode() == encoded


# -- immutable, hashable, equal ------------------------------------------------------------

ATTRIBUTES = (
    *("opcode", "payload", "fin", "rsv1", "rsv2", "rsv3", "mask", "violations"),
    *("is_control", "close_code", "close_reason"),
)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_cannot_be_set(name: str) -> None:
    frame = Frame(1, b"x")
    before = getattr(frame, name)
    with pytest.raises(AttributeError):
        setattr(frame, name, before)
    with pytest.raises(AttributeError):
        delattr(frame, name)
    assert getattr(frame, name) == before


def test_attributes_cannot_be_added() -> None:
    frame: Any = Frame(1)
    with pytest.raises(AttributeError):
        frame.comment = "x"
    assert not hasattr(frame, "__dict__")


def test_equal_by_opcode_payload_fin_and_rsv() -> None:
    assert Frame(1, b"x", rsv2=True) == Frame(Opcode.TEXT, bytearray(b"x"), rsv2=True)


DIFFERENT = [
    Frame(2, b"x"),
    Frame(1, b"y"),
    Frame(1, b"x", False),
    Frame(1, b"x", rsv1=True),
    Frame(1, b"x", rsv2=True),
    Frame(1, b"x", rsv3=True),
]


@pytest.mark.parametrize("other", DIFFERENT)
def test_different_in_any_of_these(other: Frame) -> None:
    assert Frame(1, b"x") != other
    assert not Frame(1, b"x") == other  # noqa: SIM201


@pytest.mark.parametrize("other", [1, b"x", None, "Frame", object()])
def test_not_equal_to_anything_else(other: object) -> None:
    assert Frame(1, b"x") != other
    assert other != Frame(1, b"x")


def test_not_equal_unless_the_other_says_so() -> None:
    class Everything:
        def __eq__(self, other: object) -> bool:
            return True

    assert Frame(1) == Everything()


def test_mask_and_violations_do_not_count() -> None:
    plain = Frame(1, b"x")
    received = make_frame(0x81, b"x", MASK, Violation.MASKED.value)
    assert plain == received == Frame(1, b"x", mask=MASK)
    assert hash(plain) == hash(received) == hash(Frame(1, b"x", mask=MASK))


def test_hashable() -> None:
    frames = {Frame(1, b"x"): "text", Frame(2, b"x"): "binary"}
    assert frames[Frame(1, b"x", mask=MASK)] == "text"
    assert len({*DIFFERENT, *DIFFERENT}) == len(DIFFERENT)


def test_no_order() -> None:
    low: Any = Frame(1)
    with pytest.raises(TypeError):
        assert low < Frame(2)


# -- encode --------------------------------------------------------------------------------

HELLO_MASKED = b"\x7f\x9f\x4d\x51\x58"

#: RFC 6455 section 5.7
EXAMPLES = [
    (Frame(1, b"Hello"), b"\x81\x05Hello"),
    (Frame(1, b"Hello", mask=MASK), b"\x81\x85" + MASK + HELLO_MASKED),
    (Frame(1, b"Hel", False), b"\x01\x03Hel"),
    (Frame(0, b"lo"), b"\x80\x02lo"),
    (Frame(9, b"Hello"), b"\x89\x05Hello"),
    (Frame(10, b"Hello", mask=MASK), b"\x8a\x85" + MASK + HELLO_MASKED),
    (Frame(2, bytes(256)), b"\x82\x7e\x01\x00" + bytes(256)),
    (Frame(2, bytes(65536)), b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + bytes(65536)),
]


@pytest.mark.parametrize(("frame", "encoded"), EXAMPLES, ids=repr)
def test_examples_of_rfc_6455_section_5_7(frame: Frame, encoded: bytes) -> None:
    assert frame.encode() == encoded
    assert type(frame.encode()) is bytes


#: The shortest form of each length (section 5.2).
LENGTHS = [
    *((size, bytes([size])) for size in range(126)),
    (126, b"\x7e\x00\x7e"),
    (127, b"\x7e\x00\x7f"),
    (0xC123, b"\x7e\xc1\x23"),
    (65535, b"\x7e\xff\xff"),
    (65536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
]


@pytest.mark.parametrize(("size", "length"), LENGTHS)
def test_lengths(size: int, length: bytes) -> None:
    payload = (b"payload" * (size // 7 + 1))[:size]
    masked = bytes([0x80 | length[0]]) + length[1:]
    assert Frame(2, payload).encode() == b"\x82" + length + payload
    assert Frame(2, payload, mask=MASK).encode() == b"\x82" + masked + MASK + xor(payload)


# -- checked constructors ------------------------------------------------------------------


def test_text() -> None:
    assert Frame.text("Grüße 🐍") == Frame(1, "Grüße 🐍".encode())
    assert Frame.text("a", fin=False) == Frame(1, b"a", False)
    assert Frame.text("") == Frame(1)


@pytest.mark.parametrize("text", [b"bytes", 5, None])
def test_text_takes_a_str(text: Any) -> None:
    with pytest.raises(TypeError, match="takes a str"):
        Frame.text(text)


def test_text_must_be_encodable() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Frame.text(SURROGATE)


def test_binary_and_continuation() -> None:
    assert Frame.binary(b"\xff") == Frame(2, b"\xff")
    assert Frame.binary(bytearray(b"x"), fin=False) == Frame(2, b"x", False)
    assert Frame.continuation(b"x") == Frame(0, b"x")
    assert Frame.continuation(b"x", False) == Frame(0, b"x", False)


@pytest.mark.parametrize("make", [Frame.binary, Frame.continuation, Frame.ping, Frame.pong])
def test_they_take_bytes(make: Any) -> None:
    with pytest.raises(TypeError, match="payload must be bytes-like, got str"):
        make("text")


@pytest.mark.parametrize(("make", "opcode"), [(Frame.ping, Opcode.PING), (Frame.pong, Opcode.PONG)])
def test_ping_and_pong_have_at_most_125_bytes(make: Any, opcode: int) -> None:
    assert make() == Frame(opcode)
    assert make(memoryview(bytes(125))) == Frame(opcode, bytes(125))
    with pytest.raises(ValueError, match="at most 125 bytes of payload, got 126"):
        make(bytes(126))


def test_a_long_payload_is_counted_in_bytes() -> None:
    with pytest.raises(ValueError, match="got 128"):
        Frame.ping(array("I", range(32)))  # type: ignore[arg-type]


# -- Close ---------------------------------------------------------------------------------


def test_an_empty_close() -> None:
    frame = Frame.close()
    assert frame == Frame(8)
    assert frame.close_code is None
    assert frame.close_reason == ""


def test_a_close_with_code_and_reason() -> None:
    frame = Frame.close(CloseCode.GOING_AWAY, "bye")
    assert frame.encode() == b"\x88\x05\x03\xe9bye"
    assert frame.close_code == 1001
    assert frame.close_reason == "bye"


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_close_with_a_code_that_may_be_sent(code: int) -> None:
    assert Frame.close(code) == Frame(8, code.to_bytes(2, "big"))
    assert Frame.close(code).close_code == code


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536])
def test_a_close_with_a_code_that_may_not_be_sent(code: int) -> None:
    with pytest.raises(ValueError, match=f"close code {code} may not be sent"):
        Frame.close(code)


@pytest.mark.parametrize("code", [1000.0, "1000"])
def test_a_close_code_is_an_int(code: Any) -> None:
    with pytest.raises(TypeError):
        Frame.close(code)


def test_a_close_reason_needs_a_code() -> None:
    with pytest.raises(ValueError, match="needs a close code"):
        Frame.close(None, "bye")


@pytest.mark.parametrize("reason", [b"bye", None, 5])
def test_a_close_reason_is_a_str(reason: Any) -> None:
    with pytest.raises(TypeError, match="a close reason is a str, got"):
        Frame.close(1000, reason)


@pytest.mark.parametrize("reason", ["x" * 123, "é" * 61 + "x", "🐍" * 30 + "xyz"])
def test_a_close_reason_of_123_bytes(reason: str) -> None:
    frame = Frame.close(1000, reason)
    assert len(frame.payload) == 125
    assert frame.close_reason == reason


@pytest.mark.parametrize("reason", ["x" * 124, "é" * 62, "🐍" * 31])
def test_a_close_reason_over_123_bytes(reason: str) -> None:
    with pytest.raises(ValueError, match=r"at most 123 bytes of UTF-8, got 124"):
        Frame.close(1000, reason)


def test_a_close_reason_that_is_too_long_can_be_cut() -> None:
    with pytest.raises(ValueError, match=r"truncate_reason\(reason\) cuts it"):
        Frame.close(1000, "x" * 124)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ""),
        ("bye", "bye"),
        ("x" * 123, "x" * 123),
        ("x" * 124, "x" * 123),
        ("é" * 62, "é" * 61),
        ("x" + "é" * 62, "x" + "é" * 61),
        ("🐍" * 31, "🐍" * 30),
        ("xyz" + "🐍" * 31, "xyz" + "🐍" * 30),
        (f"lone {SURROGATE}", "lone ?"),
        (SURROGATE * 200, "?" * 123),
    ],
)
def test_a_reason_is_cut_between_two_characters(text: str, reason: str) -> None:
    assert truncate_reason(text) == reason
    assert Frame.close(1000, truncate_reason(text)).close_reason == reason


@pytest.mark.parametrize("text", [b"bye", None, ValueError("bye")])
def test_what_is_cut_is_a_str(text: Any) -> None:
    with pytest.raises(TypeError, match=r"truncate_reason takes a str, got .*; str\(error\)"):
        truncate_reason(text)


def test_a_close_reason_must_be_encodable() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Frame.close(1000, SURROGATE)


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (b"\x03", None, ""),
        (b"\x03\xee", 1006, ""),
        (b"\xff\xff", 65535, ""),
        (b"\x03\xe8ok\xff", 1000, "ok\ufffd"),
    ],
)
def test_a_malformed_close_is_read_with_replace(
    payload: bytes, code: "int | None", reason: str
) -> None:
    frame = Frame(8, payload)
    assert frame.close_code == code
    assert frame.close_reason == reason


def test_other_frames_have_no_close_code_or_reason() -> None:
    frame = Frame(1, b"\x03\xe8bye")
    assert frame.close_code is None
    assert frame.close_reason == ""


# -- repr ----------------------------------------------------------------------------------


def test_repr() -> None:
    assert repr(Frame.text("hi")) == "<Frame TEXT fin 2 bytes b'hi'>"
    assert repr(Frame(2, b"", False, rsv1=True)) == "<Frame BINARY rsv1 0 bytes b''>"
    assert repr(Frame(11, rsv2=True, rsv3=True)) == "<Frame opcode 11 fin rsv2 rsv3 0 bytes b''>"


def test_repr_tells_violations() -> None:
    assert "Violation.MASKED" in repr(make_frame(0x81, b"x", MASK, Violation.MASKED.value))


def test_repr_shows_up_to_64_bytes() -> None:
    assert "b'" + "x" * 64 + "'>" in repr(Frame(2, b"x" * 64))
    shown = repr(Frame(2, b"x" * 65))
    assert shown.count("x") == 64
    assert "65 bytes" in shown
    assert shown.endswith("...>")


@pytest.mark.parametrize("payload", [b"\r\n" * 50, bytes(range(256)), "\u2028\x85".encode() * 40])
def test_repr_is_one_line(payload: bytes) -> None:
    assert len(repr(Frame(1, payload)).splitlines()) == 1


# -- copies --------------------------------------------------------------------------------


def seen(frame: Frame) -> "tuple[Any, ...]":
    return tuple(getattr(frame, name) for name in ATTRIBUTES)


COPIED = [
    Frame(11, b"payload", False, rsv1=True, rsv3=True, mask=MASK),
    make_frame(0x88, b"\x03\xe8bye", MASK, Violation.MASKED.value),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("frame", COPIED)
def test_pickle(frame: Frame, protocol: int) -> None:
    assert seen(pickle.loads(pickle.dumps(frame, protocol))) == seen(frame)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("frame", COPIED)
def test_copy(frame: Frame, copied: Any) -> None:
    assert seen(copied(frame)) == seen(frame)


def test_a_piece_can_be_pickled_and_copied() -> None:
    piece = make_piece(0x02, 10, 2, b"abc", MASK, Violation.MASKED.value)
    assert pickle.loads(pickle.dumps(piece)) == copy.deepcopy(piece) == piece


# -- subclasses ----------------------------------------------------------------------------


class Noted(Frame):
    """A frame with a note."""

    def __init__(self, *args: Any, note: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.note = note


def test_a_subclass_is_a_frame() -> None:
    frame = Noted(9, b"x", rsv1=True, mask=MASK, note="hi")
    assert frame.note == "hi"
    assert frame == Frame(9, b"x", rsv1=True)
    assert hash(frame) == hash(Frame(9, b"x", rsv1=True))
    assert frame.encode() == Frame(9, b"x", rsv1=True, mask=MASK).encode()


def test_the_checked_constructors_make_the_subclass() -> None:
    made = [Noted.text("x"), Noted.binary(b"x"), Noted.ping(), Noted.pong(), Noted.close(1000)]
    assert {type(frame) for frame in [*made, Noted.continuation(b""), Noted.close()]} == {Noted}


def test_a_copy_of_a_subclass_is_an_equal_frame() -> None:
    frame = Noted(9, b"x", mask=MASK)
    assert copy.copy(frame) == pickle.loads(pickle.dumps(frame)) == frame


# -- pieces --------------------------------------------------------------------------------


def test_piece_fields() -> None:
    piece = Piece(2, True, False, False, False, 10, 4, b"abc", False)
    assert Piece._fields[:9] == (
        *("opcode", "fin", "rsv1", "rsv2", "rsv3"),
        *("length", "offset", "payload", "last"),
    )
    assert piece.mask is None
    assert piece.violations is Violation.NONE


@pytest.mark.parametrize(
    ("length", "offset", "last"), [(10, 0, False), (10, 6, False), (10, 7, True), (3, 0, True)]
)
def test_the_last_piece_ends_the_frame(length: int, offset: int, last: bool) -> None:
    piece = make_piece(0b1101_0010, length, offset, b"abc", None, 0)
    assert (piece.length, piece.offset, piece.payload) == (length, offset, b"abc")
    assert piece.last is last


def test_a_piece_has_the_flags_of_its_frame() -> None:
    piece = make_piece(0b0101_0010, 3, 0, b"abc", MASK, Violation.RESERVED_BITS.value)
    assert piece.opcode is Opcode.BINARY
    assert [getattr(piece, flag) for flag in FLAGS] == [False, True, False, True]
    assert (piece.mask, piece.violations) == (MASK, Violation.RESERVED_BITS)


def test_a_whole_frame_as_its_only_piece() -> None:
    frame = make_frame(0x82, b"abc", MASK, Violation.MASKED.value)
    piece = whole_piece(frame)
    assert piece == Piece(2, True, False, False, False, 3, 0, b"abc", True, MASK, Violation.MASKED)


def test_a_frame_costs_more_than_its_payload() -> None:
    # So that a peer who sends empty frames is held back as well.
    assert FRAME_COST > 0
