# cython: language_level=3, annotation_typing=False
"""Frames to messages and back, and the reply that a control frame asks for. Knows no I/O."""

from codecs import utf_8_decode
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from ..session.options import check_size
from ..wire.arguments import not_a_frame
from ..wire.errors import FrameTooBig, ProtocolError
from ..wire.frames import Frame
from ..wire.names import CloseCode, Opcode, Violation
from ..wire.parser import EXPLANATIONS
from ..wire.pieces import Piece
from .checks import check_int

__all__ = ("Message", "MessageAssembler", "fragment", "reply")

TEXT = Opcode.TEXT
BINARY = Opcode.BINARY

FIN = 0x80
#: The first octet of nearly all frames there are.
WHOLE_TEXT = FIN | 1
WHOLE_BINARY = FIN | 2

# The constructor of a NamedTuple is Python code around this, and takes twice as long.
new = tuple.__new__

#: The largest payload of a control frame, in bytes (RFC 6455 section 5.5).
MAX_PONG = 125

NOT_DECODED = (
    "a reserved bit is set: the extension it belongs to must decode the frame first "
    "(RFC 6455 5.2, 5.4)"
)


class Message(NamedTuple):
    """A whole message: `opcode` is `Opcode.TEXT` or `Opcode.BINARY`.

    `data` is the str of a text and the bytes of a binary message; with `validate_utf8=False` a
    text is the bytes that came.
    """

    opcode: int
    data: str | bytes


def reply(frame: Frame | Piece) -> Frame | None:
    """The frame that RFC 6455 asks for in answer to one that was received, None for most.

    To a Ping a Pong with its payload (section 5.5.2), to a Close a Close with its code and no
    reason (5.5.1). Nothing may be sent after a Close: ask `session.close_sent` first.

    Where the session let a violation pass: a Close without a code that may be sent is answered
    with 1002, a Ping of over 125 bytes, which no legal Pong fits, not at all.
    """
    if not isinstance(frame, Frame):
        if not isinstance(frame, Piece):
            raise not_a_frame("reply", frame, pieces=True)
        # Only data frames come in pieces.
        return None
    known = frame
    opcode = known._head & 0x0F
    if opcode == 9:
        return Frame.pong(known._payload) if len(known._payload) <= MAX_PONG else None
    return close_for(known) if opcode == 8 else None


def close_for(frame: Frame) -> Frame:
    if not frame.payload:
        return Frame.close()
    code = frame.close_code
    # Section 7.1.7: the peer's Close is itself a failure.
    sendable = code is not None and CloseCode.is_sendable(code)
    return Frame.close(code if sendable else CloseCode.PROTOCOL_ERROR)


