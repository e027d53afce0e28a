"""Any messages, in any fragments and pieces."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from aiohttp_rawws import Frame, Opcode
from aiohttp_rawws.layers import Message, MessageAssembler
from tests.support.messages import Item, assemble, is_utf8, pieces, text_error, wrong_byte
from tests.support.profile import PROFILE

SIZES = st.lists(st.integers(0, 5) | st.integers(0, 200), max_size=8)


@st.composite
def cut_messages(draw: st.DrawFn) -> tuple[list[Message], list[Item]]:
    """Messages, and one way in which they may come."""
    messages: list[Message] = []
    items: list[Item] = []
    for data in draw(st.lists(st.text() | st.binary(), max_size=4)):
        opcode = Opcode.TEXT if isinstance(data, str) else Opcode.BINARY
        messages.append(Message(opcode, data))
        payload = data.encode() if isinstance(data, str) else data
        cuts = [0, *sorted(min(size, len(payload)) for size in draw(SIZES)), len(payload)]
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            last = number == len(cuts) - 2
            frame = Frame(0 if number else opcode, payload[start:end], last)
            if draw(st.booleans()):
                items += pieces(frame, *draw(SIZES))
            else:
                items.append(frame)
            if draw(st.booleans()):
                items.append(draw(st.sampled_from([Frame.ping(), Frame.pong(b"!")])))
    return messages, items


@PROFILE
@given(cut_messages())
def test_any_message_in_any_fragments_and_pieces(
    case: tuple[list[Message], list[Item]],
) -> None:
    messages, items = case
    assert assemble(items) == messages


ALMOST_UTF8 = st.one_of(
    st.binary(max_size=8),
    st.builds(
        lambda text, at, byte: text[:at] + byte + text[at:],
        st.text(max_size=6).map(str.encode),
        st.integers(0, 24),
        st.sampled_from([b"", b"\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0", b"\xf4\x90", b"\xff"]),
    ),
    st.text(st.characters(categories=["Cs", "Lo"]), max_size=4).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
)


@PROFILE
@given(ALMOST_UTF8, SIZES, st.booleans())
@example(b"\xed\xa0\x80", [1, 1], False)
@example(b"\xf4\x90\x80\x80", [1, 1], True)
def test_a_text_is_judged_as_it_would_be_whole_and_as_early_as_can_be(
    data: bytes, sizes: list[int], by_pieces: bool
) -> None:
    ends = sorted(min(size, len(data)) for size in sizes)
    cuts = [0, *ends, len(data)]
    parts = list(itertools.pairwise(cuts))
    items: list[Item]
    if by_pieces:
        items = list(pieces(Frame(1, data), *(end - start for start, end in parts[:-1])))
    else:
        items = [
            Frame(0 if number else 1, data[start:end], number == len(parts) - 1)
            for number, (start, end) in enumerate(parts)
        ]
    wrong = wrong_byte(data)
    assembler = MessageAssembler()
    fed = 0
    for item in items:
        fed += len(item.payload)
        if wrong is not None and fed > wrong:
            text_error(assembler, item)
            return
        if item is items[-1] and not is_utf8(data):
            text_error(assembler, item)
            return
        message = assembler.feed(item)
    assert message == (1, data.decode())
