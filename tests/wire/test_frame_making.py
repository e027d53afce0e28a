"""Frames from their constructors, and as bytes and text."""

from array import array
from typing import Any

import pytest

from aiohttp_rawws import CloseCode, Frame, Opcode, Violation, truncate_reason
from aiohttp_rawws.wire.frames import make_frame
from tests.support.octets import MASK, xor

SURROGATE = "\ud800"  # half a character: not encodable as UTF-8


# -- encode ----------------------------------------------------------------------------------------


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


# -- checked constructors --------------------------------------------------------------------------


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


# -- Close -----------------------------------------------------------------------------------------


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


# -- repr ------------------------------------------------------------------------------------------


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
