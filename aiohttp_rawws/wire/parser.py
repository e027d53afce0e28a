# cython: boundscheck=False, wraparound=False
"""Bytes to frames. `rules` tells which rules of RFC 6455 a frame breaks."""

import sys
from collections.abc import Callable

from .errors import FrameTooBig, ProtocolError
from .explanations import violation_error
from .frames import FRAME_COST, make_frame
from .names import MAX_CONTROL_PAYLOAD, Violation
from .native import READ_SIZE, ReadBuffer, copy_out, key_at
from .partial import Forwarding, PartialFrame
from .pieces import Piece
from .queue import FrameQueue
from .rules import judge_close, judge_length, rules_of, size_limited
from .stops import Stop

__all__ = ("Parser",)

AFTER_CLOSE = Violation.AFTER_CLOSE.value
LENGTH_ENCODING = Violation.LENGTH_ENCODING.value
NONE = Stop.NONE.value
LIMIT = Stop.LIMIT.value
TOO_BIG = Stop.TOO_BIG.value
CLOSED = Stop.CLOSED.value
VIOLATION = Stop.VIOLATION.value

#: An incomplete frame up to this size waits among the unparsed bytes and is parsed anew with the
#: next read. A bigger one is read into its own memory.
SMALL_PAYLOAD = 16 * 1024


