"""A capture as HAR 1.2, with the messages where Chromium's DevTools have them."""

import base64
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import parse_qsl

from .._version import __version__
from ..wire.names import Opcode
from .format import (
    DIRECTIONS,
    Answered,
    End,
    FrameLine,
    Handshake,
    LeftOut,
    Octets,
    Opening,
    Start,
    header_line,
)
from .inflation import inflaters_of
from .messages import Message, Messages
from .reading import Source, read_capture

__all__ = ("to_har",)

#: The largest message that is shown whole, in bytes.
MAX_MESSAGE = 16 * 2**20

#: The bytes of messages of one connection that wait to be written to the temporary file.
CHUNK = 2**16

Json: TypeAlias = dict[str, Any]


def to_har(capture: Source, out: BinaryIO) -> int:
    """Write a capture as HAR 1.2, and return how many WebSocket connections it has.

    Messages wait in a temporary file, so that memory does not grow with their number. Raises
    CaptureError as `read_capture` does.
    """
    with tempfile.TemporaryFile() as spooled:
        entries = list(Entries(spooled).of(capture))
        creator = {"name": "aiohttp_rawws", "version": __version__}
        head = json.dumps({"version": "1.2", "creator": creator, "pages": []})
        out.write(f'{{"log":{head[:-1]},"entries":['.encode())
        for number, entry in enumerate(entries):
            out.write(b",\n" if number else b"\n")
            entry.write(out, spooled)
        out.write(b"\n]}}\n")
    return len(entries)


class Entries:
    """Collects the connections of a capture."""

    def __init__(self, spooled: BinaryIO) -> None:
        self._spooled = spooled
        self._open: dict[int, Entry] = {}

    def of(self, capture: Source) -> "Iterator[Entry]":
        """Yield each connection as it opens. It is complete when the iteration has ended."""
        for line in read_capture(capture):
            if isinstance(line, Start):
                self._end_all()
            elif isinstance(line, Opening):
                entry = Entry(line)
                if line.status == 101:
                    self._end(line.connection)
                    self._open[line.connection] = entry
                yield entry
            elif isinstance(line, LeftOut):
                for each in self._open.values():
                    each.lose(line)
            elif not isinstance(line, Answered):
                self._add(line)
        self._end_all()

    def _add(self, line: FrameLine | Octets | End) -> None:
        entry = self._open.get(line.connection)
        if entry is None:
            return
        if isinstance(line, FrameLine):
            entry.add(line, self._spooled)
        elif isinstance(line, Octets):
            entry.add_octets(line)
        else:
            entry.end(line)
            self._end(line.connection)

    def _end(self, connection: int) -> None:
        entry = self._open.pop(connection, None)
        if entry is not None:
            entry.finish(self._spooled)

    def _end_all(self) -> None:
        for connection in list(self._open):
            self._end(connection)


