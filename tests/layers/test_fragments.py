"""Messages cut into frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiohttp_rawws import Frame
from aiohttp_rawws.layers import fragment
from tests.support.messages import assemble
from tests.support.profile import PROFILE


@pytest.mark.parametrize(
    ("frame", "size", "parts"),
    [
        (Frame.text("abc"), 3, [Frame.text("abc")]),
        (
            Frame.text("abcd"),
            3,
            [Frame.text("abc", False), Frame.continuation(b"d")],
        ),
        (
            Frame.binary(b"abcdef"),
            2,
            [Frame.binary(b"ab", False), Frame(0, b"cd", False), Frame(0, b"ef")],
        ),
        (
            Frame(1, b"abc", rsv1=True, rsv2=True, rsv3=True),
            2,
            [Frame(1, b"ab", False, rsv1=True, rsv2=True, rsv3=True), Frame(0, b"c")],
        ),
        (Frame.continuation(b"ab", False), 1, [Frame(0, b"a", False), Frame(0, b"b", False)]),
        (Frame.continuation(b"ab"), 1, [Frame(0, b"a", False), Frame(0, b"b")]),
    ],
)
def test_fragment(frame: Frame, size: int, parts: list[Frame]) -> None:
    assert list(fragment(frame, size)) == parts


@pytest.mark.parametrize("frame", [Frame.text(""), Frame.binary(b"", False), Frame(2, b"ab")])
def test_a_frame_that_fits_is_given_as_it_is(frame: Frame) -> None:
    (only,) = fragment(frame, 2)
    assert only is frame


def test_a_masking_key_is_not_used_twice() -> None:
    assert [f.mask for f in fragment(Frame(1, b"abc", mask=b"mask"), 1)] == [None] * 3


@pytest.mark.parametrize("frame", [Frame.ping(b"abc"), Frame.close(), Frame(11)])
def test_a_control_frame_is_not_fragmented(frame: Frame) -> None:
    with pytest.raises(ValueError, match="control frame"):
        fragment(frame, 2)


@pytest.mark.parametrize("size", [0, -1])
def test_a_fragment_has_at_least_a_byte(size: int) -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        fragment(Frame.text("abc"), size)


@PROFILE
@given(st.sampled_from([1, 2]), st.text(max_size=300), st.integers(1, 400))
def test_fragments_add_up(opcode: int, text: str, size: int) -> None:
    frame = Frame(opcode, text.encode())
    frames = list(fragment(frame, size))
    assert all(len(part.payload) <= size for part in frames)
    assert all(part.payload for part in frames[1:])
    assert len(frames) == max(1, -(-len(frame.payload) // size))
    assert assemble(frames) == assemble([frame])
