"""A frame that has come in part, and frames that are forwarded while they come."""

from collections.abc import Callable

from .native import Payload
from .pieces import Piece, make_piece

__all__ = ("Forwarding", "PartialFrame")


class PartialFrame:
    """A frame whose header has come, and whose payload is read into memory of its own."""

    __slots__ = ("head", "key", "length", "offset", "payload", "violations")

    def __init__(self, head: int, length: int, key: "bytes | None", violations: int) -> None:
        self.head = head
        self.length = length
        self.key = key
        self.violations = violations
        #: Where the next piece begins, in bytes: the pieces before it were given away.
        self.offset = 0
        self.payload = Payload(length, key)

    def available(self) -> int:
        """Return the size of the next piece, in bytes. A control frame is not cut into pieces."""
        return 0 if self.head & 0x08 else self.payload.filled

    def cut(self) -> Piece:
        """Return what has come since the last piece."""
        data = self.payload.take()
        piece = make_piece(self.head, self.length, self.offset, data, self.key, self.violations)
        self.offset += len(data)
        return piece


class Forwarding:
    """Frames that are checked and then go to `sink` as they came.

    `sink(data, size)` gets `data[:size]`: frames, the last one possibly in part. A control frame
    is passed whole, unless `reject` lets one of over 125 bytes pass.
    """

    __slots__ = ("frames", "octets", "on_rest", "passed", "sink")

    def __init__(self, sink: "Callable[[bytearray, int], None]") -> None:
        self.sink = sink
        #: Called once the rest of a frame has passed.
        self.on_rest: Callable[[], None] | None = None
        #: How many bytes at the start of the read buffer are checked and not yet passed.
        self.passed = 0
        #: How many frames have begun to pass.
        self.frames = 0
        #: How many bytes of payload have passed.
        self.octets = 0

    def flush(self, data: bytearray) -> None:
        """Pass the checked bytes to the sink."""
        size = self.passed
        if size > 0:
            self.passed = 0
            self.sink(data, size)
