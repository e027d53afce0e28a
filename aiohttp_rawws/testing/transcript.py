"""What happened on a connection, and what was expected, in order."""

import time
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from ..wire.frames import Frame
from ..wire.names import Violation
from .http import HttpHead
from .patterns import shown
from .text import printable

__all__ = ("Entry", "Transcript")

#: How many entries are kept, and how many bytes of payload. In more the middle is left out.
MAX_ENTRIES = 10_000
MAX_BYTES = 64 * 2**20
#: How much of a payload a report holds, in bytes.
REPORT_BYTES = 1024


@dataclass(frozen=True)
class Entry:
    """One thing that was sent or seen: a frame, a head, octets, or an event as a word."""

    #: Seconds since the connection began.
    time: float
    #: "sent" or "seen".
    direction: str
    what: Frame | HttpHead | bytes | str

    def __str__(self) -> str:
        if isinstance(self.what, Frame):
            return shown(self.what)
        if isinstance(self.what, HttpHead):
            return self.what.line
        if isinstance(self.what, bytes):
            more = "..." if len(self.what) > 16 else ""
            return f"{len(self.what)} octets: {self.what[:16].hex(' ')}{more}"
        return self.what

    def as_json(self) -> dict[str, Any]:
        """Return the entry as values for JSON."""
        said: dict[str, Any] = {"time": round(self.time, 6), "direction": self.direction}
        if isinstance(self.what, Frame):
            frame = self.what
            said["frame"] = {
                "opcode": int(frame.opcode),
                **{bit: getattr(frame, bit) for bit in ("fin", "rsv1", "rsv2", "rsv3")},
                "masked": frame.mask is not None,
                "length": len(frame.payload),
                "payload": frame.payload[:REPORT_BYTES].hex(),
                "violations": names_of(frame.violations),
            }
        elif isinstance(self.what, HttpHead):
            said["head"] = self.what.raw.decode("latin-1")
        elif isinstance(self.what, bytes):
            said["octets"] = self.what[:REPORT_BYTES].hex()
            said["length"] = len(self.what)
        else:
            said["event"] = self.what
        return said


def names_of(violations: Violation) -> list[str]:
    # Python 3.10 cannot iterate over the members of a flag.
    single = [each for each in Violation if each.value.bit_count() == 1]
    return [str(each.name) for each in single if each in violations]


def size_of(what: Frame | HttpHead | bytes | str) -> int:
    if isinstance(what, Frame):
        return len(what.payload)
    return len(what.raw if isinstance(what, HttpHead) else what)


@dataclass
class Transcript:
    """The entries of one connection, and the pairs of what was expected and what was seen.

    Of a very long conversation the first half of the entries is kept, and at least four fifths as
    many of the last ones; and the last pairs.
    """

    entries: list[Entry] = field(default_factory=list)
    expected: list[tuple[str, str]] = field(default_factory=list)
    #: How many entries were left out, between the first ones and the last ones.
    left_out: int = 0
    #: How many pairs there were, also those that are not kept.
    compared: int = 0
    #: How many entries are the first ones, None until one was left out.
    _first: int | None = None
    _size: int = 0
    _start: float = field(default_factory=time.monotonic)

    def note(self, direction: str, what: Frame | HttpHead | bytes | str) -> None:
        """Add an entry, which is always kept. An earlier one may have to go."""
        self.entries.append(Entry(time.monotonic() - self._start, direction, what))
        self._size += size_of(what)
        while len(self.entries) > MAX_ENTRIES or self._size > MAX_BYTES:
            if self._first is None:
                self._first = self._half()
            # Some at once: in a flood each entry would move half of them.
            end = min(self._first + MAX_ENTRIES // 10 + 1, len(self.entries) - 1)
            gone = self.entries[self._first : end]
            if not gone:
                return
            del self.entries[self._first : end]
            self._size -= sum(size_of(entry.what) for entry in gone)
            self.left_out += len(gone)

    def _half(self) -> int:
        """Return how many entries have half of the room."""
        sizes = accumulate(size_of(entry.what) for entry in self.entries[: MAX_ENTRIES // 2])
        return sum(size <= MAX_BYTES // 2 for size in sizes)

    def compare(self, expected: str, seen: str) -> None:
        """Note what a step expected and what came."""
        self.compared += 1
        self.expected.append((expected, seen))
        if len(self.expected) > MAX_ENTRIES:
            del self.expected[: MAX_ENTRIES // 10 + 1]

    def frames(self, direction: str = "seen") -> list[Frame]:
        """Return the frames of one direction."""
        return [
            entry.what
            for entry in self.entries
            if entry.direction == direction and isinstance(entry.what, Frame)
        ]

    def side_by_side(self, last: int = 20, *, marked: bool = True) -> str:
        """Return the last expectations as two columns, with a mark before the last one."""
        rows = [(printable(wanted), printable(seen)) for wanted, seen in self.expected[-last:]]
        width = max([len(wanted) for wanted, _ in rows] + [len("expected")])
        lines = [f"    {'expected':{width}}  seen"]
        for number, (wanted, seen) in enumerate(rows, 1):
            mark = ">" if marked and number == len(rows) else " "
            lines.append(f"  {mark} {wanted:{width}}  {seen}")
        return "\n".join(lines)
