"""Frames to messages and back, and the replies to control frames."""

import itertools
import tracemalloc
from collections.abc import Iterable
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiohttp_rawws import (
    CloseCode,
    Frame,
    FrameTooBig,
    Opcode,
    Piece,
    ProtocolError,
    RawWebSocketSession,
    Violation,
)
from aiohttp_rawws.layers import Message, MessageAssembler, fragment, reply
from tests.properties.test_properties import PROFILE
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import Serve, application
from tests.support.waiting import soon
from tests.support.wire import Wire

Item: TypeAlias = Frame | Piece

BIG = 2**20


def pieces(frame: Frame, *sizes: int) -> list[Piece]:
    """A data frame in pieces of these sizes, and one with the rest if there is any."""
    found = []
    offset, length = 0, len(frame.payload)
    for size in (*sizes, length):
        part = frame.payload[offset : offset + size]
        last = offset + len(part) == length
        bits = (frame.fin, frame.rsv1, frame.rsv2, frame.rsv3)
        found.append(Piece(frame.opcode, *bits, length, offset, part, last))
        if last:
            break
        offset += len(part)
    return found


def assemble(items: Iterable[Item], **options: Any) -> list[Message]:
    assembler = MessageAssembler(**options)
    return [message for item in items if (message := assembler.feed(item)) is not None]


def refused(assembler: MessageAssembler, item: Item) -> ProtocolError:
    """The error that an item makes, told again and again, but not to control frames."""
    with pytest.raises(ProtocolError) as caught:
        assembler.feed(item)
    for other in (item, Frame.binary(b""), Frame.continuation(b"")):
        with pytest.raises(type(caught.value)) as again:
            assembler.feed(other)
        assert again.value is not caught.value
        assert again.value.args == caught.value.args
    assert assembler.feed(Frame.ping()) is None
    # What it says can stand in a Close.
    Frame.close(caught.value.close_code, str(caught.value))
    return caught.value


# -- replies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "answer"),
    [
        (Frame.ping(), Frame.pong()),
        (Frame.ping(b"a" * 125), Frame.pong(b"a" * 125)),
        (Frame(Opcode.PING, b"half", fin=False, rsv1=True), Frame.pong(b"half")),
        (Frame(Opcode.PING, b"a" * 126), None),
        (Frame.pong(b"unasked"), None),
        (Frame.close(), Frame.close()),
        (Frame.close(1000), Frame.close(1000)),
        (Frame.close(4404, "not here"), Frame.close(4404)),
        (Frame(Opcode.CLOSE, b"\x03"), Frame.close(1002)),
        (Frame(Opcode.CLOSE, b"\x03\xed"), Frame.close(1002)),  # 1005
        (Frame(Opcode.CLOSE, b"\xff\xff"), Frame.close(1002)),
        (Frame(Opcode.CLOSE, b"\x03\xe8\xff"), Frame.close(1000)),
        (Frame.text("text"), None),
        (Frame.binary(b"data", fin=False), None),
        (Frame.continuation(b"more"), None),
        (Frame(3, b"reserved"), None),
        (Frame(11, b"reserved"), None),
        (pieces(Frame.binary(b"data"))[0], None),
    ],
)
def test_reply(received: Item, answer: Frame | None) -> None:
    assert reply(received) == answer


