"""Frames to octets and back, exactly as they stand on the wire, legal or not."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ..wire.frames import Frame
from ..wire.names import OPCODES
from ..wire.pieces import Piece
from .format import FrameLine, Read

__all__ = ("FrameScanner", "Scanned", "Unfinished", "octets_of")

FIN, RSV1, RSV2, RSV3, OPCODE, MASKED, LENGTH = 0x80, 0x40, 0x20, 0x10, 0x0F, 0x80, 0x7F

#: By the field of the length: the bits of the number that follows.
EXTENDED = {126: 16, 127: 64}

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
        #: Where the header and the frame end. Only the former is known at first.
        self._header: tuple[int, int] | None = None

    def feed(self, data: bytes, now: datetime) -> Iterator[Scanned]:
        """Yield the frames that end in what one read has brought."""
        position = 0
        while position < len(data):
            position += self._take(data, position, now)
            if self._header is not None and self._seen == self._header[1]:
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
            count = min(self._header[1] - self._seen, len(data) - position)
        keep = LONGEST_HEADER if self._header is None else self._header[0] + self._payload_limit
        room = max(keep - len(self._kept), 0)
        self._kept += data[position : position + min(count, room)]
        self._seen += count
        if self._reads and (self._reads[-1][0] is now or len(self._reads) == MAX_READS):
            self._reads[-1] = (now, self._reads[-1][1] + count)
        else:
            self._reads.append((now, count))
        if self._header is None:
            self._header = header_of(self._kept)
        return count

    def _finish(self, now: datetime, *, joined_next: bool) -> Scanned:
        assert self._header is not None
        start, end = self._header
        kept = self._kept
        key = bytes(kept[start - 4 : start]) if kept[1] & MASKED else None
        payload = bytes(kept[start:])
        if key is not None:
            payload = unmasked(payload, key)
        frame = made(kept[0], payload, end - start, key)
        bits = EXTENDED.get(kept[1] & LENGTH)
        needed = None if end - start < 126 else 16 if end - start <= 0xFFFF else 64
        scanned = Scanned(frame, None if bits == needed else bits, self._timed(now), self._joined)
        self._kept, self._seen, self._reads, self._header = bytearray(), 0, [], None
        self._joined = joined_next
        return scanned

    def _timed(self, now: datetime) -> tuple[Read, ...]:
        return tuple(Read((at - now).total_seconds(), octets) for at, octets in self._reads)


def header_of(octets: bytes | bytearray) -> tuple[int, int] | None:
    """Return where the header and the frame end, None while the header is not complete.

    (RFC 6455 section 5.2) A length with its top bit set is illegal, and taken as it stands.
    """
    if len(octets) < 2:
        return None
    length = octets[1] & LENGTH
    size = 2
    if length in EXTENDED:
        size += EXTENDED[length] // 8
        length = int.from_bytes(octets[2:size], "big")
    after = size + (4 if octets[1] & MASKED else 0)
    return (after, after + length) if len(octets) >= after else None


def made(first: int, payload: bytes, length: int, key: bytes | None) -> Frame | Piece:
    """Return a frame, or the start of one whose payload was cut."""
    opcode, fin = OPCODES[first & OPCODE], first & FIN != 0
    rsv1, rsv2, rsv3 = (first & bit != 0 for bit in (RSV1, RSV2, RSV3))
    if len(payload) == length:
        return Frame(opcode, payload, fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3, mask=key)
    return Piece(opcode, fin, rsv1, rsv2, rsv3, length, 0, payload, False, key)
