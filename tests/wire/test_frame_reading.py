"""Reading the text of a frame, changing a frame, and the constructors that are not for reading."""

import copy
import pickle
from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, Violation
from aiohttp_rawws.wire.frames import make_frame
from tests.support.octets import MASK

CONSTRUCTORS = ("binary", "close", "continuation", "ping", "pong", "text")


class Own(Frame):
    """A frame of a user's own class."""


class Described(Frame):
    """A frame whose class has another meaning for a constructor's name."""

    @property
    def text(self) -> str:  # type: ignore[override]
        return "mine"


# -- the text of a frame -------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "Hello", "ä\u20ac\U0001f600", "\x00"])
def test_payload_text_is_the_text(text: str) -> None:
    assert Frame.text(text).payload_text == text
    assert Own.text(text).payload_text == text


def test_a_text_that_is_not_utf8_is_a_unicode_decode_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        _ = Frame(Opcode.TEXT, b"\xff").payload_text


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (Frame.binary(b"text"), "BINARY"),
        (Frame.ping(b"text"), "PING"),
        (Frame.pong(), "PONG"),
        (Frame.close(1000, "bye"), "CLOSE"),
        (Frame(3, b"text"), "opcode 3"),
        (Frame.binary(b"text", fin=False), "BINARY"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_frame_of_another_kind_has_no_text(frame: Frame, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        _ = frame.payload_text
    assert str(caught.value) == (
        f"payload_text is the text of a Text frame, this one is {name}; frame.payload has its bytes"
    )


@pytest.mark.parametrize(
    "frame",
    [
        Frame.text("Hel", fin=False),
        Frame.continuation(b"lo"),
        Frame.continuation(b"l", fin=False),
    ],
)
def test_a_fragment_has_no_text(frame: Frame) -> None:
    """A fragment of ASCII has none either: it would be an error of a day with other visitors."""
    with pytest.raises(ValueError, match=r"fragment, which may end .* layers\.MessageAssembler"):
        _ = frame.payload_text


@pytest.mark.parametrize("bit", ["rsv1", "rsv2", "rsv3"])
def test_an_encoded_payload_has_no_text(bit: str) -> None:
    bits: dict[str, Any] = {bit: True}
    with pytest.raises(ValueError, match=r"reserved bit set: .* layers\.PermessageDeflate"):
        _ = Frame(Opcode.TEXT, b"Hello", **bits).payload_text


# -- the constructors ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize("frame", [Frame.text("Hello"), Own.ping(), Frame.close(1000, "bye")])
def test_no_instance_has_a_constructor(frame: Frame, name: str) -> None:
    assert not hasattr(frame, name)
    with pytest.raises(AttributeError, match=rf"^a frame has no '{name}': Frame\.{name}\(\.\.\.\)"):
        getattr(frame, name)


def test_the_error_names_what_an_instance_has() -> None:
    frame: Any = Frame.text("Hello")
    with pytest.raises(AttributeError, match=r"frame\.payload_text is the text of this one"):
        _ = frame.text
    with pytest.raises(AttributeError, match=r"frame\.payload is the payload of this one"):
        _ = frame.binary
    with pytest.raises(AttributeError, match=r"frame\.close_code and frame\.close_reason"):
        _ = frame.close


def test_a_constructor_of_a_subclass_makes_one() -> None:
    class Loud(Frame):
        @classmethod
        def text(cls, text: str, fin: bool = True) -> Frame:
            return super().text(text.upper(), fin)

    assert type(Own.binary(b"")) is Own
    frame = Loud.text("hello")
    assert type(frame) is Loud
    assert frame.payload == b"HELLO"
    assert type(Loud.ping()) is Loud
    assert type(Frame.ping()) is Frame


def test_a_subclass_may_use_the_name() -> None:
    assert Described(1).text == "mine"


def test_a_constructor_is_a_function_like_any_other() -> None:
    make = Frame.ping
    assert make(b"x") == Frame.ping(b"x")
    assert [frame.payload for frame in map(Frame.text, ["a", "b"])] == [b"a", b"b"]
    assert pickle.loads(pickle.dumps(Frame.text))("a") == Frame.text("a")


# -- changing a frame ----------------------------------------------------------------------

RECEIVED = make_frame(0b1100_0001, b"Hello", MASK, Violation.RESERVED_BITS.value)


def test_replace_without_changes_gives_the_same_but_for_violations() -> None:
    frame = RECEIVED.replace()
    assert frame == RECEIVED
    assert frame.mask == MASK
    assert (RECEIVED.violations, frame.violations) == (Violation.RESERVED_BITS, Violation.NONE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("opcode", Opcode.BINARY),
        ("opcode", Opcode.CONTINUATION),
        ("opcode", 3),
        ("payload", b""),
        ("payload", b"other"),
        ("fin", False),
        ("rsv1", False),
        ("rsv2", True),
        ("rsv3", True),
        ("mask", None),
        ("mask", b"abcd"),
    ],
)
def test_replace_changes_one_part(name: str, value: Any) -> None:
    changed: dict[str, Any] = {name: value}
    frame = RECEIVED.replace(**changed)
    names = ("opcode", "payload", "fin", "rsv1", "rsv2", "rsv3", "mask")
    before = {each: getattr(RECEIVED, each) for each in names}
    assert {each: getattr(frame, each) for each in names} == before | changed


def test_a_replaced_payload_is_masked_by_the_same_key() -> None:
    frame = RECEIVED.replace(payload=b"\x00\x00\x00\x00")
    assert frame.encode() == b"\xc1\x84" + MASK + MASK


def test_replace_takes_what_the_constructor_takes() -> None:
    wrong: Any = "text"
    assert RECEIVED.replace(payload=bytearray(b"x")).payload == b"x"
    with pytest.raises(TypeError, match="payload must be bytes-like, got str"):
        RECEIVED.replace(payload=wrong)
    with pytest.raises(ValueError, match="4 bits"):
        RECEIVED.replace(opcode=16)
    with pytest.raises(TypeError, match="data"):
        RECEIVED.replace(data=b"x")  # type: ignore[call-arg]


def test_replace_keeps_the_class() -> None:
    assert type(Own.text("a").replace(payload=b"b")) is Own
    assert copy.copy(Own.text("a").replace(fin=False)).fin is False
