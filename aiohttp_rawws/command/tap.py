"""`--tap`: a line to read for each frame, opening, refusal and end."""

from datetime import datetime
from typing import Any

from ..wire.frames import Frame
from .observer import FLAGS
from .output import Output
from .text import escaped, preview

__all__ = ("TapView",)

ARROWS = {"client": "visitor -> upstream", "upstream": "upstream -> visitor"}
SIDES = {"client": "visitor", "upstream": "upstream"}
COLOURS = {"client": "36", "upstream": "33", "event": "1"}


class TapView:
    """Writes lines for people. Characters that `encoding` does not have are escaped."""

    def __init__(self, output: Output, encoding: str, *, colour: bool) -> None:
        self._output = output
        self._encoding = encoding
        self._colour = colour

    def frame(self, now: datetime, number: int, direction: str, frame: Frame) -> None:
        name = getattr(frame.opcode, "name", f"opcode {frame.opcode}")
        flags = " ".join(flag.upper() for flag in FLAGS if getattr(frame, flag)) or "-"
        size = len(frame.payload)
        arrow = self._paint(direction, ARROWS[direction])
        self._write(now, number, f"{arrow}  {name:<12}  {flags:<3}  {size:>6}  {preview(frame)}")

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None:
        self._write(now, number, f"{self._paint('event', event)}: {SENTENCES[event](fields)}")

    def _write(self, now: datetime, number: int, text: str) -> None:
        line = f"{now.astimezone():%H:%M:%S.%f} #{number} {text}".rstrip()
        self._output.write(f"{line}\n".encode(self._encoding, "backslashreplace"))

    def _paint(self, kind: str, text: str) -> str:
        return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if self._colour else text


def open_sentence(fields: dict[str, Any]) -> str:
    protocol, extensions = fields["protocol"], fields["extensions"]
    return (
        f"{request_of(fields)}, "
        f"{'no subprotocol' if protocol is None else f'subprotocol {escaped(protocol)}'}, "
        f"{'no extensions' if extensions is None else f'extensions {escaped(extensions)}'}"
    )


def status_sentence(fields: dict[str, Any]) -> str:
    return f"{request_of(fields)}: {fields['status']}"


def request_of(fields: dict[str, Any]) -> str:
    return f"{escaped(fields['method'])} {escaped(fields['path'])} from {fields['address']}"


def end_sentence(fields: dict[str, Any]) -> str:
    first, reason, error = fields["first"], fields["reason"], fields["error"]
    if first is not None:
        who = f"{SIDES[first]} first, {reason}"
    else:
        who = "the proxy was stopped" if reason == "stopped" else str(reason)
    why = f" ({escaped(error)})" if error is not None else ""
    passed = [
        f"{arrow} {fields['frames'][direction]} frames, {fields['bytes'][direction]} bytes"
        for direction, arrow in ARROWS.items()
    ]
    return f"{who}{why}; {'; '.join(passed)}"


SENTENCES = {
    "open": open_sentence,
    "refused": status_sentence,
    "answered": status_sentence,
    "end": end_sentence,
}
