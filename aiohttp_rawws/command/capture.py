"""`--capture`: a JSON object for each frame, opening, refusal and end."""

import base64
import json
from datetime import datetime, timezone
from typing import Any

from .._version import __version__
from ..wire.frames import Frame
from ..wire.pieces import Piece
from .observer import FLAGS, length_of
from .output import Output

__all__ = ("CaptureView", "lines_left_out")

#: The version of the format. Keys and events may be added without a new one.
VERSION = 1


class CaptureView:
    """Writes lines for programs. The keys are those of docs/command.md."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def start(self, upstream: str) -> None:
        """Write the line that the command begins with."""
        fields = {"event": "start", "version": VERSION, "software": f"aiohttp_rawws {__version__}"}
        self._output.write(line_of(None, {**fields, "upstream": upstream}))

    def frame(self, now: datetime, number: int, direction: str, frame: Frame | Piece) -> None:
        flags = {flag: getattr(frame, flag) for flag in FLAGS}
        fields = {
            "direction": direction,
            "opcode": int(frame.opcode),
            **flags,
            "mask": frame.mask.hex() if frame.mask is not None else None,
            "length": length_of(frame),
            "payload": base64.b64encode(frame.payload).decode(),
        }
        self._output.write(line_of(number, fields, now))

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None:
        self._output.write(line_of(number, {"event": event, **fields}, now))


def lines_left_out(count: int) -> bytes:
    """Return the line that stands for lines that nobody read in time."""
    return line_of(None, {"event": "left out", "lines": count})


def line_of(number: int | None, fields: dict[str, Any], now: datetime | None = None) -> bytes:
    """Return a line of a connection, or of none."""
    now = now or datetime.now(timezone.utc)
    time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    line = json.dumps({"time": time, "connection": number, **fields}, separators=(",", ":"))
    return f"{line}\n".encode()
