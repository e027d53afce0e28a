"""Frames as values: their fields, and how they compare and copy."""

import copy
import pickle
from array import array
from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, Piece, Violation
from aiohttp_rawws.wire.frames import FRAME_COST, make_frame, whole_piece
from aiohttp_rawws.wire.pieces import make_piece
from tests.support.octets import MASK

KNOWN = (0x0, 0x1, 0x2, 0x8, 0x9, 0xA)
RESERVED = (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)
FLAGS = ("fin", "rsv1", "rsv2", "rsv3")


class Octets(bytes):
    """Bytes that are not exactly `bytes`."""


# -- what a frame is -------------------------------------------------------------------------------


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


# -- immutable, hashable, equal --------------------------------------------------------------------


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


# -- copies ----------------------------------------------------------------------------------------


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


# -- subclasses ------------------------------------------------------------------------------------


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


# -- pieces ----------------------------------------------------------------------------------------


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
