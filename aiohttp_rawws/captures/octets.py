"""Frames to octets and back, exactly as they stand on the wire, legal or not."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ..wire.frames import Frame
from ..wire.header import Header, read_header
from ..wire.names import OPCODES
from ..wire.pieces import Piece
from .format import FrameLine, Read

__all__ = ("FrameScanner", "Scanned", "Unfinished", "octets_of")

FIN, RSV1, RSV2, RSV3, OPCODE, MASKED = 0x80, 0x40, 0x20, 0x10, 0x0F, 0x80

#: The reads of a frame that are told apart. All further ones are taken for one.
MAX_READS = 2**16

#: The longest header: a length of 64 bits and a masking key.
LONGEST_HEADER = 14


def octets_of(line: FrameLine) -> bytes:
    """Return the octets of a frame. A payload that was cut is filled up with zeros."""
    frame, length = line.frame, line.length
    bits = line.length_bits or (0 if length < 126 else 16 if length <= 0xFFFF else 64)
    field = {0: length, 16: 126, 64: 127}[bits]
    flags = (frame.fin, FIN), (frame.rsv1, RSV1), (frame.rsv2, RSV2), (frame.rsv3, RSV3)
    first = frame.opcode | sum(bit for is_set, bit in flags if is_set)
    masked = MASKED if frame.mask is not None else 0
    header = bytes((first, masked | field)) + (length.to_bytes(bits // 8, "big") if bits else b"")
    payload = frame.payload.ljust(length, b"\0")
    if frame.mask is None:
        return header + payload
    return header + frame.mask + unmasked(payload, frame.mask)


def unmasked(data: bytes, key: bytes) -> bytes:
    """Return data with the key applied, which masks and unmasks (RFC 6455 section 5.3)."""
    # `encode` masks by the compiled core.
    encoded = Frame(0, data, mask=key).encode()
    return encoded[len(encoded) - len(data) :]


class Scanned(NamedTuple):
    """A frame that was found in a stream, or with a long payload the start of one."""

    frame: Frame | Piece
    length_bits: int | None
    reads: tuple[Read, ...]
    joined: bool


class Unfinished(NamedTuple):
    """What has come of the last frame of a stream. `missing` octets of it were not kept."""

    octets: bytes
    missing: int
    reads: tuple[Read, ...]
    joined: bool


class FrameScanner:
    """Finds the frames in the octets that one side sends, read by read. No rule is applied.

    At most `payload_limit` bytes of a payload are kept.
    """

    def __init__(self, payload_limit: int) -> None:
        self._payload_limit = payload_limit
        #: The octets of the frame so far that are kept, and how many there are in all.
        self._kept = bytearray()
        self._seen = 0
        #: The reads of the frame, with their times.
        self._reads: list[tuple[datetime, int]] = []
        self._joined = False
        #: The header of the frame, once all of it is there.
        self._header: Header | None = None

    def feed(self, data: bytes, now: datetime) -> Iterator[Scanned]:
        """Yield the frames that end in what one read has brought."""
        position = 0
        while position < len(data):
            position += self._take(data, position, now)
            if self._header is not None and self._seen == self._header.total:
                yield self._finish(now, joined_next=position < len(data))

    def unfinished(self, now: datetime) -> Unfinished | None:
        """Return what has come of a frame that has not ended, None where none has begun."""
        if not self._seen:
            return None
        missing = self._seen - len(self._kept)
        return Unfinished(bytes(self._kept), missing, self._timed(now), self._joined)

    def _take(self, data: bytes, position: int, now: datetime) -> int:
        """Take what belongs to the frame that runs, and return how many octets these are."""
        if self._header is None:
            # One at a time: a header has up to 14 octets, and tells its own size.
            count = 1
        else:
            count = min(self._header.total - self._seen, len(data) - position)
        keep = LONGEST_HEADER if self._header is None else self._header.size + self._payload_limit
        room = max(keep - len(self._kept), 0)
        self._kept += data[position : position + min(count, room)]
        self._seen += count
        if self._reads and (self._reads[-1][0] is now or len(self._reads) == MAX_READS):
            self._reads[-1] = (now, self._reads[-1][1] + count)
        else:
            self._reads.append((now, count))
        if self._header is None:
            self._header = read_header(self._kept)
        return count

    def _finish(self, now: datetime, *, joined_next: bool) -> Scanned:
        header = self._header
        assert header is not None
        payload = bytes(self._kept[header.size :])
        if header.key is not None:
            payload = unmasked(payload, header.key)
        frame = made(header.head, payload, header.length, header.key)
        needed = 0 if header.length < 126 else 16 if header.length <= 0xFFFF else 64
        bits = None if header.length_bits == needed else header.length_bits
        scanned = Scanned(frame, bits, self._timed(now), self._joined)
        self._kept, self._seen, self._reads, self._header = bytearray(), 0, [], None
        self._joined = joined_next
        return scanned

    def _timed(self, now: datetime) -> tuple[Read, ...]:
        return tuple(Read((at - now).total_seconds(), octets) for at, octets in self._reads)


def made(first: int, payload: bytes, length: int, key: bytes | None) -> Frame | Piece:
    """Return a frame, or the start of one whose payload was cut."""
    opcode, fin = OPCODES[first & OPCODE], first & FIN != 0
    rsv1, rsv2, rsv3 = (first & bit != 0 for bit in (RSV1, RSV2, RSV3))
    if len(payload) == length:
        return Frame(opcode, payload, fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3, mask=key)
    return Piece(opcode, fin, rsv1, rsv2, rsv3, length, 0, payload, False, key)
