"""Messages in frames and pieces, and an assembler for them."""

import itertools
from collections.abc import Iterable
from typing import Any, TypeAlias

import pytest

from aiohttp_rawws import CloseCode, Frame, Piece, ProtocolError, Violation
from aiohttp_rawws.layers import Message, MessageAssembler

Item: TypeAlias = Frame | Piece


def pieces(frame: Frame, *sizes: int) -> list[Piece]:
    """Return a data frame in pieces of these sizes, then the rest as one piece if there is any."""
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
    """Return the error that an item raises. It is raised again, but not for control frames."""
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


HELLO = [Frame.text("Hel", False), Frame.continuation(b"lo ", False), Frame.continuation(b"you")]
#: Enough to continue whatever can be continued.
TAILS = [bytes(tail) for n in range(4) for tail in itertools.product(b"\x80\x90\xa0", repeat=n)]


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def wrong_byte(data: bytes) -> int | None:
    """Return the index of the first byte that makes invalid UTF-8, or None."""
    for end in range(1, len(data) + 1):
        if not any(is_utf8(data[:end] + tail) for tail in TAILS):
            return end - 1
    return None


def text_error(assembler: MessageAssembler, item: Item) -> None:
    error = refused(assembler, item)
    assert type(error) is ProtocolError
    assert (error.violation, error.close_code) == (Violation.NONE, CloseCode.INVALID_PAYLOAD)
    assert "not UTF-8" in str(error)
