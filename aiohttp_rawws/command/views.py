"""What the command shows of the connections that it proxies: lines to read, and lines to keep.

What a peer sends never reaches a terminal as it came: what cannot be printed is escaped.
"""

import asyncio
import base64
import json
import re
import select
import sys
from datetime import datetime, timezone
from io import FileIO
from typing import Any, Protocol

from aiohttp import web

from ..proxy.relay import RelayStats
from ..wire.frames import Frame
from ..wire.names import Opcode

__all__ = ("Capture", "Lines", "Output", "Stop", "View", "Watch", "plain")

#: How much of a payload is shown, in bytes.
TEXT_SHOWN = 80
HEX_SHOWN = 32

#: As much as a pipe takes at once if it takes anything (PIPE_BUF of Linux), in bytes.
CHUNK = 4096

#: How often a write that has to wait looks whether the command is to end, in seconds.
POLL = 0.1

#: What makes a payload one for hexadecimal digits: controls other than tab and line ends.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

ARROWS = {"client": "visitor -> upstream", "upstream": "upstream -> visitor"}
SIDES = {"client": "visitor", "upstream": "upstream"}
COLOURS = {"client": "36", "upstream": "33", "event": "1"}
FLAGS = ("fin", "rsv1", "rsv2", "rsv3")


class Stop:
    """Whether the command is to end, and what went wrong if that is why."""

    def __init__(self) -> None:
        self.asked = False
        self.failure = ""
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ask(self, failure: str = "") -> None:
        """May be called by a signal's handler."""
        self.asked = True
        self.failure = self.failure or failure
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


class Output:
    """A file to which lines are written whole, one by one, nothing held back.

    A reader that is slow slows everything; once the command is to end, it is not waited for. A
    reader of `pipe` that has gone ends the command, any other error is its failure.
    """

    def __init__(self, file: FileIO, name: str, stop: Stop, *, pipe: bool = False) -> None:
        self._file = file
        self._name = name
        self._stop = stop
        self._pipe = pipe
        self._over = False

    def write(self, line: bytes) -> None:
        """Write a line, its end included; nothing more once a write has failed."""
        left = memoryview(line)
        try:
            while left and not self._over:
                if self._has_room():
                    left = left[self._file.write(left[:CHUNK]) :]
        except OSError as error:
            self._over = True
            gone = self._pipe and isinstance(error, BrokenPipeError)
            self._stop.ask("" if gone else f"cannot write {self._name}: {error.strerror}")

    def _has_room(self) -> bool:
        """Whether a write would not have to wait."""
        if sys.platform == "win32":  # pragma: no cover - its select is for sockets alone
            return True
        _, writable, _ = select.select([], [self._file], [], POLL)
        self._over = self._stop.asked and not writable
        return bool(writable)


class View(Protocol):
    """What shows frames and events of connections."""

    def frame(self, now: datetime, number: int, direction: str, frame: Frame) -> None: ...

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None: ...


class Lines:
    """The lines of `--tap`."""

    def __init__(self, output: Output, encoding: str, *, colour: bool) -> None:
        self._output = output
        self._encoding = encoding
        self._colour = colour

    def frame(self, now: datetime, number: int, direction: str, frame: Frame) -> None:
        name = getattr(frame.opcode, "name", f"opcode {frame.opcode}")
        flags = " ".join(flag.upper() for flag in FLAGS if getattr(frame, flag)) or "-"
        size = len(frame.payload)
        arrow = self._paint(direction, ARROWS[direction])
        self._write(now, number, f"{arrow}  {name:<12}  {flags:<3}  {size:>6}  {content(frame)}")

    def event(self, now: datetime, number: int, event: str, fields: dict[str, Any]) -> None:
        self._write(now, number, f"{self._paint('event', event)}: {SENTENCES[event](fields)}")

    def _write(self, now: datetime, number: int, text: str) -> None:
        line = f"{now.astimezone():%H:%M:%S.%f} #{number} {text}".rstrip()
        self._output.write(f"{line}\n".encode(self._encoding, "backslashreplace"))

    def _paint(self, kind: str, text: str) -> str:
        return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if self._colour else text


class Capture:
    """The lines of `--capture`, each an object of JSON."""

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


