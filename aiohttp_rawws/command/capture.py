"""`--capture`: a line of a capture for each frame, opening, refusal and end."""

from datetime import datetime
from typing import Any

from ..captures.format import event_line, frame_line, start_line
from ..wire.frames import Frame
from ..wire.pieces import Piece
from .output import Output

__all__ = ("CaptureView", "lines_left_out")


class CaptureView:
    """Writes the lines."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def start(self, upstream: str) -> None:
        """Write the line that the command begins with."""
        self._output.write(start_line(upstream))

    def frame(self, now: datetime, number: int, direction: str, frame: Frame | Piece) -> None:
        self._output.write(frame_line(now, number, direction, frame))

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None:
        self._output.write(event_line(now, number, event, fields))


def lines_left_out(count: int) -> bytes:
    """Return the line that stands for lines that nobody read in time."""
    return event_line(None, None, "left out", {"lines": count})