class MessageAssembler:
    """Puts frames, or the pieces of frames, together to messages (RFC 6455 section 5.4).

    `feed` takes what was received in the order it came. Control frames may stand anywhere, give
    None and change nothing.

    It holds at most `max_message_size` bytes (16 MiB), however they are cut. `max_fragments`
    (131072) bounds the frames of a message, for empty ones take none of that. UTF-8 is judged as
    bytes arrive: a text fails at its first wrong byte, long before its end. With
    `validate_utf8=False` nothing is decoded, and texts are given as bytes. Frames whose reserved
    bits are set belong to an extension, which has to decode them first. ValueError for a limit
    below 1.
    """

    __slots__ = (
        "_buffer",
        "_error",
        "_fragments",
        "_idle",
        "_left",
        "_length",
        "_opcode",
        "_size",
        "_tail",
        "max_fragments",
        "max_message_size",
        "validate_utf8",
    )

    def __init__(
        self,
        *,
        max_message_size: int = 16 * 2**20,
        max_fragments: int = 2**17,
        validate_utf8: bool = True,
    ) -> None:
        check_size("max_message_size", max_message_size)
        check_int("max_fragments", max_fragments)
        self.max_message_size = max_message_size
        self.max_fragments = max_fragments
        self.validate_utf8 = validate_utf8
        # Whether a new message may begin: none is unfinished, and nothing has failed.
        self._idle = True
        self._error: ProtocolError | None = None
        # The message so far. One buffer, for a list of small parts costs many times their bytes.
        self._buffer = bytearray()
        # Its end, if that may be the beginning of a character.
        self._tail = b""
        self._opcode: int = BINARY
        self._fragments = 0
        # What the frames have declared so far, in bytes.
        self._size = 0
        # A frame in pieces: how long it is, and how much of it is still to come.
        self._length = 0
        self._left = 0

    def feed(self, item: Frame | Piece) -> Message | None:
        """Take what was received next; the message, if this ends one.

        ProtocolError, with the `close_code` to answer with: 1007 for a text that is not UTF-8,
        1009 for one that breaks a limit (FrameTooBig where its size does, as soon as a header
        declares it), 1002 for fragments in the wrong order or a reserved bit or opcode. Then
        what had come is forgotten, and data fed later raises the same again. ValueError if
        pieces do not follow each other, which changes nothing.
        """
        if self._idle and isinstance(item, Frame):
            # The short way for nearly all there is; what is wrong is told on the long one.
            frame = item
            head = frame._head
            payload = frame._payload
            if len(payload) <= self.max_message_size:
                if head == WHOLE_BINARY:
                    return new(Message, (BINARY, payload))
                if head == WHOLE_TEXT:
                    if not self.validate_utf8:
                        return new(Message, (TEXT, payload))
                    try:
                        return new(Message, (TEXT, payload.decode()))
                    except UnicodeDecodeError:
                        pass
        return self._feed(item)

    def _feed(self, item: Frame | Piece) -> Message | None:
        if isinstance(item, Frame):
            length, offset = len(item.payload), 0
        elif isinstance(item, Piece):
            length, offset = item.length, item.offset
        else:
            raise not_a_frame("feed", item, pieces=True)
        if item.opcode & 0x08:
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
        """Judge what the header of a frame tells."""
        if item.rsv1 or item.rsv2 or item.rsv3:
            self._break(Violation.RESERVED_BITS, NOT_DECODED)
        if item.opcode > BINARY:
            self._break(Violation.RESERVED_OPCODE)
        if item.opcode:
            if not self._idle:
                self._break(Violation.EXPECTED_CONTINUATION)
            self._idle = False
            self._opcode = item.opcode
            self._fragments = self._size = 0
        elif self._idle:
            self._break(Violation.UNEXPECTED_CONTINUATION)
        self._fragments += 1
        if self._fragments > self.max_fragments:
            message = f"a message has more than max_fragments ({self.max_fragments}) fragments"
            self._fail(ProtocolError(Violation.NONE, CloseCode.MESSAGE_TOO_BIG, message))
        self._size += length
        if self._size > self.max_message_size:
            size, limit = self._size, self.max_message_size
            message = f"a message of {size} bytes or more is over max_message_size ({limit})"
            self._fail(FrameTooBig(size, limit, message))

    def _take(self, payload: bytes, last: bool) -> Message | None:
        text = self.validate_utf8 and self._opcode == TEXT
        if text:
            self._judge_text(self._tail + payload, last)
        self._buffer += payload
        if not last:
            return None
        data = self._forget()
        self._idle = True
        return Message(self._opcode, data.decode() if text else bytes(data))

    def _judge_text(self, data: bytes, last: bool) -> None:
        """Judge what has come since the last whole character (section 8.1)."""
        try:
            self._tail = data[utf_8_decode(data, "strict", last)[1] :]
            if b"\xed\xa0" <= self._tail < b"\xee":
                # The decoder would wait for the rest of a surrogate.
                self._tail.decode()
        except UnicodeDecodeError as error:
            message = f"a text is not UTF-8: {error.reason}"
            self._fail(ProtocolError(Violation.NONE, CloseCode.INVALID_PAYLOAD, message))

    def _forget(self) -> bytearray:
        """Let go what has come; and give it away."""
        data = self._buffer
        self._buffer = bytearray()
        self._left = 0
        return data

    def _break(self, rule: Violation, message: str = "") -> NoReturn:
        error = ProtocolError(rule, CloseCode.PROTOCOL_ERROR, message or EXPLANATIONS[rule])
        self._fail(error)

    def _fail(self, error: ProtocolError) -> NoReturn:
        self._error = error
        self._idle = False
        self._forget()
        # A new one each time: an exception that is raised again grows its traceback.
        raise type(error)(*error.args) from None


def fragment(frame: Frame, size: int) -> Iterator[Frame]:
    """Split a data frame into frames of at most `size` bytes of payload (RFC 6455 section 5.4).

    The first keeps the opcode and the reserved bits, as RFC 7692 section 6.1 has it, the others
    are continuations, the last has the FIN of the original. A frame that fits is given as it is;
    parts of others are sent with masking keys of their own. ValueError for a control frame
    (section 5.4: it must not be fragmented) or a size below 1.
    """
    if not isinstance(frame, Frame):
        raise not_a_frame("fragment", frame)
    if frame.is_control:
        raise ValueError("a control frame must not be fragmented (RFC 6455 5.4)")
    check_size("size", size)
    return fragments(frame, size)


def fragments(frame: Frame, size: int) -> Iterator[Frame]:
    payload = frame.payload
    if len(payload) <= size:
        yield frame
        return
    yield Frame(
        frame.opcode, payload[:size], False, rsv1=frame.rsv1, rsv2=frame.rsv2, rsv3=frame.rsv3
    )
    for start in range(size, len(payload), size):
        end = start + size
        yield Frame.continuation(payload[start:end], frame.fin and end >= len(payload))
