"""What happened on a connection, and what was expected, in order."""

import time
from dataclasses import dataclass, field
from typing import Any

from ..wire.frames import Frame
from ..wire.names import Violation
from .http import HttpHead
from .patterns import shown

__all__ = ("Entry", "Transcript")

#: How many entries are kept, and how many bytes of payload: the first ones.
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
    """The entries of one connection, and the pairs of what was expected and what was seen."""

    entries: list[Entry] = field(default_factory=list)
    expected: list[tuple[str, str]] = field(default_factory=list)
    #: How many entries were left out.
    left_out: int = 0
    _size: int = 0
    _start: float = field(default_factory=time.monotonic)

    def note(self, direction: str, what: Frame | HttpHead | bytes | str) -> None:
        """Add an entry. Of a very long conversation the later ones are only counted."""
        size = size_of(what)
        if len(self.entries) >= MAX_ENTRIES or self._size + size > MAX_BYTES:
            self.left_out += 1
            return
        self._size += size
        self.entries.append(Entry(time.monotonic() - self._start, direction, what))

    def compare(self, expected: str, seen: str) -> None:
        """Note what a step expected and what came."""
        if len(self.expected) < MAX_ENTRIES:
            self.expected.append((expected, seen))

    def frames(self, direction: str = "seen") -> list[Frame]:
        """Return the frames of one direction."""
        return [
            entry.what
            for entry in self.entries
            if entry.direction == direction and isinstance(entry.what, Frame)
        ]

    def side_by_side(self, last: int = 20, *, marked: bool = True) -> str:
        """Return the last expectations as two columns, with a mark before the last one."""
        rows = self.expected[-last:]
        width = max([len(wanted) for wanted, _ in rows] + [len("expected")])
        lines = [f"    {'expected':{width}}  seen"]
        for number, (wanted, seen) in enumerate(rows, 1):
            mark = ">" if marked and number == len(rows) else " "
            lines.append(f"  {mark} {wanted:{width}}  {seen}")
        return "\n".join(lines)
