"""The compression of permessage-deflate: payloads in and out (RFC 7692 section 7.2).

The streams are those of the package `zlib-ng` where it is installed, which is faster, else zlib's.
"""

import contextlib
import sys
from typing import Any

from ..wire.close import truncate_reason
from ..wire.errors import FrameTooBig, ProtocolError
from ..wire.names import CloseCode, Violation

try:
    from zlib_ng import zlib_ng as backend
except ImportError:
    import zlib as backend  # type: ignore[no-redef]

__all__ = ("Compressor", "Decompressor", "broken", "zlib")

#: The standard library's `zlib`, or `zlib_ng`.
zlib: Any = backend

#: Compressors that are as good as new, after a full flush, by their settings. Without context
#: takeover a connection borrows one for each message, and holds none between two messages.
IDLE: dict[tuple[int, int, int], list[Any]] = {}
MAX_IDLE = 8

#: The DEFLATE streams that one frame may end. Each costs far more than the two bytes it takes on
#: the wire. Encoders end at most one for a message.
MAX_STREAMS = 16

# The end of every flush. It is not sent behind the last block of a message (section 7.2.1).
TAIL = b"\x00\x00\xff\xff"

# Empty blocks, more than the longest header of a block has bits (RFC 1951 section 3.2.7:
# 14 + 19 * 3 + 316 * 7). Between two blocks they mean nothing. Anywhere else they are an error,
# or give output, or end the stream, unless the stream is made for it.
NOTHING = (b"\x00" + TAIL) * 58


class Compressor:
    """The sending half: compresses the payloads of frames.

    With `fresh` each message is compressed on its own, without context takeover.
    """

    __slots__ = ("_fresh", "_settings", "_stream", "in_message", "works")

    def __init__(self, *, fresh: bool, level: int, window: int, mem_level: int) -> None:
        self._fresh = fresh
        self._settings = level, window, mem_level
        self._stream: Any = None
        #: True while a compressed message has begun and not ended.
        self.in_message = False
        #: False where nothing is compressed: zlib is not capable of a window of 256 bytes.
        self.works = window > 8

    def compress(self, payload: bytes, fin: int) -> bytes:
        """Compress the payload of a frame, which ends its message if `fin`."""
        stream = self._stream
        if stream is None:
            stream = self._stream = self._new_stream()
        flush = zlib.Z_FULL_FLUSH if fin and self._fresh else zlib.Z_SYNC_FLUSH
        compressed: bytes = stream.compress(payload) + stream.flush(flush)
        self.in_message = not fin
        if not fin:
            return compressed
        if self._fresh:
            self._stream = None
            idle = IDLE.setdefault(self._settings, [])
            if len(idle) < MAX_IDLE:
                idle.append(stream)
        return compressed[: -len(TAIL)]

    def _new_stream(self) -> Any:
        # Another thread may take the last one first.
        with contextlib.suppress(IndexError):
            return IDLE.get(self._settings, []).pop()
        level, window, mem_level = self._settings
        return zlib.compressobj(level, zlib.DEFLATED, -window, mem_level)


class Decompressor:
    """The receiving half: decompresses the payloads of frames.

    With `fresh` each message was compressed on its own. `max_size` (bytes) bounds a message.
    """

    __slots__ = ("_fresh", "_size", "_stream", "_window", "in_message", "max_size")

    def __init__(self, *, fresh: bool, window: int, max_size: int) -> None:
        self._fresh = fresh
        self._window = window
        self._stream: Any = None
        #: The size of the message so far, in bytes.
        self._size = 0
        #: True while a compressed message has begun and not ended.
        self.in_message = False
        self.max_size = max_size

    def decompress(self, data: bytes, fin: int) -> bytes:
        """Decompress the payload of a frame, which ends its message if `fin`.

        ProtocolError (1007) for data that is no DEFLATE stream, FrameTooBig for a message of more
        than `max_size` bytes.
        """
        stream = self._stream
        if stream is None:
            stream = zlib.decompressobj(-self._window)
        # Never 0, which is no limit to zlib. Output below it means that all input was taken.
        room = max(0, min(self.max_size - self._size, sys.maxsize - 1)) + 1
        try:
            out: bytes = stream.decompress(data + TAIL if fin else data, room)
            if stream.eof:
                stream, out = self._next_stream(stream, out, room, fin)
            if len(out) >= room:
                raise self._too_big()
            if fin and (stream.decompress(NOTHING, 1) or stream.eof):
                raise broken("a compressed message is cut off")
        except zlib.error as error:
            raise broken(f"a message is no DEFLATE stream: {error}") from error
        self.in_message = not fin
        self._size = 0 if fin else self._size + len(out)
        self._stream = None if fin and self._fresh else stream
        return out

    def _next_stream(self, stream: Any, out: bytes, room: int, fin: int) -> tuple[Any, bytes]:
        """Go on after a final block, which a message may have (section 7.2.1).

        A final block ends a DEFLATE stream. In the next one nothing refers back to it (RFC 1951).
        """
        for _ in range(MAX_STREAMS):
            data = stream.unused_data
            if not (data or fin):
                # The next fragment comes behind the end of this stream, as if it had been here.
                return stream, out
            stream = zlib.decompressobj(-self._window)
            if len(out) >= room:
                return stream, out
            # Some peers leave out the empty block behind a final one (section 7.2.3.4).
            if not (fin and data == TAIL):
                out += stream.decompress(data, room - len(out))
            if not stream.eof:
                return stream, out
        raise broken(f"a frame has more than {MAX_STREAMS} final DEFLATE blocks")

    def _too_big(self) -> FrameTooBig:
        message = f"a message inflates to more than max_size ({self.max_size} bytes)"
        return FrameTooBig(self.max_size + 1, self.max_size, message)


def broken(message: str, violation: Violation = Violation.NONE) -> ProtocolError:
    """Return the error for a peer that breaks RFC 7692, or for data that is no DEFLATE stream."""
    code = CloseCode.PROTOCOL_ERROR if violation else CloseCode.INVALID_PAYLOAD
    # zlib tells what is wrong in words of its own, of any length.
    return ProtocolError(violation, code, truncate_reason(f"{message} (RFC 7692)"))
