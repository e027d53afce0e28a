# cython: binding=True
"""Frames to messages. Knows no I/O."""

from __future__ import annotations

from codecs import utf_8_decode
from typing import NoReturn

from ..session.checks import check_int
from ..session.options import check_size
from ..wire.arguments import not_a_frame
from ..wire.errors import FrameTooBig, ProtocolError
from ..wire.explanations import EXPLANATIONS
from ..wire.frames import Frame
from ..wire.introspection import ConstructorSignature
from ..wire.names import CloseCode, Opcode, Violation
from ..wire.native import new_tuple
from ..wire.pieces import Piece
from .message import Message

__all__ = ("MessageAssembler",)

TEXT = Opcode.TEXT
BINARY = Opcode.BINARY
CONTROL = 0x08

#: The first octet of most frames: a whole message, no reserved bit.
FIN = 0x80
WHOLE_TEXT = FIN | TEXT
WHOLE_BINARY = FIN | BINARY

NOT_DECODED = (
    "a reserved bit is set: the extension it belongs to must decode the frame first "
    "(RFC 6455 5.2, 5.4)"
)


class MessageAssembler:
    """Join frames, or the pieces of frames, to messages (RFC 6455 section 5.4).

    Feed every received frame or piece, in order, to `feed`. Control frames may come at any point
    and change nothing.

    `max_message_size` (bytes, 16 MiB by default) bounds a message. `max_fragments` (131072 by
    default) bounds its frames, since empty ones add no bytes. Text is checked for UTF-8 as it
    arrives and fails at its first wrong byte. With `validate_utf8=False` text is neither checked
    nor decoded, and comes as bytes. A frame with a reserved bit set must be decoded by its
    extension first. ValueError for a limit below 1.
    """

    __slots__ = (
        "_buffer",
        "_error",
        "_fragments",
        "_idle",
        "_left",
        "_length",
        "_max_fragments",
        "_max_message_size",
        "_opcode",
        "_size",
        "_tail",
        "_validate_utf8",
    )

    __signature__ = ConstructorSignature()

    def __init__(
        self,
        *,
        max_message_size: int = 16 * 2**20,
        max_fragments: int = 2**17,
        validate_utf8: bool = True,
    ) -> None:
        self.max_message_size = max_message_size
        self.max_fragments = max_fragments
        self.validate_utf8 = validate_utf8
        # True if a new message may begin: none is unfinished, and nothing has failed.
        self._idle = True
        self._error: ProtocolError | None = None
        # The message so far. It is one buffer: a list of small parts takes many times their bytes.
        self._buffer = bytearray()
        # The last bytes of a text, if they may be the beginning of a character.
        self._tail = b""
        self._opcode: int = BINARY
        self._fragments = 0
        # The sum of the lengths that the frames of the message have declared, in bytes.
        self._size = 0
        # For a frame in pieces: its length, and how many of its bytes are still to come.
        self._length = 0
        self._left = 0

    @property
    def max_message_size(self) -> int:
        """The largest message, in bytes. It may be set at any time."""
        return self._max_message_size

    @max_message_size.setter
    def max_message_size(self, size: int) -> None:
        check_size("max_message_size", size)
        self._max_message_size = size

    @property
    def max_fragments(self) -> int:
        """The largest number of frames in a message. It may be set at any time."""
        return self._max_fragments

    @max_fragments.setter
    def max_fragments(self, number: int) -> None:
        check_int("max_fragments", number)
        self._max_fragments = number

    @property
    def validate_utf8(self) -> bool:
        """True if text is checked for UTF-8 and decoded. Set it between two messages only."""
        return self._validate_utf8

    @validate_utf8.setter
    def validate_utf8(self, validate: bool) -> None:
        self._validate_utf8 = validate

    def feed(self, item: Frame | Piece) -> Message | None:
        """Take the next received frame or piece. Return a message if this one ends it, else None.

        ProtocolError, with the `close_code` to answer with: 1007 for text that is not UTF-8, 1009
        for a message over a limit (FrameTooBig if its size is, as soon as a header declares it),
        1002 for fragments in the wrong order or a reserved bit or opcode. The message so far is
        dropped then, and feeding anything but a control frame raises the same again. ValueError
        if pieces do not follow each other, which changes nothing.
        """
        if self._idle and isinstance(item, Frame):
            message = self._whole(item)
            if message is not None:
                return message
        return self._feed(item)

    def _whole(self, frame: Frame) -> Message | None:
        """Return the message of a frame that is a whole one, as most are; None for any other."""
        head = frame._head
        payload = frame._payload
        if len(payload) > self._max_message_size:
            return None
        if head == WHOLE_BINARY:
            return new_tuple(Message, (BINARY, payload))
        if head != WHOLE_TEXT:
            return None
        if not self._validate_utf8:
            return new_tuple(Message, (TEXT, payload))
        try:
            return new_tuple(Message, (TEXT, payload.decode()))
        except UnicodeDecodeError:
            # The long way tells what is wrong.
            return None

    def _feed(self, item: Frame | Piece) -> Message | None:
        if isinstance(item, Frame):
            length, offset = len(item.payload), 0
        elif isinstance(item, Piece):
            length, offset = item.length, item.offset
        else:
            raise not_a_frame("feed", item, pieces=True)
        if item.opcode & CONTROL:
            return None
        if self._error is not None:
            self._fail(self._error)
        begins = not self._left
        left, expected = (length, length) if begins else (self._left, self._length)
        if length != expected or offset != length - left or len(item.payload) > left:
            raise ValueError(
                f"pieces must follow each other: of {expected} bytes {left} are still to come, "
                f"got {len(item.payload)} at {offset} of {length}"
            )
        if begins:
            self._begin(item, length)
        self._length = length
        self._left = left - len(item.payload)
        return self._take(item.payload, last=item.fin and not self._left)

    def _begin(self, item: Frame | Piece, length: int) -> None:
        """Check the header of a frame, and count it."""
        if item.rsv1 or item.rsv2 or item.rsv3:
            self._refuse(Violation.RESERVED_BITS, NOT_DECODED)
        if item.opcode > BINARY:
            self._refuse(Violation.RESERVED_OPCODE)
        if item.opcode:
            if not self._idle:
                self._refuse(Violation.EXPECTED_CONTINUATION)
            self._idle = False
            self._opcode = item.opcode
            self._fragments = self._size = 0
        elif self._idle:
            self._refuse(Violation.UNEXPECTED_CONTINUATION)
        self._fragments += 1
        if self._fragments > self._max_fragments:
            message = f"a message has more than max_fragments ({self._max_fragments}) fragments"
            self._fail(ProtocolError(Violation.NONE, CloseCode.MESSAGE_TOO_BIG, message))
        self._size += length
        if self._size > self._max_message_size:
            size, limit = self._size, self._max_message_size
            message = f"a message of {size} bytes or more is over max_message_size ({limit})"
            self._fail(FrameTooBig(size, limit, message))

    def _take(self, payload: bytes, last: bool) -> Message | None:
        text = self._validate_utf8 and self._opcode == TEXT
        if text:
            self._check_text(self._tail + payload, last)
        self._buffer += payload
        if not last:
            return None
        data = self._forget()
        self._idle = True
        return Message(self._opcode, data.decode() if text else bytes(data))

    def _check_text(self, data: bytes, last: bool) -> None:
        """Check the bytes since the last whole character for UTF-8 (section 8.1)."""
        try:
            self._tail = data[utf_8_decode(data, "strict", last)[1] :]
            if b"\xed\xa0" <= self._tail < b"\xee":
                # The beginning of a surrogate. The decoder would wait for the rest of it.
                self._tail.decode()
        except UnicodeDecodeError as error:
            message = f"a text is not UTF-8: {error.reason}"
            self._fail(ProtocolError(Violation.NONE, CloseCode.INVALID_PAYLOAD, message))

    def _forget(self) -> bytearray:
        """Return the message so far, and forget it."""
        data = self._buffer
        self._buffer = bytearray()
        self._left = 0
        return data

    def _refuse(self, rule: Violation, message: str = "") -> NoReturn:
        error = ProtocolError(rule, CloseCode.PROTOCOL_ERROR, message or EXPLANATIONS[rule])
        self._fail(error)

    def _fail(self, error: ProtocolError) -> NoReturn:
        self._error = error
        self._idle = False
        self._forget()
        # A new exception each time: one that is raised again grows its traceback.
        raise type(error)(*error.args) from None
