"""Reading a capture, line by line. Memory holds one line at a time."""

import base64
import contextlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any, BinaryIO, TypeAlias

from ..wire.frames import Frame
from .format import (
    DIRECTIONS,
    FLAGS,
    VERSION,
    Answered,
    End,
    FrameLine,
    Handshake,
    LeftOut,
    Line,
    Octets,
    Opening,
    Read,
    Start,
)

__all__ = ("CaptureError", "Source", "opened", "read_capture")

#: A path, or a file that is open for reading bytes.
Source: TypeAlias = str | os.PathLike[str] | BinaryIO

#: The longest line, in bytes. One with MAX_PAYLOAD has 171 MiB, and its reads 2 MiB.
MAX_LINE = 256 * 2**20

YEAR = 366 * 24 * 60 * 60

#: Each line begins with this. Behind a crash a line may begin in the middle of another.
BEGINNING = b'{"time":'


class CaptureError(ValueError):
    """A file is no capture, or one that cannot be used for this. `line` counts from 1."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


def read_capture(capture: Source) -> Iterator[Line]:
    """Yield the lines of a capture. Those of unknown events are left out.

    A line that a crash has cut, the last one of a run, is left out, too. Raises CaptureError for
    anything else that is no line of a capture, and for a file without one. Raises OSError if the
    file cannot be read.
    """
    with opened(capture) as file:
        number = 0
        is_capture = False
        while text := file.readline(MAX_LINE):
            number += 1
            if len(text) == MAX_LINE:
                raise CaptureError(f"longer than {MAX_LINE} bytes", number)
            fields = fields_of(text, number)
            line = line_of(Fields(fields, number)) if fields is not None else None
            if line is not None:
                is_capture = True
                yield line
        if not is_capture:
            raise CaptureError("no capture: not one line of it is one of a capture")


def opened(capture: Source) -> contextlib.AbstractContextManager[BinaryIO]:
    """Return a context manager that gives the file, and closes it if it was a path."""
    if isinstance(capture, (str, os.PathLike)):
        return open(capture, "rb")
    return contextlib.nullcontext(capture)


def fields_of(text: bytes, number: int) -> dict[str, Any] | None:
    """Return the JSON object of a line, None for a line that was cut or is empty."""
    try:
        fields = json.loads(text)
    except RecursionError:
        raise CaptureError("no line of a capture: its JSON is nested too deep", number) from None
    except ValueError as error:
        if not text.endswith(b"\n"):
            return None
        # What follows a line that a crash has cut.
        start = text.rfind(BEGINNING)
        if start > 0:
            return fields_of(text[start:], number)
        if not text.strip():
            return None
        raise CaptureError(f"no JSON: {error}", number) from None
    if not isinstance(fields, dict):
        raise CaptureError("no JSON object", number)
    return fields


class Fields:
    """The values of one line, checked as they are asked for."""

    def __init__(self, fields: dict[str, Any], line: int, name: str = "") -> None:
        self.line = line
        self._fields = fields
        self._name = name

    def __contains__(self, key: str) -> bool:
        return self._fields.get(key) is not None

    def error(self, key: str, wanted: str) -> CaptureError:
        value = repr(self._fields.get(key))
        shown = value if len(value) <= 60 else f"{value[:60]}..."
        name = f"{self._name}.{key}" if self._name else key
        said = f"got {shown}" if key in self._fields else "there is none"
        return CaptureError(f"{name!r} must be {wanted}, {said}", self.line)

    def text(self, key: str) -> str:
        value = self._fields.get(key)
        if not isinstance(value, str):
            raise self.error(key, "a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return self.text(key) if key in self else None

    def number(self, key: str, most: int | None = None) -> int:
        value = self._fields.get(key)
        if type(value) is not int or value < 0 or (most is not None and value > most):
            raise self.error(key, "a number" if most is None else f"a number from 0 to {most}")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self._fields.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def direction(self) -> str:
        value = self._fields.get("direction")
        if value not in DIRECTIONS:
            raise self.error("direction", '"client" or "upstream"')
        return str(value)

    def time(self) -> datetime:
        try:
            time = datetime.fromisoformat(self.text("time").replace("Z", "+00:00"))
        except ValueError:
            raise self.error("time", "a time of ISO 8601") from None
        if not 1970 < time.year < 9000:
            raise self.error("time", "a time from 1971 to 8999")
        return time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)

    def octets(self, key: str) -> bytes:
        text = self.text(key)
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:
            # Also for what is not ASCII.
            raise self.error(key, "base64") from None

    def mask(self) -> bytes | None:
        if "mask" not in self:
            return None
        with contextlib.suppress(ValueError):
            mask = bytes.fromhex(self.text("mask"))
            if len(mask) == 4:
                return mask
        raise self.error("mask", "8 hexadecimal digits or null")

    def reads(self, size: int) -> tuple[Read, ...] | None:
        if "reads" not in self:
            return None
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            reads = tuple(Read(float(at), int(octets)) for at, octets in self._fields["reads"])
            sizes = [read.octets for read in reads]
            # A read lasts no longer than a year.
            near = all(abs(read.seconds) < YEAR for read in reads)
            if near and sum(sizes) == size and min(sizes, default=-1) >= 0:
                return reads
        raise self.error("reads", f"[seconds, octets] pairs of {size} octets in all")

    def headers(self, key: str) -> list[tuple[str, str]] | None:
        if key not in self:
            return None
        with contextlib.suppress(TypeError, ValueError):
            return [(str(name), str(value)) for name, value in self._fields[key]]
        raise self.error(key, "a list of [name, value]")

    def inner(self, key: str) -> "Fields | None":
        if key not in self:
            return None
        if not isinstance(self._fields[key], dict):
            raise self.error(key, "an object")
        name = f"{self._name}.{key}" if self._name else key
        return Fields(self._fields[key], self.line, name)

    def counts(self, key: str) -> dict[str, int]:
        counts = self.inner(key)
        return {} if counts is None else {name: counts.number(name) for name in counts._fields}


def line_of(fields: Fields) -> Line | None:
    """Return a line, or None for an event that is not known."""
    if "event" not in fields:
        if "opcode" not in fields and "payload" not in fields:
            raise CaptureError("no line of a capture: neither an event nor a frame", fields.line)
        return frame_of(fields)
    reader = READERS.get(fields.text("event"))
    return reader(fields) if reader is not None else None


def start_of(fields: Fields) -> Start:
    version = fields.number("version")
    if version != VERSION:
        raise CaptureError(f"version {version} of the format is not known here", fields.line)
    software, upstream = fields.text_or_none("software") or "", fields.text_or_none("upstream")
    return Start(fields.line, fields.time(), version, software, upstream)


def opening_of(fields: Fields) -> Opening:
    handshakes = fields.inner("handshakes")
    client = handshake_of(handshakes.inner("client")) if handshakes is not None else None
    upstream = handshake_of(handshakes.inner("upstream")) if handshakes is not None else None
    return Opening(
        fields.line,
        fields.time(),
        fields.number("connection"),
        fields.text_or_none("method") or "GET",
        fields.text_or_none("path") or "/",
        fields.text_or_none("address") or "",
        fields.number("status") if "status" in fields else 101,
        fields.text_or_none("protocol"),
        fields.text_or_none("extensions"),
        client or Handshake(None, None, None),
        upstream,
    )


def handshake_of(fields: Fields | None) -> Handshake | None:
    if fields is None:
        return None
    return Handshake(
        fields.headers("request"),
        fields.number("status") if "status" in fields else None,
        fields.headers("response"),
        fields.text_or_none("url"),
    )


def frame_of(fields: Fields) -> FrameLine:
    flags = {flag: fields.flag(flag, default=flag == "fin") for flag in FLAGS}
    payload, mask = fields.octets("payload"), fields.mask()
    length = fields.number("length") if "length" in fields else len(payload)
    if length < len(payload):
        raise fields.error("length", f"at least the {len(payload)} bytes of the payload")
    bits = fields.number("length_bits") if "length_bits" in fields else None
    if bits not in (None, 16, 64) or (bits == 16 and length > 0xFFFF):
        raise fields.error("length_bits", "16 or 64, enough for the length")
    size = header_size(length, bits) + (4 if mask is not None else 0) + length
    return FrameLine(
        fields.line,
        fields.time(),
        fields.number("connection"),
        fields.direction(),
        Frame(fields.number("opcode", 15), payload, mask=mask, **flags),
        length,
        bits,
        fields.reads(size),
        fields.flag("joined"),
    )


def header_size(length: int, bits: int | None) -> int:
    """Return the size of a frame's header without the masking key."""
    if bits is None:
        bits = 7 if length < 126 else 16 if length <= 0xFFFF else 64
    return {7: 2, 16: 4, 64: 10}[bits]


