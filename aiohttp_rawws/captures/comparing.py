"""What a peer does, compared with what a capture has."""

from dataclasses import dataclass

from ..wire.frames import Frame
from ..wire.names import opcode_name
from .format import FLAGS, FrameLine
from .inflation import CUT, TOO_BIG, Inflater

__all__ = ("Difference", "FrameComparison", "described")

#: What the note on a payload begins with that is compressed, and that nobody can inflate here.
NOT_KNOWN = (CUT, TOO_BIG)

#: The bytes of a payload that are shown.
SHOWN = 64


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that a peer did otherwise. `line` is that of the capture, if it has one."""

    what: str
    expected: str
    seen: str
    line: int | None = None

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line is not None else ""
        return f"{self.what}{where}\n  captured: {self.expected}\n  seen:     {self.seen}"


class FrameComparison:
    """Compares the frames of one side. With inflaters two compressions of a text are the same."""

    def __init__(self, captured: Inflater | None = None, live: Inflater | None = None) -> None:
        self._captured = captured
        self._live = live

    def compare(self, line: FrameLine, frame: Frame) -> Difference | None:
        """Return the difference between two frames that are each other's, None if there is none.

        Masking keys are not compared, only if there is one.
        """
        expected = line.seen
        first, second, note = expected.payload, frame.payload, ""
        if self._captured is not None and self._live is not None:
            first, note = self._captured.inflate(expected)
            second, _ = self._live.inflate(frame)
        if note.startswith(NOT_KNOWN):
            first = b""
        is_start = line.is_cut or note.startswith(NOT_KNOWN)
        names = ("opcode", *FLAGS)
        differing = [name for name in names if getattr(expected, name) != getattr(frame, name)]
        if (expected.mask is None) != (frame.mask is None):
            differing.append("mask")
        if second[: len(first)] != first if is_start else first != second:
            differing.append("payload")
        elif line.is_cut and not note and line.length != len(frame.payload):
            differing.append("length")
        if not differing:
            return None
        what = f"another frame: {', '.join(differing)}"
        expected_text = described(line.frame, first, line.length)
        return Difference(what, expected_text, described(frame, second), line.line)


def described(frame: Frame, payload: bytes | None = None, length: int | None = None) -> str:
    """Return a line that tells what a frame is. `payload` is that to show, inflated if it was."""
    if payload is None:
        payload = frame.payload
    flags = [flag.upper() for flag in FLAGS if getattr(frame, flag)]
    if frame.mask is not None:
        flags.append("MASKED")
    size = len(frame.payload) if length is None else length
    dots = "..." if len(payload) > SHOWN else ""
    return f"{' '.join([opcode_name(frame.opcode), *flags])} {size} bytes {payload[:SHOWN]!r}{dots}"
