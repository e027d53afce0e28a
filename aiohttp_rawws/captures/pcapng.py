"""A capture as pcapng: the TCP connections that it would be, over IPv4."""

import ipaddress
import struct
from datetime import datetime, timezone
from typing import BinaryIO

from ..wire.handshake import accept_key
from .format import (
    DIRECTIONS,
    Answered,
    End,
    FrameLine,
    LeftOut,
    Octets,
    Opening,
    Start,
    other_side,
)
from .reading import Source, read_capture
from .segments import Segment, Segments, missing_of

__all__ = ("to_pcapng",)

#: The type of the link: packets begin with the header of IP.
LINKTYPE_RAW = 101

#: The longest payload of a packet, whose headers have 40 octets.
MAX_SEGMENT = 65535 - 40

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

#: Zeros stand for so many octets that were not kept, at most.
MAX_FILL = 16 * 2**20

#: A maximum segment size, and a window of a GiB: no analysis has to tell of a full one.
OPTIONS = struct.pack("!BBHBBBB", 2, 4, 65495, 1, 3, 3, 14)

#: The server's address, which a capture does not have, and the port that says HTTP.
SERVER = ipaddress.IPv4Address("192.0.2.1").packed, 80

#: A client's, where the capture has none: with a port for each connection.
CLIENT = ipaddress.IPv4Address("192.0.2.2").packed
FIRST_PORT, PORTS = 20000, 40000

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def to_pcapng(capture: Source, out: BinaryIO) -> int:
    """Write a capture as pcapng, and return how many connections it has.

    Every connection is a TCP connection over IPv4, without a checksum or a sequence number that
    would be wrong. The segments are the reads where the capture has them, else the frames. The
    handshake is that of the client. Raises CaptureError as `read_capture` does.
    """
    file = PacketFile(out)
    streams: dict[int, Stream] = {}
    count = 0
    for line in read_capture(capture):
        if isinstance(line, Start):
            for stream in streams.values():
                stream.flush()
            streams.clear()
        elif isinstance(line, Opening):
            count += 1
            stream = Stream(file, line, count)
            stream.open()
            if line.status == 101:
                if line.connection in streams:
                    streams[line.connection].flush()
                streams[line.connection] = stream
        elif isinstance(line, LeftOut):
            for stream in streams.values():
                stream.note(f"{line.lines} lines of the capture are missing before this")
        elif not isinstance(line, Answered) and line.connection in streams:
            streams[line.connection].add(line)
            if isinstance(line, End):
                del streams[line.connection]
    for stream in streams.values():
        stream.flush()
    return count