def octets_of(fields: Fields) -> Octets:
    octets = fields.octets("octets")
    missing = fields.number("missing") if "missing" in fields else 0
    return Octets(
        fields.line,
        fields.time(),
        fields.number("connection"),
        fields.direction(),
        octets,
        missing,
        fields.reads(len(octets) + missing),
        fields.flag("joined"),
    )


def end_of(fields: Fields) -> End:
    first = fields.text_or_none("first")
    if first not in (None, *DIRECTIONS):
        raise fields.error("first", '"client", "upstream" or null')
    return End(
        fields.line,
        fields.time(),
        fields.number("connection"),
        first,
        fields.text("reason"),
        fields.text_or_none("error"),
        fields.counts("frames"),
    )


def answered_of(fields: Fields) -> Answered:
    return Answered(
        fields.line,
        fields.time(),
        fields.number("connection"),
        fields.text("method"),
        fields.text("path"),
        fields.number("status"),
    )


def left_out_of(fields: Fields) -> LeftOut:
    return LeftOut(fields.line, fields.time(), fields.number("lines"))


READERS: dict[str, Callable[[Fields], Line]] = {
    "start": start_of,
    "open": opening_of,
    "refused": opening_of,
    "answered": answered_of,
    "octets": octets_of,
    "end": end_of,
    "left out": left_out_of,
}
