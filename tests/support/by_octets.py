"""A peer by RFC 6455's text and plain sockets, with no code of the package: it takes octets.

It keeps all that comes with its time, and how it ended. `frames_of` takes frames apart.
"""

import asyncio
import base64
import functools
import hashlib
import re
import socket
import time
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: What this peer sends while it looks whether the other side reads, in octets.
MUCH = 24 * 2**20


class Taken(NamedTuple):
    """A frame by its bits. `form` is the number of bits that its length stands in."""

    fin: bool
    rsv: tuple[int, ...]
    opcode: int
    masked: bool
    length: int
    form: int
    payload: bytes


def frames_of(data: bytes) -> tuple[list[Taken], bytes]:
    """Return the whole frames at the beginning of some octets, and the octets behind them."""
    frames = []
    at = 0
    while len(data) >= at + 2:
        first, second = data[at], data[at + 1]
        form = {126: 16, 127: 64}.get(second & 127, 7)
        start = at + 2 + form // 8
        length = int.from_bytes(data[at + 2 : start], "big") if form > 7 else second & 127
        mask = data[start : start + 4] if second & 128 else b""
        start += 4 if second & 128 else 0
        if len(data) < start + length:
            break
        payload = xor(data[start : start + length], mask)
        rsv = tuple(bit for bit in (1, 2, 3) if first & (128 >> bit))
        frames.append(
            Taken(bool(first & 128), rsv, first & 15, bool(second & 128), length, form, payload)
        )
        at = start + length
    return frames, data[at:]


def xor(payload: bytes, mask: bytes) -> bytes:
    """Return a payload with its mask taken off (RFC 6455 5.3)."""
    if not mask or not payload:
        return payload
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return number.to_bytes(len(payload), "big")