class PacketFile:
    """Writes the blocks of pcapng. Times are in microseconds."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        self._block(0x0A0D0D0A, section + option(4, b"aiohttp_rawws") + option(0, b""))
        self._block(1, struct.pack("<HHI", LINKTYPE_RAW, 0, 0))

    def packet(self, time: datetime, data: bytes, comment: str = "") -> None:
        stamp = max((time - EPOCH) // (datetime.resolution), 0)
        head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
        options = (
            option(1, comment.encode("utf-8", "backslashreplace")[:60000]) + option(0, b"")
            if comment
            else b""
        )
        self._block(6, head + padded(data) + options)

    def _block(self, kind: int, body: bytes) -> None:
        size = struct.pack("<I", len(body) + 12)
        self._out.write(struct.pack("<I", kind) + size + body + size)


class Stream:
    """One TCP connection: its addresses and the sequence numbers of both sides."""

    def __init__(self, file: PacketFile, opening: Opening, number: int) -> None:
        self._file = file
        self._opening = opening
        client = address_of(opening.address, number)
        self._ends = {"client": client, "upstream": SERVER}
        self._next = {"client": number * 1000 & 0xFFFFFFFF, "upstream": 0}
        self._identity = 0
        self._is_over = False
        #: What the comment of the next packet begins with.
        self._note = ""
        self._segments = {direction: Segments() for direction in DIRECTIONS}

    def open(self) -> None:
        """Write the TCP handshake, and that of HTTP."""
        opening, now = self._opening, self._opening.time
        name = f"connection {opening.connection}: {opening.method} {opening.path}"
        if opening.address:
            name += f" from {opening.address}"
        self._packet(now, "client", SYN, comment=name)
        self._packet(now, "upstream", SYN | ACK)
        self._packet(now, "client", ACK)
        request, response = http_of(opening)
        self._send(now, "client", request)
        self._send(now, "upstream", response)
        if opening.status != 101:
            self._finish(now, "upstream", "")

    def add(self, line: FrameLine | Octets | End) -> None:
        """Write what passes, in the order of the capture."""
        if self._is_over:
            return
        if isinstance(line, End):
            self.flush()
            self._end(line)
            return
        self._flush(other_side(line.direction))
        missing = missing_of(line)
        if missing > MAX_FILL:
            comment = f"{missing} octets were not kept: the rest of the connection is left out"
            self._packet(line.time, line.direction, RST | ACK, comment=comment)
            self._is_over = True
            return
        for segment in self._segments[line.direction].add(line):
            self._write(line.direction, segment)

    def note(self, text: str) -> None:
        """Write what waits, and say something with the next packet."""
        self.flush()
        self._note = text

    def flush(self) -> None:
        """Write all that waits."""
        for direction in DIRECTIONS:
            self._flush(direction)

    def _flush(self, direction: str) -> None:
        for segment in self._segments[direction].rest():
            self._write(direction, segment)

    def _write(self, direction: str, segment: Segment) -> None:
        missing = segment.missing
        comment = f"{missing} octets were not kept: zeros stand for them" if missing else ""
        self._send(segment.time, direction, segment.octets, comment)

    def _end(self, line: End) -> None:
        who = line.first or "upstream"
        comment = f"end: {line.first} first, {line.reason}" if line.first else line.reason
        if line.error:
            comment += f" ({line.error})"
        if line.reason in ("lost", "violation"):
            self._packet(line.time, who, RST | ACK, comment=comment)
        else:
            self._finish(line.time, who, comment)

    def _finish(self, time: datetime, who: str, comment: str) -> None:
        self._packet(time, who, FIN | ACK, comment=comment)
        self._packet(time, other_side(who), FIN | ACK)
        self._packet(time, who, ACK)

    def _send(self, time: datetime, direction: str, data: bytes, comment: str = "") -> None:
        for start in range(0, len(data), MAX_SEGMENT):
            segment = data[start : start + MAX_SEGMENT]
            self._packet(time, direction, PSH | ACK, segment, comment)
            comment = ""

    def _packet(
        self, time: datetime, direction: str, flags: int, data: bytes = b"", comment: str = ""
    ) -> None:
        sender, receiver = self._ends[direction], self._ends[other_side(direction)]
        seen = self._next[other_side(direction)] if flags & ACK else 0
        self._identity = self._identity + 1 & 0xFFFF
        options = OPTIONS if flags & SYN else b""
        segment = tcp_of(sender, receiver, self._next[direction], seen, flags, options, data)
        size = len(data) + (1 if flags & (SYN | FIN) else 0)
        self._next[direction] = self._next[direction] + size & 0xFFFFFFFF
        packet = ip_of(sender[0], receiver[0], self._identity, segment)
        self._file.packet(time, packet, "; ".join(filter(None, (self._note, comment))))
        self._note = ""


def address_of(text: str, number: int) -> tuple[bytes, int]:
    """Return the address of a client. An IPv4 address is kept; others have a stand-in."""
    host, _, port = text.rpartition(":")
    try:
        return ipaddress.IPv4Address(host).packed, int(port) & 0xFFFF
    except ValueError:
        return CLIENT, FIRST_PORT + number % PORTS


def http_of(opening: Opening) -> tuple[bytes, bytes]:
    """Return the request and the answer. What is not known is made up as it had to be."""
    handshake = opening.client
    request = handshake.request
    if request is None:
        request = [("Host", "localhost"), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    response = handshake.response
    if response is None and opening.status == 101:
        keys = [value for name, value in request if name.lower() == "sec-websocket-key"]
        known = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_key(keys[0]) if keys else None,
            "Sec-WebSocket-Protocol": opening.protocol,
            "Sec-WebSocket-Extensions": opening.extensions,
        }
        response = [(name, value) for name, value in known.items() if value is not None]
    elif opening.status != 101:
        # A capture does not have the body.
        response = [each for each in response or [] if each[0].lower() not in BODY]
        response.append(("Content-Length", "0"))
    reason = "Switching Protocols" if opening.status == 101 else "Refused"
    return (
        head_of(f"{opening.method} {opening.path} HTTP/1.1", request),
        head_of(f"HTTP/1.1 {opening.status} {reason}", response or []),
    )


#: The headers that tell of a body.
BODY = ("content-length", "transfer-encoding", "content-encoding")


def head_of(first: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join([*lines, "", ""])
    try:
        # As aiohttp decodes the headers of peers.
        return head.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return head.encode("utf-8", "backslashreplace")


def ip_of(sender: bytes, receiver: bytes, identity: int, segment: bytes) -> bytes:
    """Return a packet of IPv4 (RFC 791)."""
    fields = (0x45, 0, 20 + len(segment), identity, 0x4000, 64, 6)
    head = struct.pack("!BBHHHBBH4s4s", *fields, 0, sender, receiver)
    return struct.pack("!BBHHHBBH4s4s", *fields, checksum(head), sender, receiver) + segment


def tcp_of(
    sender: tuple[bytes, int],
    receiver: tuple[bytes, int],
    sequence: int,
    seen: int,
    flags: int,
    options: bytes,
    data: bytes,
) -> bytes:
    """Return a segment of TCP (RFC 9293 section 3.1)."""
    size = 20 + len(options)
    fields = (sender[1], receiver[1], sequence, seen, size >> 2 << 4, flags, 65535)
    head = struct.pack("!HHIIBBHHH", *fields, 0, 0) + options
    pseudo = sender[0] + receiver[0] + struct.pack("!BBH", 0, 6, size + len(data))
    total = checksum(pseudo + head + data)
    return struct.pack("!HHIIBBHHH", *fields, total, 0) + options + data


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    # Modulo 0xFFFF a number is the sum of its digits of 16 bits, carries added.
    number = int.from_bytes(data + bytes(len(data) & 1), "big")
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + padded(value)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
