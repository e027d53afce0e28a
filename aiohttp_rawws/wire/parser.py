# cython: language_level=3, annotation_typing=False, boundscheck=False, wraparound=False
"""Bytes to frames, and which rules of RFC 6455 a frame breaks. Knows no I/O.

Framing stands in one place (`Parser`), legality in another (`judge`, `judge_close`): pure
functions of what stands on the wire and where in the stream it stands.
"""

import sys
from collections.abc import Callable
from typing import Any

from .close import truncate_reason
from .errors import FrameTooBig, ProtocolError
from .frames import FRAME_COST, LENGTH_64, Frame, make_frame, make_piece
from .names import MAX_CONTROL_PAYLOAD, CloseCode, Violation
from .native import READ_SIZE, Payload, copy_out, key_at
from .pieces import Piece

__all__ = ("Parser", "ReadBuffer", "judge", "judge_close")

UNMASKED = Violation.UNMASKED.value
MASKED = Violation.MASKED.value
RESERVED_BITS = Violation.RESERVED_BITS.value
RESERVED_OPCODE = Violation.RESERVED_OPCODE.value
FRAGMENTED_CONTROL = Violation.FRAGMENTED_CONTROL.value
LONG_CONTROL = Violation.LONG_CONTROL.value
UNEXPECTED_CONTINUATION = Violation.UNEXPECTED_CONTINUATION.value
EXPECTED_CONTINUATION = Violation.EXPECTED_CONTINUATION.value
LENGTH_ENCODING = Violation.LENGTH_ENCODING.value
CLOSE_PAYLOAD = Violation.CLOSE_PAYLOAD.value
AFTER_CLOSE = Violation.AFTER_CLOSE.value

#: Where so many frames were taken and others came behind them, their room is given up.
SHIFTED = 512

#: An incomplete frame up to this size waits among the unparsed bytes and is parsed anew with the
#: next read; a bigger one is read into its own memory.
SMALL_PAYLOAD = 16 * 1024

EXPLANATIONS = {
    Violation.UNMASKED: "a client must mask its frames (RFC 6455 5.1)",
    Violation.MASKED: "a server must not mask its frames (RFC 6455 5.1)",
    Violation.RESERVED_BITS: "a reserved bit is set and no extension is negotiated (RFC 6455 5.2)",
    Violation.RESERVED_OPCODE: "the opcode is reserved (RFC 6455 5.2)",
    Violation.FRAGMENTED_CONTROL: "a control frame must not be fragmented (RFC 6455 5.5)",
    Violation.LONG_CONTROL: "a control frame has at most 125 bytes of payload (RFC 6455 5.5)",
    Violation.UNEXPECTED_CONTINUATION: "there is no message to continue (RFC 6455 5.4)",
    Violation.EXPECTED_CONTINUATION: "the message before is not finished (RFC 6455 5.4)",
    Violation.LENGTH_ENCODING: "the length is not in its shortest form (RFC 6455 5.2)",
    Violation.CLOSE_PAYLOAD: "the close code or reason is malformed (RFC 6455 5.5.1, 7.4)",
    Violation.AFTER_CLOSE: "a frame came after the Close (RFC 6455 5.5.1)",
}


class ReadBuffer:
    """Where reads go before they are parsed: one for all the connections of a thread.

    It may be shared because each read is parsed before the next one begins.
    """

    __slots__ = ("data", "view")

    def __init__(self) -> None:
        self.data = bytearray(READ_SIZE)
        self.view = memoryview(self.data)