async def test_replies_reach_a_peer(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        wire.send(masked(0x89, b"?") + masked(0x81, b"text") + masked(0x88, b"\x03\xe8bye"))
        async for frame in session:
            if (answer := reply(frame)) is not None:
                await session.send(answer)
        assert await wire.read_frame() == (0x8A, b"?")
        assert await wire.read_frame() == (0x88, b"\x03\xe8")


# -- messages --------------------------------------------------------------------------------

HELLO = [Frame.text("Hel", False), Frame.continuation(b"lo ", False), Frame.continuation(b"you")]


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ([Frame.text("é")], [Message(Opcode.TEXT, "é")]),
        ([Frame.binary(b"\xff")], [Message(Opcode.BINARY, b"\xff")]),
        ([Frame.text(""), Frame.binary(b"")], [(1, ""), (2, b"")]),
        (HELLO, [(1, "Hello you")]),
        (
            [Frame.binary(b"\xc3", False), Frame.continuation(b"", False), Frame.continuation(b"")],
            [(2, b"\xc3")],
        ),
        ([Frame(1, b"\xc3", False), Frame.continuation(b"\xa9")], [(1, "é")]),
        ([Frame.text("", False), Frame.continuation(b"")], [(1, "")]),
        (pieces(Frame.text("aéb"), 2), [(1, "aéb")]),
        (pieces(Frame.binary(b"")), [(2, b"")]),
        (pieces(Frame.binary(b"abc"), 0, 1, 0, 1), [(2, b"abc")]),
        (
            [*pieces(Frame.text("aé", False), 2), *pieces(Frame.continuation(b"b"))],
            [(1, "aéb")],
        ),
        ([HELLO[0], *pieces(HELLO[1], 1), HELLO[2], *HELLO], [(1, "Hello you")] * 2),
    ],
)
def test_messages(items: list[Item], messages: list[Any]) -> None:
    found = assemble(items)
    assert found == messages
    assert [type(message) for message in found] == [Message] * len(found)
    assert all(isinstance(message.opcode, Opcode) for message in found)
    assert all(type(message.data) in (str, bytes) for message in found)


def test_a_message_can_be_matched() -> None:
    match assemble(HELLO):
        case [Message(Opcode.TEXT, str(data))]:
            assert data == "Hello you"
        case _:
            pytest.fail("no match")


def test_control_frames_change_nothing() -> None:
    control = [Frame.ping(b"?"), Frame.pong(b"!"), Frame.close(1000), Frame(11, fin=False)]
    between = [*control, *HELLO[:1], *control, *HELLO[1:2], *control, *HELLO[2:], *control]
    assert assemble(between) == [(1, "Hello you")]
    first, second = pieces(HELLO[0], 1)
    assert assemble([first, *control, second, *HELLO[1:]]) == [(1, "Hello you")]
    assert assemble(pieces(Frame.ping(b"?"))) == []


def test_without_validation_a_text_is_bytes() -> None:
    texts: list[Item] = [Frame(1, b"a"), Frame(1, b"\xff"), *pieces(Frame(1, b"ab"), 1)]
    texts.append(Frame(1, b"\xff", False))
    found = assemble([*texts, Frame.continuation(b"c")], validate_utf8=False)
    assert found == [(1, b"a"), (1, b"\xff"), (1, b"ab"), (1, b"\xffc")]
    assert all(type(message.data) is bytes for message in found)