def frame(opcode: int, payload: bytes, *, masked: bool) -> bytes:
    """Return a frame of at most 65535 octets. Its mask is four zeros, which changes nothing."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    length = bytes([length[0] | 128 * masked]) + length[1:]
    return bytes([128 | opcode]) + length + bytes(4 * masked) + payload


def accept_of(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def inflated(payload: bytes, inflater: "zlib._Decompress | None" = None) -> bytes:
    """Return a compressed message inflated (RFC 7692 7.2.2). Raises zlib.error."""
    inflater = inflater or zlib.decompressobj(wbits=-15)
    return inflater.decompress(payload + b"\x00\x00\xff\xff")


def inflates_over(payload: bytes, limit: int) -> bool:
    """Return True if a compressed message is bigger than so many octets."""
    inflater, size = zlib.decompressobj(wbits=-15), 0
    while size <= limit and (part := inflater.decompress(payload, 2**20)):
        size += len(part)
        payload = inflater.unconsumed_tail
    return size > limit


@dataclass
class Octets:
    """What came on one connection."""

    #: Each read of the system: its time, and its octets.
    reads: list[tuple[float, bytes]] = field(default_factory=list)
    #: "FIN" or "RST".
    end: str = ""
    end_time: float = 0.0
    #: When this peer last said something.
    said_time: float = 0.0
    #: How many octets the other side took when it was to take MUCH.
    swallowed: int = 0

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.reads)

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def line(self) -> str:
        return self.head.partition("\r\n")[0]

    def header(self, name: str) -> "str | None":
        found = re.search(rf"(?im)^{name}:[ \t]*(.*?)\r?$", self.head)
        return found[1] if found else None

    @property
    def behind(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @functools.cached_property
    def _taken_apart(self) -> tuple[list[Taken], bytes]:
        return frames_of(self.behind)

    @property
    def frames(self) -> list[Taken]:
        """The frames, to be asked for when all has come."""
        return self._taken_apart[0]

    @property
    def partial(self) -> bytes:
        return self._taken_apart[1]

    def time_of(self, opcode: int) -> "float | None":
        """Return when the first frame of an opcode had come."""
        data = b""
        for when, more in self.reads:
            data += more
            frames = frames_of(data.partition(b"\r\n\r\n")[2])[0]
            if any(each.opcode == opcode for each in frames):
                return when
        return None

    def has(self, opcode: int, payload: bytes) -> bool:
        return any((each.opcode, each.payload) == (opcode, payload) for each in self.frames)

    @property
    def last_time(self) -> float:
        return self.reads[-1][0] if self.reads else 0.0


class Peer:
    """One side of a connection: it says `words` after the handshake and takes what comes.

    `words` are "text", "ping" and "close", and "much", each said as soon as something comes that
    is not the handshake, or `patience` seconds after the one before.
    """

    def __init__(self, sock: socket.socket, *, is_client: bool, words: tuple[str, ...]) -> None:
        self.sock = sock
        self.is_client = is_client
        self.words = words
        self.octets = Octets()
        self.more = asyncio.Event()

    async def run(self, patience: float) -> Octets:
        """Take what comes to the end of the stream, and say the words meanwhile."""
        loop = asyncio.get_running_loop()
        saying = loop.create_task(self.say(patience))
        try:
            while True:
                data = await loop.sock_recv(self.sock, 65536)
                if not data:
                    self.octets.end = "FIN"
                    break
                self.octets.reads.append((time.monotonic(), data))
                self.more.set()
        except ConnectionError:
            self.octets.end = "RST"
        finally:
            self.octets.end_time = time.monotonic()
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
            self.sock.close()
        return self.octets

    async def say(self, patience: float) -> None:
        try:
            await self.shake_hands()
            for word in self.words:
                await self.say_word(word)
                await self.something(len(self.octets.data), patience)
        except ConnectionError:
            return

    async def something(self, size: int, patience: float) -> None:
        """Wait until more octets have come, for a while."""
        until = time.monotonic() + patience
        while len(self.octets.data) == size and (left := until - time.monotonic()) > 0:
            self.more.clear()
            try:
                await asyncio.wait_for(self.more.wait(), left)
            except asyncio.TimeoutError:
                return

    async def head_comes(self) -> None:
        while b"\r\n\r\n" not in self.octets.data:
            self.more.clear()
            await self.more.wait()

    async def shake_hands(self) -> None:
        loop = asyncio.get_running_loop()
        if self.is_client:
            request = (
                "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
            )
            await loop.sock_sendall(self.sock, request.encode())
            await self.head_comes()
            return
        await self.head_comes()
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_of(self.octets.header('Sec-WebSocket-Key') or '')}\r\n"
        )
        if offer := self.octets.header("Sec-WebSocket-Extensions"):
            answer += f"Sec-WebSocket-Extensions: {offer}\r\n"
        await loop.sock_sendall(self.sock, f"{answer}\r\n".encode())

    async def say_word(self, word: str) -> None:
        loop = asyncio.get_running_loop()
        masked = self.is_client
        self.octets.said_time = time.monotonic()
        if word == "much":
            block = frame(2, bytes(60_000), masked=masked)
            while self.octets.swallowed < MUCH:
                await loop.sock_sendall(self.sock, block)
                self.octets.swallowed += len(block)
            return
        said = {"text": (1, b"hi"), "ping": (9, b"are you there"), "close": (8, b"\x03\xe8")}
        await loop.sock_sendall(self.sock, frame(*said[word], masked=masked))


async def take_from_server(port: int, words: tuple[str, ...], patience: float) -> Octets:
    """Connect to a server, as its client, and return what it sent."""
    sock = socket.socket()
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except ConnectionError:
        sock.close()
        return Octets(end="RST", end_time=time.monotonic())
    return await Peer(sock, is_client=True, words=words).run(patience)


def listening() -> tuple[socket.socket, int]:
    """Return a socket that clients can connect to, and its port."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock, sock.getsockname()[1]


async def take_from_client(sock: socket.socket, words: tuple[str, ...], patience: float) -> Octets:
    """Accept one connection, as its server, and return what the client sent."""
    accepted, _ = await asyncio.get_running_loop().sock_accept(sock)
    accepted.setblocking(False)
    return await Peer(accepted, is_client=False, words=words).run(patience)
