"""Text messages that are not UTF-8."""

import pytest

from aiohttp_rawws import Frame, FrameTooBig
from aiohttp_rawws.layers import MessageAssembler, fragment
from tests.support.messages import HELLO, Item, assemble, pieces, text_error, wrong_byte

NOT_UTF8 = [
    b"\xff",
    b"\x80",
    b"a\xc0\xaf",  # overlong
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xed\xa0\x80",  # surrogates
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",  # over U+10FFFF
    b"\xf5\x80\x80\x80",
    b"\xe2\x28\xa1",
    b"\xe2",  # truncated
    b"\xf0\x9f\x98",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",  # Autobahn 6.4.1
]


@pytest.mark.parametrize("data", NOT_UTF8)
def test_a_whole_text_that_is_not_utf8(data: bytes) -> None:
    text_error(MessageAssembler(), Frame(1, data))
    assert assemble([Frame(2, data)]) == [(2, data)]


@pytest.mark.parametrize("data", NOT_UTF8)
@pytest.mark.parametrize("cut", ["fragments", "pieces"])
def test_a_text_fails_at_its_first_wrong_byte(data: bytes, cut: str) -> None:
    items: list[Item]
    if cut == "fragments":
        items = list(fragment(Frame(1, data + b"behind"), 1))
    else:
        items = list(pieces(Frame(1, data + b"behind"), *[1] * len(data + b"behind")))
    wrong = wrong_byte(data + b"behind")
    assert wrong is not None
    assembler = MessageAssembler()
    for item in items[:wrong]:
        assert assembler.feed(item) is None
    text_error(assembler, items[wrong])


@pytest.mark.parametrize("data", [b"\xe2", b"\xf0\x9f\x98"])
def test_a_text_must_not_end_within_a_character(data: bytes) -> None:
    ways: list[list[Item]] = [
        [Frame(1, data, False), Frame.continuation(b"")],
        [*pieces(Frame(1, b"a" + data), *[1] * len(data))],
        [Frame(1, data, False), *pieces(Frame.continuation(b""))],
    ]
    for items in ways:
        assembler = MessageAssembler()
        for item in items[:-1]:
            assert assembler.feed(item) is None
        text_error(assembler, items[-1])


def test_what_one_text_left_open_is_not_in_the_next() -> None:
    assembler = MessageAssembler(max_message_size=3)
    with pytest.raises(FrameTooBig):
        assemble([Frame(1, b"\xe2", False), Frame.continuation(b"abc")], max_message_size=3)
    items = [Frame(2, b"\xe2", False), Frame.continuation(b""), *HELLO[:1]]
    assert [assembler.feed(item) for item in items] == [None, (2, b"\xe2"), None]