@pytest.mark.parametrize("limit", ["max_message_size", "max_fragments"])
def test_limits_are_at_least_1(limit: str) -> None:
    MessageAssembler(**{limit: 1})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{limit} must be at least 1"):
        MessageAssembler(**{limit: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("item", [b"bytes", None, Message(Opcode.TEXT, "text")])
def test_only_frames_and_pieces_can_be_fed(item: Any) -> None:
    assembler = MessageAssembler()
    with pytest.raises(TypeError, match="takes a Frame or a Piece"):
        assembler.feed(item)
    assert assembler.feed(Frame.text("next")) == (1, "next")


# -- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_message_of_the_limit_passes_and_one_more_byte_does_not(opcode: Opcode) -> None:
    def frames(size: int) -> list[Frame]:
        return list(fragment(Frame(opcode, b"a" * size), 3))

    for size in (9, 10):
        assert len(assemble([Frame(opcode, b"a" * size)], max_message_size=10)) == 1
        assert len(assemble(frames(size), max_message_size=10)) == 1
        assert len(assemble(pieces(Frame(opcode, b"a" * size), 4), max_message_size=10)) == 1
    for items in ([Frame(opcode, b"a" * 11)], frames(11)):
        assembler = MessageAssembler(max_message_size=10)
        for item in items[:-1]:
            assert assembler.feed(item) is None
        error = refused(assembler, items[-1])
        assert isinstance(error, FrameTooBig)
        assert (error.size, error.limit, error.close_code) == (11, 10, 1009)
        assert error.violation is Violation.NONE
        assert "message" in str(error)
        assert "max_message_size" in str(error)


def test_a_declared_length_over_the_limit_fails_at_once() -> None:
    assembler = MessageAssembler(max_message_size=10)
    assert assembler.feed(Frame.binary(b"abc", False)) is None
    error = refused(assembler, Piece(0, True, False, False, False, 2**62, 0, b"a", False))
    assert isinstance(error, FrameTooBig)
    assert (error.size, error.limit) == (2**62 + 3, 10)


def test_the_limit_is_of_each_message() -> None:
    assembler = MessageAssembler(max_message_size=9, max_fragments=3)
    for _ in range(3):
        assert [assembler.feed(frame) for frame in HELLO] == [None, None, (1, "Hello you")]


def test_too_many_fragments() -> None:
    assembler = MessageAssembler(max_fragments=3)
    # Pieces are how the bytes came, not how the message was cut.
    items: list[Item] = [HELLO[0], *pieces(HELLO[1], 1, 1)]
    for item in items:
        assert assembler.feed(item) is None
    assert assembler.feed(Frame.continuation(b"", False)) is None
    error = refused(assembler, Frame.continuation(b""))
    assert type(error) is ProtocolError
    assert (error.violation, error.close_code) == (Violation.NONE, 1009)
    assert "max_fragments (3)" in str(error)


def test_empty_fragments_cost_nothing_and_come_to_an_end() -> None:
    assembler = MessageAssembler()
    empty = Frame.continuation(b"", False)
    assembler.feed(Frame.binary(b"", False))
    tracemalloc.start()
    try:
        for _ in range(2**17 - 1):
            assembler.feed(empty)
        assert tracemalloc.get_traced_memory()[1] < 4096
    finally:
        tracemalloc.stop()
    assert refused(assembler, empty).close_code == 1009


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_small_pieces_cost_what_they_hold(opcode: Opcode) -> None:
    """Each as an object of its own would take six times as much."""
    assembler = MessageAssembler(max_message_size=BIG)
    item = Piece(opcode, True, False, False, False, BIG, 0, b"8 bytes.", False)
    tracemalloc.start()
    try:
        for offset in range(0, BIG - 8, 8):
            assembler.feed(item._replace(offset=offset))
        assert tracemalloc.get_traced_memory()[1] < 2.5 * BIG
        assert assembler.feed(item._replace(offset=BIG - 8)) is not None
        assert tracemalloc.get_traced_memory()[0] < BIG / 2
    finally:
        tracemalloc.stop()


def test_a_failed_message_is_let_go() -> None:
    assembler = MessageAssembler()
    tracemalloc.start()
    try:
        assembler.feed(Frame.binary(bytes(BIG), False))
        refused(assembler, Frame.binary(b""))
        assert tracemalloc.get_traced_memory()[0] < BIG / 4
    finally:
        tracemalloc.stop()


def test_many_fragments_take_no_longer_than_their_bytes() -> None:
    """16 MiB: copied anew with each fragment, they would take minutes."""
    frames = list(fragment(Frame.binary(bytes(2**24)), 256))
    assert len(frames) == 2**16
    assert assemble(frames) == [(2, bytes(2**24))]


# -- the order of frames ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "item", "violation"),
    [
        ([], Frame.continuation(b"?"), Violation.UNEXPECTED_CONTINUATION),
        ([Frame.text("")], Frame.continuation(b"", False), Violation.UNEXPECTED_CONTINUATION),
        (HELLO, pieces(HELLO[2], 1)[0], Violation.UNEXPECTED_CONTINUATION),
        (HELLO[:1], Frame.text("?"), Violation.EXPECTED_CONTINUATION),
        (HELLO[:2], Frame.binary(b"", False), Violation.EXPECTED_CONTINUATION),
        (HELLO[:1], pieces(Frame.binary(b"abc"), 1)[0], Violation.EXPECTED_CONTINUATION),
        ([], Frame(3), Violation.RESERVED_OPCODE),
        (HELLO[:1], Frame(7), Violation.RESERVED_OPCODE),
        ([], Frame(1, rsv1=True), Violation.RESERVED_BITS),
        ([], Frame(2, rsv2=True), Violation.RESERVED_BITS),
        ([], Frame(2, rsv3=True), Violation.RESERVED_BITS),
        (HELLO[:1], Frame(0, rsv1=True), Violation.RESERVED_BITS),
        ([], pieces(Frame(1, b"abc", rsv1=True), 1)[0], Violation.RESERVED_BITS),
    ],
)
def test_what_breaks_the_protocol(before: list[Frame], item: Item, violation: Violation) -> None:
    assembler = MessageAssembler()
    for frame in before:
        assembler.feed(frame)
    error = refused(assembler, item)
    assert type(error) is ProtocolError
    assert (error.violation, error.close_code) == (violation, 1002)
    assert "RFC 6455 5." in str(error)


def test_reserved_bits_tell_what_is_missing() -> None:
    assert "must decode the frame first" in str(refused(MessageAssembler(), Frame(1, rsv1=True)))


ABC = pieces(Frame.binary(b"abc"), 1)


@pytest.mark.parametrize(
    ("before", "item"),
    [
        ([], ABC[1]),
        ([], ABC[0]._replace(payload=b"abcd")),
        (ABC[:1], ABC[0]),
        (ABC[:1], ABC[1]._replace(offset=2)),
        (ABC[:1], ABC[1]._replace(length=4)),
        (ABC[:1], ABC[1]._replace(payload=b"bcd")),
        (ABC[:1], Frame.continuation(b"bc")),
    ],
)
def test_pieces_must_follow_each_other(before: list[Piece], item: Item) -> None:
    assembler = MessageAssembler()
    for piece in before:
        assembler.feed(piece)
    with pytest.raises(ValueError, match="must follow each other"):
        assembler.feed(item)
    rest = [assembler.feed(piece) for piece in ABC[len(before) :]]
    assert rest[-1] == (2, b"abc")


# -- UTF-8 -----------------------------------------------------------------------------------

#: Enough to continue whatever can be continued.
TAILS = [bytes(tail) for n in range(4) for tail in itertools.product(b"\x80\x90\xa0", repeat=n)]


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def wrong_byte(data: bytes) -> int | None:
    """The first byte after which nothing could make a text of this; None if there is none."""
    for end in range(1, len(data) + 1):
        if not any(is_utf8(data[:end] + tail) for tail in TAILS):
            return end - 1
    return None


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


def text_error(assembler: MessageAssembler, item: Item) -> None:
    error = refused(assembler, item)
    assert type(error) is ProtocolError
    assert (error.violation, error.close_code) == (Violation.NONE, CloseCode.INVALID_PAYLOAD)
    assert "not UTF-8" in str(error)


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


# -- properties ------------------------------------------------------------------------------

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


# -- over a session --------------------------------------------------------------------------


async def test_messages_of_any_size_come_in_pieces(serve: Serve) -> None:
    """Bigger than `max_frame_size`, and judged by what has come."""
    text = "é" * 100_000

    async def handler(session: RawWebSocketSession) -> None:
        assembler = MessageAssembler()
        try:
            async for item in session.pieces():
                if (message := assembler.feed(item)) is not None:
                    assert message == (Opcode.TEXT, text)
                    await session.send(Frame.text("right"))
        except ProtocolError as error:
            await session.close(error.close_code)

    wire = await Wire.upgrade(await serve(application(handler, max_frame_size=1024)))
    for frame in fragment(Frame.text(text), 60_001):
        wire.send(masked(frame.opcode | frame.fin << 7, frame.payload) + masked(0x89))
    assert await wire.read_frame() == (0x81, b"right")
    # The frame announces 50,000 bytes, and its third is wrong.
    wire.send(b"\x81\xfe\xc3\x50" + bytes(4) + b"ab\xff")
    assert await wire.read_frame() == (0x88, b"\x03\xef")
    await soon(wire.close())


# -- fragments -------------------------------------------------------------------------------


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
