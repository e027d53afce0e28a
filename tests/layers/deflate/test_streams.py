"""permessage-deflate: compressed streams that end, are cut off, or are none."""

import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiohttp_rawws import Frame, FrameTooBig, ProtocolError, Violation
from tests.support.deflate import (
    HELLO,
    HELLO_FINAL,
    HELLO_TWO_BLOCKS,
    NOISE,
    PROFILE,
    TAIL,
    TEXT,
    bomb,
    broken,
    deflated,
    finished,
    fragments,
    reader,
    text,
    traced,
)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("ending", [b"", b"\x00"])
def test_a_compressor_that_can_only_finish(fresh: bool, ending: bytes) -> None:
    """Section 7.2.3.4; without its octet of zeroes it is understood all the same."""
    inflater = reader(client_no_context_takeover=fresh)
    for size in (0, 1, 70_000):
        payload = finished(bytes(size)) + ending
        assert inflater.decode(text(payload)).payload == bytes(size)
    assert inflater.decode(text(HELLO)).payload == b"Hello"


def test_blocks_behind_a_final_one() -> None:
    inflater = reader()
    final = HELLO_FINAL[:-1]
    assert inflater.decode(text(final + HELLO)).payload == b"HelloHello"
    assert inflater.decode(text(final * 3 + b"\x00")).payload == b"Hello" * 3
    first = inflater.decode(text(final, fin=False))
    second = inflater.decode(Frame.continuation(final + HELLO_TWO_BLOCKS[:3], fin=False))
    third = inflater.decode(Frame.continuation(HELLO_TWO_BLOCKS[3:]))
    assert first.payload + second.payload + third.payload == b"Hello" * 3


def test_final_blocks_without_end() -> None:
    """Two bytes each on the wire, and a new stream here."""
    final = b"\x03\x00"
    assert reader().decode(text(final * 16 + b"\x00")).payload == b""
    with pytest.raises(ProtocolError, match="more than 16 final") as caught:
        reader().decode(text(final * 17 + b"\x00"))
    assert broken(caught, 1007)
    with pytest.raises(ProtocolError, match="more than 16 final"):
        reader().decode(text(final * 2**20))


def test_garbage_behind_a_final_block() -> None:
    for garbage in (b"\x07", b"\xff" * 5, b"\x00\x01", b"\x00\x00"):
        with pytest.raises(ProtocolError) as caught:
            reader().decode(text(HELLO_FINAL[:-1] + garbage))
        assert broken(caught, 1007)


def test_a_size_that_a_final_block_reaches() -> None:
    final = finished(bytes(1000))
    assert reader(max_size=1000).decode(text(final + b"\x00")).payload == bytes(1000)
    for payload in (final + final, final + HELLO):
        with pytest.raises(FrameTooBig):
            reader(max_size=1000).decode(text(payload))
    # zlib stops before it has seen the end, and when it has
    with pytest.raises(FrameTooBig):
        reader(max_size=999).decode(text(final + b"\x00"))


def test_a_bomb_behind_a_final_block_that_is_just_too_big() -> None:
    """Then there is room for no byte, which zlib takes for no limit."""
    payload = finished(bytes(1001)) + bomb(2**26)
    with traced() as peak, pytest.raises(FrameTooBig):
        reader(max_size=1000).decode(text(payload))
    assert peak() < 2**20


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("data", [b"Hello", TEXT, b"a" * 300], ids=["short", "json", "run"])
def test_a_stream_cut_off_at_any_byte(fresh: bool, level: int, data: bytes) -> None:
    payload = deflated(data, level)
    for size in range(len(payload)):
        inflater = reader(client_no_context_takeover=fresh)
        with pytest.raises(ProtocolError) as caught:
            inflater.decode(text(payload[:size]))
        assert broken(caught, 1007)
    assert reader().decode(text(payload)).payload == data


def test_stored_blocks_cut_off_at_any_byte() -> None:
    """Nobody can tell where what a message implies completes one: an empty one, or four bytes."""
    payload = deflated(NOISE, 0)
    passed = [size for size in range(len(payload)) if decoded(payload[:size]) is not None]
    assert passed == [1, len(payload) - 5]
    assert decoded(payload[:1]) == b""
    assert decoded(payload[:-5]) == NOISE[:-4] + TAIL