class Watch:
    """One request to the proxy, and what came of it."""

    def __init__(self, views: list[View], number: int, request: web.Request) -> None:
        self._views = views
        self._number = number
        self._frames = dict.fromkeys(ARROWS, 0)
        self._bytes = dict.fromkeys(ARROWS, 0)
        self._request = {
            "method": request.method,
            "path": request.rel_url.raw_path_qs,
            "address": address_of(request.get_extra_info("peername")),
        }

    def answered(self, response: web.StreamResponse) -> None:
        if response.status == 101:
            protocol = response.headers.get("Sec-WebSocket-Protocol")
            extensions = response.headers.get("Sec-WebSocket-Extensions")
            self._event("open", {**self._request, "protocol": protocol, "extensions": extensions})
        else:
            self._event("refused", {**self._request, "status": response.status})

    def tap(self, direction: str, frame: Frame) -> None:
        self._frames[direction] += 1
        self._bytes[direction] += len(frame.payload)
        now = datetime.now(timezone.utc)
        for view in self._views:
            view.frame(now, self._number, direction, frame)

    def ended(self, stats: RelayStats | None) -> None:
        """Tell who ended it, or that the end of the command did."""
        error = stats.error if stats is not None else None
        fields = {
            "first": stats.ended_first if stats is not None else None,
            "reason": stats.reason if stats is not None else "stopped",
            "error": str(error) or type(error).__name__ if error is not None else None,
            "frames": self._frames,
            "bytes": self._bytes,
        }
        self._event("end", fields)

    def _event(self, event: str, fields: dict[str, Any]) -> None:
        now = datetime.now(timezone.utc)
        for view in self._views:
            view.event(now, self._number, event, fields)


def plain(text: str) -> str:
    """A text of one line in which all that cannot be printed is escaped, and the backslash."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        each if each.isprintable() and each != "\\" else each.encode("unicode_escape").decode()
        for each in text
    )


def content(frame: Frame) -> str:
    """The start of a payload, as text if it is that, else in hexadecimal digits."""
    if frame.opcode == Opcode.CLOSE and frame.close_code is not None:
        return f'{frame.close_code} "{plain(frame.close_reason)}"'
    payload = frame.payload
    text = text_of(payload[:TEXT_SHOWN], cut=len(payload) > TEXT_SHOWN)
    if text is not None:
        shown, more = f'"{plain(text)}"' if text else "", len(payload) > TEXT_SHOWN
    else:
        shown, more = payload[:HEX_SHOWN].hex(" "), len(payload) > HEX_SHOWN
    return f"{shown}..." if more else shown


def text_of(data: bytes, *, cut: bool) -> str | None:
    """Data as text, None if it is something else; a cut may have gone through a character."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if not (cut and error.reason == "unexpected end of data"):
            return None
        text = data[: error.start].decode()
    return None if CONTROL.search(text) else text


def address_of(peer: Any) -> str:
    """An address and port as one writes them; "" of who is gone already."""
    if not isinstance(peer, tuple):
        return ""
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_line(fields: dict[str, Any]) -> str:
    protocol, extensions = fields["protocol"], fields["extensions"]
    return (
        f"{request_line(fields)}, "
        f"{'no subprotocol' if protocol is None else f'subprotocol {plain(protocol)}'}, "
        f"{'no extensions' if extensions is None else f'extensions {plain(extensions)}'}"
    )


def refused_line(fields: dict[str, Any]) -> str:
    return f"{request_line(fields)}: {fields['status']}"


def request_line(fields: dict[str, Any]) -> str:
    return f"{plain(fields['method'])} {plain(fields['path'])} from {fields['address']}"


def end_line(fields: dict[str, Any]) -> str:
    first, reason, error = fields["first"], fields["reason"], fields["error"]
    who = "the proxy was stopped" if first is None else f"{SIDES[first]} first, {reason}"
    why = f" ({plain(error)})" if error is not None else ""
    passed = [
        f"{arrow} {fields['frames'][side]} frames, {fields['bytes'][side]} bytes"
        for side, arrow in ARROWS.items()
    ]
    return f"{who}{why}; {'; '.join(passed)}"


SENTENCES = {"open": open_line, "refused": refused_line, "end": end_line}
