"""`--tap`: a line to read for each frame, opening, refusal and end."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ..captures.format import FLAGS, length_of
from ..captures.inflation import Inflater, inflaters_of
from ..wire.frames import Frame
from ..wire.pieces import Piece
from .output import Output
from .text import escaped, preview

__all__ = ("TapView", "lines_left_out")

ARROWS = {"client": "visitor -> upstream", "upstream": "upstream -> visitor"}
SIDES = {"client": "visitor", "upstream": "upstream"}
COLOURS = {"client": "36", "upstream": "33", "event": "1"}


class TapView:
    """Writes lines for people. Characters that `encoding` does not have are escaped.

    `headers` shows those of handshakes. `whole` shows whole payloads, not only their starts.
    `inflate_limit` bounds what one message is inflated to, in bytes.
    """

    def __init__(
        self,
        output: Output,
        encoding: str,
        *,
        colour: bool,
        headers: bool = False,
        whole: bool = False,
        inflate_limit: int,
    ) -> None:
        self._output = output
        self._encoding = encoding
        self._colour = colour
        self._headers = headers
        self._whole = whole
        self._inflate_limit = inflate_limit
        #: Those of the open connections with compression.
        self._inflaters: dict[int, dict[str, Inflater]] = {}

    def frame(self, now: datetime, number: int, direction: str, frame: Frame | Piece) -> None:
        name = getattr(frame.opcode, "name", f"opcode {frame.opcode}")
        flags = " ".join(flag.upper() for flag in FLAGS if getattr(frame, flag)) or "-"
        arrow = self._paint(direction, ARROWS[direction])
        shown = self._content(number, direction, frame)
        line = f"{arrow}  {name:<12}  {flags:<3}  {length_of(frame):>6}  {shown}"
        self._write(now, number, [line])

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None:
        if event == "open" and (found := inflaters_of(fields["extensions"], self._inflate_limit)):
            self._inflaters[number] = found
        elif event == "end":
            self._inflaters.pop(number, None)
        lines = [f"{self._paint('event', event)}: {SENTENCES[event](fields)}"]
        if self._headers and "handshakes" in fields:
            lines += header_lines(fields["handshakes"])
        self._write(now, number, lines)

    def _content(self, number: int, direction: str, frame: Frame | Piece) -> str:
        """Return the payload as it is shown, inflated if that can be done."""
        if isinstance(frame, Frame) and frame.close_code is not None:
            return f'{frame.close_code} "{escaped(frame.close_reason)}"'
        payload, note = frame.payload, ""
        inflaters = self._inflaters.get(number)
        if inflaters is not None:
            payload, note = inflaters[direction].inflate(frame)
        cut = isinstance(frame, Piece) and not frame.last
        shown = preview(payload, cut=cut, whole=self._whole)
        return f"{shown} ({escaped(note)})".lstrip() if note else shown

    def _write(self, now: datetime, number: int, lines: list[str]) -> None:
        begin = f"{now.astimezone():%H:%M:%S.%f} #{number}"
        text = "".join(f"{f'{begin} {line}'.rstrip()}\n" for line in lines)
        self._output.write(text.encode(self._encoding, "backslashreplace"))

    def _paint(self, kind: str, text: str) -> str:
        return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if self._colour else text


def lines_left_out(count: int) -> bytes:
    """Return the line that stands for lines that nobody read in time."""
    return f"{datetime.now():%H:%M:%S.%f} {count} lines left out: they were not read\n".encode()


def header_lines(handshakes: dict[str, Any]) -> Iterator[str]:
    """Yield the headers of both handshakes in the order in which they were sent."""
    visitor, upstream = handshakes["client"], handshakes["upstream"]
    yield from lines_of("visitor -> proxy", visitor["request"])
    if upstream is not None:
        yield from lines_of("proxy -> upstream", upstream["request"], f"GET {upstream['url']}")
        if upstream["status"] is not None:
            yield from lines_of("upstream -> proxy", upstream["response"], upstream["status"])
    yield from lines_of("proxy -> visitor", visitor["response"], visitor["status"])


def lines_of(arrow: str, headers: list[tuple[str, str]], first: object = None) -> Iterator[str]:
    if first is not None:
        yield f"{arrow:<19}  {escaped(str(first))}"
    for name, value in headers:
        yield f"{arrow:<19}  {escaped(name)}: {escaped(value)}"


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