@pytest.mark.parametrize("fresh", [False, True])
def test_a_final_block_cut_off_at_any_byte(fresh: bool) -> None:
    payload = finished(TEXT)
    for size in range(len(payload)):
        with pytest.raises(ProtocolError) as caught:
            reader(client_no_context_takeover=fresh).decode(text(payload[:size]))
        assert broken(caught, 1007)


def cut_final_block(code: list[int]) -> bytes:
    """A final block with a Huffman code of its own (RFC 1951 section 3.2.7) and no end.

    `code` has the length of each symbol's code in bits; number 256 is the end of block.
    """
    bits = "101" + f"{len(code) - 257:05b}"[::-1]  # BFINAL, BTYPE 2, HLIT; low bits first
    bits += "00000" + "1111"  # one distance code, 19 codes for lengths:
    bits += "000" * 3 + "001" * 16  # none for repeats, else of 4 bits, each what it stands for
    bits += "".join(f"{length:04b}" for length in [*code, 1])
    bits += "0" * (-len(bits) % 8)  # the shortest code, some times
    return int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")


@pytest.mark.parametrize(
    "code",
    [
        # 0 is a literal, 10 the end of block
        [1, *range(3, 16), 15, *[0] * 241, 2],
        # 0, 10 and 110 are literals, 1110000000 is the end of block
        [1, 2, 3, *[11] * 248, 12, 13, 14, 15, 15, 10, *[11] * 5],
    ],
)
def test_a_final_block_that_ends_in_what_is_not_its_own(code: list[int]) -> None:
    """The 16 zeroes and 16 ones that a message implies are literals; a one is left of them."""
    assert decoded(cut_final_block(code)) is None


def test_a_message_cut_off_between_fragments() -> None:
    payload = deflated(TEXT)
    for size in range(len(payload)):
        inflater = reader()
        inflater.decode(text(payload[:size], fin=False))
        with pytest.raises(ProtocolError):
            inflater.decode(Frame.continuation(b""))


def decoded(*parts: bytes, **options: Any) -> "bytes | None":
    """What the parts of a message give, None if they are refused as they should be."""
    inflater = reader(**options)
    frames = [text(parts[0], len(parts) == 1), *fragments(0, parts)[1:]]
    try:
        return b"".join(inflater.decode(frame).payload for frame in frames)
    except ProtocolError as error:
        return None if (error.close_code, error.violation) == (1007, Violation.NONE) else b"?"


def by_zlib(payload: bytes) -> "bytes | None":
    """What plain zlib makes of a message, if it ends where a block does."""
    out, rest = b"", payload + TAIL
    try:
        while True:
            plain = zlib.decompressobj(-15)
            out += plain.decompress(rest)
            if not plain.eof:
                # An empty block and a final one: only between blocks do they just end it.
                more = plain.decompress(b"\x00" + TAIL + b"\x03\x00")
                return None if more or not plain.eof or plain.unused_data else out
            rest = plain.unused_data
            if rest == TAIL:
                return out
    except zlib.error:
        return None


@PROFILE
@given(
    st.binary(max_size=50) | st.builds(deflated, st.binary(max_size=300), st.integers(0, 9)),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 10), st.binary(max_size=3)), max_size=2),
    st.integers(0, 300),
    st.booleans(),
)
@example(HELLO_FINAL[:-1], [], 7, False)
@example(HELLO_FINAL[:-1] * 2, [], 7, True)
@example(b"\x01", [], 0, False)
@example(b";0a", [], 0, False)
def test_garbage_is_what_an_oracle_says(
    payload: bytes, changes: list[tuple[int, int, bytes]], cut: int, fresh: bool
) -> None:
    for start, size, other in changes:
        payload = payload[:start] + other + payload[start + size :]
    parts = payload[:cut], payload[cut:]
    assert decoded(*parts, client_no_context_takeover=fresh) == by_zlib(payload)
