"""What each read has brought, as it was before it was taken for frames."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from .format import FrameLine, Octets, Read
from .octets import octets_of

__all__ = ("Segment", "Segments", "missing_of")


class Segment(NamedTuple):
    """Octets that came together."""

    time: datetime
    octets: bytes
    #: The line of the capture that the last of them are from.
    line: int
    #: It goes on within a frame that an earlier segment has begun.
    is_inside: bool
    #: How many of the octets are zeros for what was not kept.
    missing: int


class Segments:
    """Puts the octets of one side together again. Frames without reads are a segment each."""

    def __init__(self) -> None:
        #: The last one, which the next frame may have come with.
        self._last: Segment | None = None

    def add(self, line: FrameLine | Octets) -> list[Segment]:
        """Return the segments that are complete, now that this frame follows."""
        missing = missing_of(line)
        octets = line.octets + bytes(missing) if isinstance(line, Octets) else octets_of(line)
        done: list[Segment] = []
        for number, (time, part) in enumerate(cut(line.time, octets, line.reads)):
            last = self._last
            if last is not None and number == 0 and line.joined:
                part = last.octets + part
                missing += last.missing
                segment = Segment(last.time, part, line.line, last.is_inside, missing)
            else:
                done += self.rest()
                segment = Segment(time, part, line.line, number > 0, missing)
            self._last = segment
        return done if line.reads is not None else done + self.rest()

    def rest(self) -> list[Segment]:
        """Return the last segment: the other side's turn, or the end of the stream."""
        last, self._last = self._last, None
        return [last] if last is not None and last.octets else []


def missing_of(line: FrameLine | Octets) -> int:
    """Return how many octets passed that were not kept."""
    return line.missing if isinstance(line, Octets) else line.length - len(line.frame.payload)


def cut(
    time: datetime, octets: bytes, reads: tuple[Read, ...] | None
) -> Iterator[tuple[datetime, bytes]]:
    """Yield what each read has brought, with its time: all at once where reads are not known."""
    position = 0
    for seconds, size in reads or (Read(0.0, len(octets)),):
        yield time + timedelta(seconds=seconds), octets[position : position + size]
        position += size
