"""The lines of a capture: JSON objects, one a line. `docs/captures.md` describes them.

Written by `frame_line`, `event_line` and `start_line`, read by `read_lines`.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeAlias

from .._version import __version__
from ..wire.frames import Frame
from ..wire.pieces import Piece

__all__ = (
    "DIRECTIONS",
    "FLAGS",
    "MAX_PAYLOAD",
    "REASONS",
    "VERSION",
    "Answered",
    "End",
    "FrameLine",
    "Handshake",
    "Headers",
    "LeftOut",
    "Line",
    "Octets",
    "Opening",
    "Read",
    "Start",
    "cut_to",
    "event_line",
    "frame_line",
    "header_line",
    "length_of",
    "octets_line",
    "other_side",
    "start_line",
    "timestamp",
)

#: The version of the format. Keys and events may be added without a new one.
VERSION = 1

#: A frame is named after its sender. The side of the server is "upstream", proxy or not.
DIRECTIONS = ("client", "upstream")

#: The bits of a frame's first byte.
FLAGS = ("fin", "rsv1", "rsv2", "rsv3")

#: The reasons of an end. `docs/captures.md` describes them.
REASONS = ("close", "end of stream", "lost", "violation", "stopped", "idle", "lifetime")

#: The most bytes that are kept of one payload, so that readers can bound a line.
MAX_PAYLOAD = 128 * 2**20

Headers: TypeAlias = list[tuple[str, str]]


class Read(NamedTuple):
    """What one read brought of a frame: so many octets, so many seconds from the frame's time."""

    seconds: float
    octets: int


@dataclass(frozen=True, slots=True)
class Start:
    """The first line of a run. Connections are counted anew behind it."""

    line: int
    time: datetime
    version: int
    software: str
    upstream: str | None


@dataclass(frozen=True, slots=True)
class Handshake:
    """One request and its answer, as far as they are known."""

    request: Headers | None
    status: int | None
    response: Headers | None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """An upgrade that was accepted (status 101) or refused."""

    line: int
    time: datetime
    connection: int
    method: str
    path: str
    address: str
    status: int
    protocol: str | None
    extensions: str | None
    client: Handshake
    upstream: Handshake | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A plain request that was answered."""

    line: int
    time: datetime
    connection: int
    method: str
    path: str
    status: int


@dataclass(frozen=True, slots=True)
class FrameLine:
    """A frame. Its payload is cut if it is shorter than `length`."""

    line: int
    time: datetime
    connection: int
    direction: str
    frame: Frame
    length: int
    #: 16 or 64 for a length that stands in a longer form than it needs, else None.
    length_bits: int | None = None
    #: The reads that brought the frame, None where they are not known.
    reads: tuple[Read, ...] | None = None
    #: Its first octets came in one read with the end of the frame before it.
    joined: bool = False

    @property
    def is_cut(self) -> bool:
        """True if only the start of the payload was kept."""
        return len(self.frame.payload) < self.length

    @property
    def seen(self) -> Frame | Piece:
        """The frame, or the start of it if its payload is cut."""
        frame = self.frame
        return cut_to(frame, len(frame.payload), self.length) if self.is_cut else frame


@dataclass(frozen=True, slots=True)
class Octets:
    """Octets that are no whole frame: the stream ended, or cannot be read, from here on."""

    line: int
    time: datetime
    connection: int
    direction: str
    octets: bytes
    #: How many more there were.
    missing: int = 0
    reads: tuple[Read, ...] | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The end of a connection."""

    line: int
    time: datetime
    connection: int
    first: str | None
    reason: str
    error: str | None
    frames: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """So many `lines` are missing here: nobody read them in time."""

    line: int
    time: datetime
    lines: int


Line: TypeAlias = Start | Opening | Answered | FrameLine | Octets | End | LeftOut


def start_line(upstream: str | None, now: datetime | None = None) -> bytes:
    """Return the line that a run begins with."""
    software = f"aiohttp_rawws {__version__}"
    fields = {"version": VERSION, "software": software, "upstream": upstream}
    return event_line(now, None, "start", fields)


def event_line(
    now: datetime | None, connection: int | None, event: str, fields: dict[str, Any]
) -> bytes:
    """Return the line of anything but a frame."""
    return line_of(now, connection, {"event": event, **fields})


def frame_line(
    now: datetime | None,
    connection: int,
    direction: str,
    frame: Frame | Piece,
    *,
    length_bits: int | None = None,
    reads: Sequence[Read] | None = None,
    joined: bool = False,
) -> bytes:
    """Return the line of a frame, or of the start of one."""
    fields: dict[str, Any] = {"direction": direction, "opcode": int(frame.opcode)}
    for flag in FLAGS:
        fields[flag] = getattr(frame, flag)
    fields["mask"] = frame.mask.hex() if frame.mask is not None else None
    fields["length"] = length_of(frame)
    if length_bits is not None:
        fields["length_bits"] = length_bits
    add_reads(fields, reads, joined)
    fields["payload"] = base64.b64encode(frame.payload).decode()
    return line_of(now, connection, fields)


def octets_line(
    now: datetime | None,
    connection: int,
    direction: str,
    octets: bytes,
    *,
    missing: int = 0,
    reads: Sequence[Read] | None = None,
    joined: bool = False,
) -> bytes:
    """Return the line of octets that are no whole frame."""
    fields: dict[str, Any] = {"direction": direction}
    add_reads(fields, reads, joined)
    if missing:
        fields["missing"] = missing
    fields["octets"] = base64.b64encode(octets).decode()
    return event_line(now, connection, "octets", fields)


def add_reads(fields: dict[str, Any], reads: Sequence[Read] | None, joined: bool) -> None:
    if reads is not None:
        fields["reads"] = [[round(seconds, 6), octets] for seconds, octets in reads]
        if joined:
            fields["joined"] = True


def line_of(now: datetime | None, connection: int | None, fields: dict[str, Any]) -> bytes:
    line = {"time": timestamp(now), "connection": connection, **fields}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def timestamp(now: datetime | None = None) -> str:
    """Return a time in UTC, by default that of the call, as the lines for programs have it."""
    time = (now or datetime.now(timezone.utc)).isoformat(timespec="microseconds")
    return time.replace("+00:00", "Z")


def cut_to(frame: Frame | Piece, size: int, length: int) -> Piece:
    """Return the start of a frame with `size` bytes of its payload, which has `length`."""
    flags = frame.fin, frame.rsv1, frame.rsv2, frame.rsv3
    return Piece(frame.opcode, *flags, length, 0, frame.payload[:size], False, frame.mask)


def length_of(frame: Frame | Piece) -> int:
    """Return the size of a frame's whole payload, in bytes."""
    return frame.length if isinstance(frame, Piece) else len(frame.payload)


def header_line(headers: Headers, name: str) -> str | None:
    """Return the lines of a header as one, None if there is none. `name` is in lower case."""
    return ", ".join(value for key, value in headers if key.lower() == name) or None


def other_side(direction: str) -> str:
    """Return the other one of DIRECTIONS."""
    return DIRECTIONS[direction == DIRECTIONS[0]]