class Parser:
    """Turns what one peer sends into frames, in order, and stops where the peer breaks a rule.

    Reads go where `writable` says and are announced by `written`; `next` then is the first frame
    that is complete, to be taken. Nothing is parsed while frames of `limit` bytes wait: what was
    read beyond stays as bytes (`stalled`) until `resume`. With `pieces` set, data frames may be of
    any size, and `cut` gives what has arrived of an incomplete one.

    `error` is set at the first frame that breaks a rule of `reject`; `closed` after a Close,
    unless AFTER_CLOSE is not in `reject`. Both end the parsing, later bytes are thrown away. A
    frame over `max_frame_size` stops it as `oversized`: an error once nothing else is left
    (`settle`), unless it is wanted in pieces. `whole` goes back from pieces to whole frames.

    With a `sink` frames are checked but not taken apart: `sink(data, size)` gets the octets as
    they came, of each frame at once what has arrived of it, of a control frame the whole (if it is
    not one of over 125 bytes that `reject` lets pass). A Close still goes to `next`, and has to be
    the last frame: AFTER_CLOSE must be in `reject`.

    `on_close` is called for each Close, in the middle of the parsing: it must not use the parser.
    """

    __slots__ = (
        "_behind",
        "_buffer",
        "_head",
        "_key",
        "_left",
        "_length",
        "_masked",
        "_offset",
        "_passed",
        "_payload",
        "_pending",
        "_second",
        "_sound",
        "_violations",
        "after_close",
        "closed",
        "error",
        "extended",
        "fragmented",
        "is_client",
        "limit",
        "max_frame_size",
        "next",
        "on_close",
        "oversized",
        "passed_frames",
        "passed_octets",
        "pieces",
        "reject",
        "sink",
        "stalled",
        "weight",
    )

    def __init__(
        self,
        buffer: ReadBuffer,
        *,
        is_client: bool,
        max_frame_size: int = 16 * 2**20,
        limit: int = 256 * 2**10,
        reject: Violation = Violation.ALL,
        extended: bool = False,
    ) -> None:
        self._buffer = buffer
        self.is_client = is_client
        self.max_frame_size = min(max_frame_size, sys.maxsize)
        self.limit = min(limit, sys.maxsize)
        self.reject: int = reject.value
        self.extended = extended
        self._masked = 0 if is_client else 0x80
        self._sound = SOUND[extended]
        # What is complete: the first one, and, of those `_behind` it, the ones from `_second` on.
        # Most often there is one; a deque would be the biggest thing an idle connection holds.
        self.next: Any = None
        self._behind: list[Any] | None = None
        self._second = 0
        self.weight = 0
        self.pieces = False
        self.fragmented = False
        self.after_close = False
        self.closed = False
        self.error: ProtocolError | None = None
        self.oversized: FrameTooBig | None = None
        self.stalled = False
        # Bytes that are not parsed: an incomplete frame, or what came while stopped.
        self._pending = b""
        # The frame that is being read into its own memory.
        self._payload: Payload | None = None
        self._head = 0
        self._key: bytes | None = None
        self._violations = 0
        self._length = 0
        self._offset = 0
        self.on_close: Callable[[], None] | None = None
        self.sink: Callable[[bytearray, int], None] | None = None
        # What the sink is due of the octets that are being parsed, and of the frame it has in part.
        self._passed = 0
        self._left = 0
        # Frames, and octets of payload, that the sink has got.
        self.passed_frames = 0
        self.passed_octets = 0

    @property
    def waiting(self) -> "list[Any]":
        """All that is complete, in order."""
        if self.next is None:
            return []
        return [self.next] if self._behind is None else [self.next, *self._behind[self._second :]]

    @property
    def full(self) -> bool:
        """Whether reading should pause until something is taken."""
        return self.oversized is not None or self._full()

    @property
    def partial(self) -> bool:
        """Whether the bytes so far end in the middle of a frame."""
        return len(self._pending) > 0 or self._payload is not None or self._left > 0

    @property
    def ready(self) -> bool:
        """Whether there is something for a handler that waits: a frame, a piece, or the end."""
        return self._ready()

    @property
    def cutting(self) -> bool:
        """Whether a frame has been given away in part."""
        return self._left > 0 or (self._payload is not None and self._offset > 0)

    @property
    def between(self) -> bool:
        """Whether all that is complete was taken, and no data frame has begun."""
        return self.next is None and self._payload is None and self._left == 0

    @property
    def left(self) -> int:
        """How much the sink is still to get of a frame that it has in part, in bytes."""
        return self._left

    def feed(self, data: bytes) -> None:
        """Parse bytes that were not read into place."""
        position = 0
        while position < len(data):
            view = self.writable()
            count = min(len(view), len(data) - position)
            view[:count] = data[position : position + count]
            self.written(count)
            position += count

    def writable(self) -> memoryview:
        """Where the next bytes go; valid until `written`."""
        if not self._stopped():
            if self._payload is not None:
                return self._payload.view()
            pending = len(self._pending)
            if pending:
                self._buffer.data[:pending] = self._pending
                return self._buffer.view[pending:]
        return self._buffer.view

    def written(self, count: int) -> None:
        """Parse `count` more bytes, which stand where `writable` said.

        ValueError if there was no room for so many.
        """
        payload = self._payload
        if self.closed or self.error is not None:
            return
        if self._stopped():
            self._pending += copy_out(self._buffer.data, 0, count, None)
            self.stalled = True
        elif payload is not None:
            payload.wrote(count)
            if payload.missing == 0:
                self._payload = None
                self._finish(payload.take())
        elif 0 <= count <= READ_SIZE - len(self._pending):
            self._parse(len(self._pending) + count)
        else:
            raise ValueError(f"there is no room for {count} octets in one read")

    def resume(self) -> None:
        """Parse what was left, after frames were taken or `pieces` was set."""
        if self.oversized is not None or (self.pieces and self._pending):
            self.oversized = None
            self.stalled = True
        if self.sink is not None:
            # A new turn: see `_hand_over`.
            self.weight = 0
        if self.stalled and not self._full():
            pending = self._pending
            self._pending = b""
            self.stalled = False
            self.feed(pending)

    def pass_to(self, sink: "Callable[[bytearray, int], None] | None") -> None:
        """Give what comes to `sink`; between two frames only. None ends it, at any point."""
        if self.sink is not None:
            self._forget_passed()
        self.sink = sink
        self._passed = 0
        self.pieces = True
        self.resume()

    def settle(self) -> None:
        """Make a frame over `max_frame_size` an error: nothing but it is left to be taken."""
        if self.oversized is not None:
            self.resume()
        if self.oversized is not None and self.next is None:
            self._refuse(self.oversized)

    def whole(self) -> None:
        """Go over from pieces to whole frames; between two frames only.

        What came meanwhile and is over `max_frame_size` is an error, however far it has come: how
        the bytes were cut into reads must make no difference.
        """
        self.pieces = False
        frames = self.take_all()
        for frame in frames:
            if len(frame.payload) > self.max_frame_size:
                self._refuse(FrameTooBig(len(frame.payload), self.max_frame_size))
                return
            self._queue(frame, len(frame.payload))
        if self._payload is not None and self._length > self.max_frame_size:
            self._refuse(FrameTooBig(self._length, self.max_frame_size))

    def take(self) -> Any:
        """The first that is complete, removed."""
        first = self.next
        behind = self._behind
        if behind is None:
            self.next = None
        else:
            second = self._second
            self.next = behind[second]
            behind[second] = None
            second += 1
            self._second = second
            if second == SHIFTED or second == len(behind):
                self._shift()
        self.weight -= weigh(first) if isinstance(first, Frame) else FRAME_COST + len(first.payload)
        return first

    def take_all(self) -> "list[Any]":
        """All that is complete, removed."""
        frames = self.waiting
        self.next = self._behind = None
        self._second = 0
        self.weight = 0
        return frames

    def _shift(self) -> None:
        """Give up the room of those behind that were taken."""
        behind = self._behind[self._second :] if self._behind else []
        self._behind = behind or None
        self._second = 0

    def _queue(self, item: Any, size: int) -> None:
        if self.next is None:
            self.next = item
        elif self._behind is None:
            self._behind = [item]
        else:
            self._behind.append(item)
        self.weight += FRAME_COST + size

    def cut(self) -> "Piece | None":
        """What has arrived since the last cut of a data frame that is not complete."""
        payload = self._payload
        if payload is None or self._uncut() == 0:
            return None
        return self._piece(payload.take())

    def _full(self) -> bool:
        return self.weight >= self.limit or (self.pieces and self._uncut() >= self.limit)

    def _ready(self) -> bool:
        if self.next is not None or self.closed or self.error is not None:
            return True
        return self.oversized is not None or (self.pieces and self._uncut() > 0)

    def _uncut(self) -> int:
        """How much of an incomplete data frame has arrived and could be cut, in bytes."""
        if self._payload is None or self._head & 0x08:
            return 0
        return self._payload.filled

    def _stopped(self) -> bool:
        return (
            self.closed
            or self.stalled
            or self.error is not None
            or self.oversized is not None
            or self._full()
        )

    def _parse(self, end: int) -> None:
        position = self._pass_left(end) if self._left > 0 else 0
        while position < end and self.weight < self.limit:
            after = self._frame(position, end)
            if after == position:
                break
            position = after
            if self.closed:
                break
        if self.closed or self.error is not None:
            self._pending = b""
        else:
            self._pending = copy_out(self._buffer.data, position, end, None)
            self.stalled = position < end and self._full()
        if self.sink is not None:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the sink its due. What it has got weighs nothing; it only bounds one parsing."""
        if not self.stalled:
            self._forget_passed()
        size = self._passed
        if size > 0:
            self._passed = 0
            self.sink(self._buffer.data, size)  # type: ignore[misc]

    def _forget_passed(self) -> None:
        """Count only what waits: beside a sink that is a Close, or nothing."""
        self.weight = 0 if self.next is None else weigh(self.next)

    def _frame(self, start: int, end: int) -> int:
        """Parse the frame at `start`; where it ends, or `start` if it cannot be parsed yet."""
        data = self._buffer.data
        if end - start < 2:
            return start
        head = data[start]
        second = data[start + 1]
        length = second & 0x7F
        position = start + 2
        # What the first two octets tell is judged before the others are there: a peer may send
        # no more than these, and how the bytes were cut into reads must make no difference.
        violations = 0
        sound = self._sound[self.fragmented]
        if second & 0x80 != self._masked or length >= sound[head] or self.after_close:
            violations = judge(head, second, self.is_client, self.fragmented, self.extended)
            if self.after_close:
                violations |= AFTER_CLOSE
            if violations & self.reject:
                return self._fail(violations, start)
        if length >= 126:
            position += 2 if length == 126 else 8
            if end < position:
                return start
            if length == 126:
                length = data[start + 2] << 8 | data[start + 3]
                if length < 126:
                    violations |= LENGTH_ENCODING
            else:
                if data[start + 2] & 0x80:
                    # Section 5.2: the most significant bit MUST be 0.
                    return self._fail(violations | LENGTH_ENCODING, start)
                length = long_length(data, start + 2)
                if length < 65536:
                    violations |= LENGTH_ENCODING | LENGTH_64
            if violations & self.reject:
                return self._fail(violations, start)
        if self.sink is not None and head & 0x0F != 8:
            return self._pass(head, length, start, position + (4 if second & 0x80 else 0), end)
        if length > self.max_frame_size and self._is_held(head, length):
            self.oversized = FrameTooBig(length, self.max_frame_size)
            return start
        key = None
        if second & 0x80:
            if end < position + 4:
                return start
            key = key_at(data, position)
            position += 4
        if end - position >= length:
            payload = copy_out(data, position, position + length, key)
            return self._append(head, payload, key, violations, start, position + length)
        if length > SMALL_PAYLOAD or (
            self.pieces
            and not head & 0x08
            # Pieces do not tell which of the longer forms the length had; here there are two.
            and not (length < 126 and violations & LENGTH_ENCODING)
        ):
            self._begin(head, length, key, violations, position, end)
            return end
        return start

    def _is_held(self, head: int, length: int) -> bool:
        """Whether a frame is kept until it is whole, so that `max_frame_size` applies to it."""
        if not head & 0x08:
            return not self.pieces
        # Beside a sink a Close is the only frame that is held: it passes, if its length is legal.
        return self.sink is None or length > MAX_CONTROL_PAYLOAD

    def _append(
        self,
        head: int,
        payload: bytes,
        key: "bytes | None",
        violations: int,
        start: int,
        after: int,
    ) -> int:
        if head & 0x0F == 8:
            violations |= judge_close(payload)
            if violations & self.reject:
                return self._fail(violations, start, payload)
            self.after_close = True
            self.closed = self.reject & AFTER_CLOSE != 0
            if self.on_close is not None:
                self.on_close()
        self._count(head)
        self._queue(make_frame(head, payload, key, violations), len(payload))
        return after

    def _pass(self, head: int, length: int, start: int, position: int, end: int) -> int:
        """Count a frame as passed, with its payload from `position` on, as far as it is there."""
        present = end - position
        if present < 0 or (head & 0x08 and present < length <= MAX_CONTROL_PAYLOAD):
            return start
        if length < present:
            present = length
        self._left = length - present
        self._count(head)
        self.passed_frames += 1
        self.passed_octets += present
        self.weight += FRAME_COST
        self._passed = position + present
        return position + present

    def _pass_left(self, end: int) -> int:
        """Likewise the next part of a frame that was passed in part."""
        size = min(self._left, end)
        self._left -= size
        self.passed_octets += size
        self._passed = size
        return size

    def _count(self, head: int) -> None:
        # Control frames may stand between the fragments of a message (section 5.4).
        if not head & 0x08:
            self.fragmented = not head & 0x80

    def _begin(
        self,
        head: int,
        length: int,
        key: "bytes | None",
        violations: int,
        start: int,
        end: int,
    ) -> None:
        payload = Payload(length, key)
        self._payload = payload
        self._head = head
        self._key = key
        self._violations = violations
        self._length = length
        self._offset = 0
        if end > start:
            payload.append(self._buffer.data, start, end)

    def _finish(self, data: bytes) -> None:
        if self._offset == 0:
            self._append(self._head, data, self._key, self._violations, 0, 0)
            return
        self._count(self._head)
        self._queue(self._piece(data), len(data))

    def _piece(self, data: bytes) -> Piece:
        piece = make_piece(
            self._head, self._length, self._offset, data, self._key, self._violations
        )
        self._offset += len(data)
        return piece

    def _refuse(self, error: FrameTooBig) -> None:
        self.error = error
        self.oversized = None
        self._payload = None
        self._pending = b""

    def _fail(self, violations: int, start: int, payload: bytes = b"") -> int:
        """Stop at the frame at `start`, which breaks `violations`."""
        rejected = Violation((violations & self.reject) or LENGTH_ENCODING)
        code = CloseCode.PROTOCOL_ERROR
        if rejected == Violation.CLOSE_PAYLOAD and CloseCode.is_sendable(code_of(payload)):
            # Only the reason is left to be wrong: it is not UTF-8 (section 8.1).
            code = CloseCode.INVALID_PAYLOAD
        self.error = ProtocolError(rejected, code, explain(rejected))
        return start


def explain(violations: Violation) -> str:
    """The rules that a frame breaks, in a text that fits the reason of a Close."""
    broken = [rule for rule in EXPLANATIONS if rule & violations]
    if len(broken) == 1:
        return EXPLANATIONS[broken[0]]
    return truncate_reason(f"breaks RFC 6455: {', '.join(str(rule.name) for rule in broken)}")


def weigh(frame: Frame) -> int:
    """What a frame that waits costs, in bytes."""
    return FRAME_COST + len(frame._payload)


def long_length(data: bytearray, start: int) -> int:
    """The 64-bit length at `start`, in network byte order."""
    return int.from_bytes(data[start : start + 8], "big")


def judge(head: int, second: int, is_client: bool, fragmented: bool, extended: bool) -> int:
    """The violations that a frame's first two octets show, as bits of `Violation`.

    `is_client` tells who received it, `fragmented` whether a message is unfinished, `extended`
    whether an extension is negotiated, which then owns the RSV bits (section 5.2).
    """
    violations = 0
    if is_client:
        if second & 0x80:
            violations |= MASKED
    elif not second & 0x80:
        violations |= UNMASKED
    if head & 0x70 and not extended:
        violations |= RESERVED_BITS
    if head & 0x07 > 2:
        violations |= RESERVED_OPCODE
    if head & 0x08:
        if not head & 0x80:
            violations |= FRAGMENTED_CONTROL
        if second & 0x7F > 125:
            violations |= LONG_CONTROL
    elif head & 0x0F == 0:
        if not fragmented:
            violations |= UNEXPECTED_CONTINUATION
    elif fragmented:
        violations |= EXPECTED_CONTINUATION
    return violations


def sound_lengths(extended: bool, fragmented: bool) -> bytes:
    """For each first octet: what the 7-bit length of a frame that breaks no rule stays below."""
    return bytes(
        0 if judge(head, 0x80, False, fragmented, extended) else 126 if head & 0x08 else 128
        for head in range(256)
    )


#: So that most frames need not be judged: by whether an extension is negotiated, then by whether
#: a message is unfinished.
SOUND = tuple(
    tuple(sound_lengths(extended, fragmented) for fragmented in (False, True))
    for extended in (False, True)
)


def code_of(payload: bytes) -> int:
    """The code in the payload of a Close; 0, which no Close may hold, if there is none."""
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 0


def judge_close(payload: bytes) -> int:
    """CLOSE_PAYLOAD if the payload of a Close breaks section 5.5.1 or 7.4, else 0."""
    if not payload:
        return 0
    if not CloseCode.is_sendable(code_of(payload)):
        return CLOSE_PAYLOAD
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return CLOSE_PAYLOAD
    return 0