@dataclass
class Entry:
    """One connection. Its messages are in the temporary file, in chunks."""

    opening: Opening
    ended: str = ""
    #: The octets of frames that did not end, by direction, and the lines that are missing.
    unfinished: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    last: datetime | None = None
    streams: dict[str, Messages] = field(default_factory=dict)
    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    chunks: list[tuple[int, int]] = field(default_factory=list)
    close: Json | None = None

    def __post_init__(self) -> None:
        inflaters = inflaters_of(self.opening.extensions, MAX_MESSAGE)
        self.streams = {
            direction: Messages(inflaters.get(direction), MAX_MESSAGE) for direction in DIRECTIONS
        }

    def add(self, line: FrameLine, spooled: BinaryIO) -> None:
        self.last = line.time
        if line.frame.opcode == Opcode.CLOSE and self.close is None:
            code = line.frame.close_code
            self.close = {
                "code": 1005 if code is None else code,
                "reason": line.frame.close_reason,
                "timestamp": line.time.timestamp(),
            }
        for message in self.streams[line.direction].feed(line):
            self._keep(message, line.direction, line.time, spooled)

    def add_octets(self, line: Octets) -> None:
        self.last = line.time
        size = len(line.octets) + line.missing
        self.unfinished[line.direction] = self.unfinished.get(line.direction, 0) + size

    def lose(self, line: LeftOut) -> None:
        self.left_out += line.lines
        for stream in self.streams.values():
            stream.lose("lines of the capture are missing")

    def comment(self) -> str:
        """Return what the messages do not tell."""
        told = [f"ended by {self.ended}"] if self.ended else []
        for direction, size in self.unfinished.items():
            told.append(f"{direction}: {size} octets of a frame that did not end")
        if self.left_out:
            told.append(f"{self.left_out} lines of the capture are missing")
        return "; ".join(told)

    def end(self, line: End) -> None:
        self.last = line.time
        self.ended = f"{line.first}: {line.reason}" if line.first else line.reason
        if line.error:
            self.ended += f" ({line.error})"

    def finish(self, spooled: BinaryIO) -> None:
        """Keep what has not ended. Nothing follows."""
        for direction, stream in self.streams.items():
            for message in stream.rest():
                self._keep(message, direction, self.last or self.opening.time, spooled)
        self._flush(spooled)
        self.streams.clear()

    def write(self, out: BinaryIO, spooled: BinaryIO) -> None:
        """Write the entry, its messages as the last member."""
        out.write(json.dumps(entry_of(self)).encode()[:-1])
        out.write(b', "_webSocketMessages": [')
        for number, (offset, size) in enumerate(self.chunks):
            spooled.seek(offset)
            # Each chunk ends with a comma, which JSON does not have at the end of a list.
            is_last = number == len(self.chunks) - 1
            out.write(spooled.read(size - 1 if is_last else size))
        out.write(b"]}")

    def _keep(self, message: Message, direction: str, time: datetime, spooled: BinaryIO) -> None:
        kind = "send" if direction == "client" else "receive"
        fields = {"type": kind, "time": time.timestamp(), **data_of(message)}
        self.waiting.append(json.dumps(fields).encode() + b",")
        self.size += len(self.waiting[-1])
        if self.size >= CHUNK:
            self._flush(spooled)

    def _flush(self, spooled: BinaryIO) -> None:
        if self.waiting:
            self.chunks.append((spooled.seek(0, 2), self.size))
            spooled.write(b"".join(self.waiting))
            self.waiting, self.size = [], 0


def data_of(message: Message) -> Json:
    """Return the opcode and the data: text as it is, anything else in base64."""
    note = message.note
    fields: Json = {"opcode": int(message.opcode)}
    if message.opcode == Opcode.TEXT and "not inflated" not in note:
        try:
            fields["data"] = message.payload.decode()
        except UnicodeDecodeError:
            fields["data"] = message.payload.decode("utf-8", "replace")
            fields["_base64"] = base64.b64encode(message.payload).decode()
            note = "; ".join(filter(None, (note, "the text is not UTF-8")))
    else:
        fields["data"] = base64.b64encode(message.payload).decode()
    return {**fields, "_note": note} if note else fields


def entry_of(entry: Entry) -> Json:
    """Return an entry without its messages."""
    opening = entry.opening
    seconds = (entry.last - opening.time).total_seconds() if entry.last is not None else 0.0
    took = round(max(seconds, 0.0) * 1000, 3)
    handshake = opening.client
    fields: Json = {
        "startedDateTime": opening.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "time": took,
        "request": request_of(opening),
        "response": response_of(opening.status, handshake),
        "cache": {},
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1}
        | {"send": 0, "wait": 0, "receive": took},
        "connection": str(opening.connection),
        "_resourceType": "websocket",
    }
    if entry.close is not None:
        fields["_webSocketClose"] = entry.close
    if comment := entry.comment():
        fields["comment"] = comment
    return fields


def request_of(opening: Opening) -> Json:
    headers = opening.client.request or []
    url = opening.client.url or f"ws://{header_line(headers, 'host') or 'localhost'}{opening.path}"
    if url.startswith("http"):
        # Importers take the scheme for the kind of connection.
        url = f"ws{url[4:]}"
    # `urlsplit` does not take each Host that peers send.
    query = parse_qsl(url.partition("?")[2].partition("#")[0], keep_blank_values=True)
    return {
        "method": opening.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "headers": pairs(headers),
        "queryString": pairs(query),
        "cookies": [],
        "headersSize": -1,
        "bodySize": 0,
    }


def response_of(status: int, handshake: Handshake) -> Json:
    return {
        "status": status,
        "statusText": "Switching Protocols" if status == 101 else "",
        "httpVersion": "HTTP/1.1",
        "headers": pairs(handshake.response or []),
        "cookies": [],
        "content": {"size": 0, "mimeType": "x-unknown"},
        "redirectURL": header_line(handshake.response or [], "location") or "",
        "headersSize": -1,
        "bodySize": -1,
    }


def pairs(headers: list[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers]
