"""Frames to messages: what comes out, the limits, and the order of frames."""

import tracemalloc
from typing import Any

import pytest

from aiohttp_rawws import (
    Frame,
    FrameTooBig,
    Opcode,
    Piece,
    ProtocolError,
    RawWebSocketSession,
    Violation,
)
from aiohttp_rawws.layers import Message, MessageAssembler, fragment
from tests.support.messages import HELLO, Item, assemble, pieces, refused
from tests.support.octets import masked
from tests.support.servers import Serve, application
from tests.support.waiting import soon
from tests.support.wire import Wire

BIG = 2**20


# -- messages --------------------------------------------------------------------------------------


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


# -- limits ----------------------------------------------------------------------------------------


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


# -- the order of frames ---------------------------------------------------------------------------


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


# -- over a session --------------------------------------------------------------------------------


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