# Over twenty methods: whole frames, pieces and forwarding read the same bytes at the same position.
class Parser:
    """Turn the bytes of one peer into frames, in order, and stop where it breaks a rule.

    Reads go where `writable` says and are announced by `written`. Frames that are complete wait
    in `queue`. `stop` tells why nothing is parsed at the moment; the error of TOO_BIG and of
    VIOLATION is `error`. A frame over `max_frame_size` becomes an error once nothing else is left
    to be taken (`settle`).

    With `pieces` set data frames may be of any size, and `cut` returns what has come of an
    incomplete one. `whole` goes back to whole frames. With a sink (`forward_to`) frames are
    checked and passed on as they came, but for a Close.

    `on_close` is called for each Close, in the middle of the parsing: it must not use the parser.
    """

    __slots__ = (
        "_buffer",
        "_pending",
        "after_close",
        "error",
        "forwarding",
        "fragmented",
        "left",
        "limit",
        "max_frame_size",
        "on_close",
        "part",
        "pieces",
        "queue",
        "rules",
        "stop",
    )

    def __init__(
        self,
        buffer: ReadBuffer,
        *,
        is_client: bool,
        max_frame_size: int,
        limit: int,
        reject: Violation = Violation.ALL,
        extended: bool = False,
    ) -> None:
        self._buffer = buffer
        self.rules = rules_of(bool(is_client), bool(extended), reject)
        self.max_frame_size = min(max_frame_size, sys.maxsize)
        self.limit = min(limit, sys.maxsize)
        self.queue = FrameQueue()
        self.pieces = False
        #: A message is unfinished.
        self.fragmented = False
        self.after_close = False
        self.stop: int = NONE
        self.error: ProtocolError | None = None
        # The bytes that are not parsed: an incomplete frame, or what came while stopped.
        self._pending = b""
        #: The frame that is being read into its own memory.
        self.part: PartialFrame | None = None
        self.forwarding: Forwarding | None = None
        #: How many bytes are still to come of a frame that was forwarded in part.
        self.left = 0
        self.on_close: Callable[[], None] | None = None

    # -- state -----------------------------------------------------------------------------

    def is_full(self) -> bool:
        """Return True if reading should pause until something is taken."""
        return self.stop == TOO_BIG or self._at_limit()

    def is_ready(self) -> bool:
        """Return True if a receiver has something to take: a frame, a piece, or the end."""
        if self.queue.first is not None or self.stop >= TOO_BIG:
            return True
        return self.pieces and self._available() > 0

    @property
    def is_partial(self) -> bool:
        """True if the bytes so far end in the middle of a frame."""
        return len(self._pending) > 0 or self.part is not None or self.left > 0

    @property
    def is_cutting(self) -> bool:
        """True if a part of a frame was given away."""
        return self.left > 0 or (self.part is not None and self.part.offset > 0)

    @property
    def is_between_frames(self) -> bool:
        """True if all that is complete was taken, and no data frame has begun."""
        return self.queue.first is None and self.part is None and self.left == 0

    def _at_limit(self) -> bool:
        if self.queue.cost >= self.limit:
            return True
        return self.pieces and self._available() >= self.limit

    def _available(self) -> int:
        return 0 if self.part is None else self.part.available()

    # -- bytes -----------------------------------------------------------------------------

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
        """Return the memory for the next bytes. It is valid until `written`."""
        if self.stop == NONE and not self._at_limit():
            if self.part is not None:
                return self.part.payload.view()
            pending = len(self._pending)
            if pending:
                self._buffer.data[:pending] = self._pending
                return self._buffer.view[pending:]
        return self._buffer.view

    def written(self, count: int) -> None:
        """Parse `count` more bytes, which stand in the memory that `writable` returned.

        ValueError if there was no room for so many.
        """
        if self.stop >= CLOSED:
            return
        if self.stop != NONE or self._at_limit():
            self._pending += copy_out(self._buffer.data, 0, count, None)
            if self.stop == NONE:
                self.stop = LIMIT
        elif self.part is not None:
            self.part.payload.wrote(count)
            if self.part.payload.missing == 0:
                self._finish(self.part)
        elif 0 <= count <= READ_SIZE - len(self._pending):
            self._parse(len(self._pending) + count)
        else:
            raise ValueError(f"there is no room for {count} octets in one read")

    def resume(self) -> None:
        """Parse the bytes that were left, after frames were taken or `pieces` was set."""
        if self.stop >= CLOSED:
            return
        if self.stop == TOO_BIG or (self.pieces and self._pending):
            self.stop = LIMIT
            self.error = None
        if self.forwarding is not None:
            # This call may forward as much as any other.
            self.queue.count_only_items()
        if self.stop == LIMIT and not self._at_limit():
            pending = self._pending
            self._pending = b""
            self.stop = NONE
            self.feed(pending)

    # -- frames that are too big, in pieces, or forwarded ----------------------------------

    def settle(self) -> None:
        """Make a frame over `max_frame_size` an error, if nothing else is left to be taken."""
        if self.stop == TOO_BIG:
            # The limit may have been raised.
            self.resume()
        if self.stop == TOO_BIG and self.queue.first is None:
            self._refuse(self.error)

    def whole(self) -> None:
        """Go over from pieces to whole frames. Only between two frames.

        What came meanwhile and is over `max_frame_size` is an error, however far it has come: how
        the bytes were cut into reads must make no difference.
        """
        self.pieces = False
        for frame in self.queue.take_all():
            if len(frame.payload) > self.max_frame_size:
                self._refuse(FrameTooBig(len(frame.payload), self.max_frame_size))
                return
            self.queue.put(frame, len(frame.payload))
        if self.part is not None and self.part.length > self.max_frame_size:
            self._refuse(FrameTooBig(self.part.length, self.max_frame_size))

    def cut(self) -> "Piece | None":
        """Return what has come since the last cut of a data frame, None if nothing has."""
        return None if self.part is None or self._available() == 0 else self.part.cut()

    def forward_to(self, sink: "Callable[[bytearray, int], None]") -> Forwarding:
        """Pass the frames that come to `sink`, and return what counts them. See `Forwarding`.

        Only between two frames.
        """
        self.forwarding = forwarding = Forwarding(sink)
        self.pieces = True
        self.resume()
        return forwarding

    def stop_forwarding(self) -> None:
        """Put the frames that come into the queue again. At any point of a frame."""
        if self.forwarding is not None:
            self.queue.count_only_items()
            self.forwarding = None
        self.resume()

    # -- parsing ---------------------------------------------------------------------------

    def _parse(self, end: int) -> None:
        position = self._forward_rest(end) if self.left > 0 else 0
        while position < end and self.queue.cost < self.limit:
            after = self._frame(position, end)
            if after == position or self.stop == CLOSED:
                break
            position = after
        if self.stop >= CLOSED:
            self._pending = b""
        else:
            self._pending = copy_out(self._buffer.data, position, end, None)
            if self.stop == NONE and position < end and self._at_limit():
                self.stop = LIMIT
        if self.forwarding is not None:
            if self.stop != LIMIT:
                # Forwarded frames do not count towards `limit`, except within this call.
                self.queue.count_only_items()
            self.forwarding.flush(self._buffer.data)

    def _frame(self, start: int, end: int) -> int:
        """Parse the frame at `start`. Return where it ends, or `start` if it is incomplete."""
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
        sound = self.rules.sound[self.fragmented]
        if second & 0x80 != self.rules.mask_bit or length >= sound[head] or self.after_close:
            violations = self.rules.judge(head, second, self.fragmented, self.after_close)
            if violations & self.rules.reject:
                return self._fail(violations, start)
        if length >= 126:
            form = length
            position = start + (4 if form == 126 else 10)
            if end < position:
                return start
            if form == 126:
                length = data[start + 2] << 8 | data[start + 3]
            else:
                length = long_length(data, start + 2)
            # Most lengths need not be judged.
            if form == 127 or length < 126:
                violations |= judge_length(form, length)
            if violations & self.rules.reject or length < 0:
                return self._fail(violations, start)
        if self.forwarding is not None and head & 0x0F != 8:
            position += 4 if second & 0x80 else 0
            return self._forward(head, length, start, position, end)
        if length > self.max_frame_size and size_limited(
            head, length, self.pieces, self.forwarding is not None
        ):
            self.stop = TOO_BIG
            self.error = FrameTooBig(length, self.max_frame_size)
            return start
        key = None
        if second & 0x80:
            if end < position + 4:
                return start
            key = key_at(data, position)
            position += 4
        if end - position >= length:
            payload = copy_out(data, position, position + length, key)
            return self._complete(head, payload, key, violations, start, position + length)
        if length > SMALL_PAYLOAD or (
            self.pieces
            and not head & 0x08
            # Pieces do not tell which of the longer forms the length had; here there are two.
            and not (length < 126 and violations & LENGTH_ENCODING)
        ):
            part = PartialFrame(head, length, key, violations)
            part.payload.append(data, position, end)
            self.part = part
            return end
        return start

    def _complete(
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
            if violations & self.rules.reject:
                return self._fail(violations, start, payload)
            self.after_close = True
            if self.rules.reject & AFTER_CLOSE:
                self.stop = CLOSED
            if self.on_close is not None:
                self.on_close()
        # Control frames may stand between the fragments of a message (section 5.4).
        if not head & 0x08:
            self.fragmented = not head & 0x80
        self.queue.put(make_frame(head, payload, key, violations), len(payload))
        return after

    def _finish(self, part: PartialFrame) -> None:
        """Put the frame that was read into its own memory, or the last piece, into the queue."""
        self.part = None
        if part.offset == 0:
            payload = part.payload.take()
            self._complete(part.head, payload, part.key, part.violations, 0, 0)
        else:
            self.fragmented = not part.head & 0x80
            piece = part.cut()
            self.queue.put(piece, len(piece.payload))

    def _forward(self, head: int, length: int, start: int, position: int, end: int) -> int:
        """Forward a frame, its payload from `position` on as far as it is there."""
        present = end - position
        if present < 0 or (head & 0x08 and present < length <= MAX_CONTROL_PAYLOAD):
            return start
        if length < present:
            present = length
        self.left = length - present
        if not head & 0x08:
            self.fragmented = not head & 0x80
        assert self.forwarding is not None
        self.forwarding.frames += 1
        self.forwarding.octets += present
        self.forwarding.passed = position + present
        self.queue.cost += FRAME_COST
        return position + present

    def _forward_rest(self, end: int) -> int:
        """Forward the next part of a frame that was forwarded in part."""
        size = min(self.left, end)
        self.left -= size
        forwarding = self.forwarding
        if forwarding is not None:
            forwarding.octets += size
            forwarding.passed = size
            if self.left == 0 and forwarding.on_rest is not None:
                forwarding.flush(self._buffer.data)
                forwarding.on_rest()
        return size

    def _refuse(self, error: "ProtocolError | None") -> None:
        self.stop = VIOLATION
        self.error = error
        self.part = None
        self._pending = b""

    def _fail(self, violations: int, start: int, payload: bytes = b"") -> int:
        """Stop at the frame at `start`, which breaks `violations`."""
        # The top bit of a length is always refused.
        rejected = Violation((violations & self.rules.reject) or LENGTH_ENCODING)
        self._refuse(violation_error(rejected, payload))
        return start


def long_length(data: bytearray, start: int) -> int:
    """Return the 64-bit length at `start` as a signed number, negative if its top bit is set."""
    return int.from_bytes(data[start : start + 8], "big", signed=True)
