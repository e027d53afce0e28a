"""`--capture`: a JSON object for each frame, opening, refusal and end."""

import base64
import json
from datetime import datetime
from typing import Any

from ..wire.frames import Frame
from .observer import FLAGS
from .output import Output

__all__ = ("CaptureView",)


class CaptureView:
    """Writes lines for programs. The keys are those of docs/command.md."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def frame(self, now: datetime, number: int, direction: str, frame: Frame) -> None:
        flags = {flag: getattr(frame, flag) for flag in FLAGS}
        fields = {
            "direction": direction,
            "opcode": int(frame.opcode),
            **flags,
            "mask": frame.mask.hex() if frame.mask is not None else None,
            "length": len(frame.payload),
            "payload": base64.b64encode(frame.payload).decode(),
        }
        self._write(now, number, fields)

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None:
        self._write(now, number, {"event": event, **fields})

    def _write(self, now: datetime, number: int, fields: dict[str, Any]) -> None:
        time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = json.dumps({"time": time, "connection": number, **fields}, separators=(",", ":"))
        self._output.write(f"{line}\n".encode())
