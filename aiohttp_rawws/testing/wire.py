"""One connection in the hands of a test: octets out as they are, frames in as they stood."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

from ..session.deadline import in_time
from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from ..wire.names import Violation
from ..wire.native import READ_SIZE, ReadBuffer
from ..wire.parser import Parser
from .errors import NotHttp, PeerEnded, PeerSilent
from .http import HttpHead

__all__ = ("Wire", "reset")

#: The size that a handshake may have, in bytes.
MAX_HEAD = 64 * 1024
#: The size that a frame may have, in bytes.
MAX_FRAME = 64 * 2**20

#: `SO_LINGER` with no time: closing sends a RST.
NO_LINGER = struct.pack("ii", 1, 0)

T = TypeVar("T")


class Wire:
    """One connection, plain or TLS, in either role. It checks nothing that either side does.

    `timeout` bounds each wait for the peer, in seconds. What comes while nobody reads waits in at
    most some 128 KiB: then the peer has to stop.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_client: bool,
        timeout: float = 10.0,
    ) -> None:
        self.is_client = is_client
        self.timeout = timeout
        #: Called with "sent" or "seen" and the octets of each write and each read.
        self.on_octets: Callable[[str, bytes], None] | None = None
        self._reader = reader
        self._writer = writer
        self._parser = new_parser(is_client)
        # What was read ahead, and what is not taken apart yet.
        self._early = b""
        self._tail = b""

    # -- opening ---------------------------------------------------------------------------

    @classmethod
    async def connect(
        cls,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        path: str | None = None,
        ssl: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        timeout: float = 10.0,
    ) -> "Wire":
        """Connect to a host and port, or to the Unix socket `path`. Sends nothing.

        Raises OSError if there is no connection, PeerSilent if there is none in time.
        """
        if ssl is None:
            server_hostname = None
        if path is not None:
            name = (server_hostname or "localhost") if ssl is not None else None
            opening = asyncio.open_unix_connection(path, ssl=ssl, server_hostname=name)
        else:
            opening = asyncio.open_connection(host, port, ssl=ssl, server_hostname=server_hostname)
        try:
            reader, writer = await in_time(opening, timeout)
        except TimeoutError:
            raise PeerSilent(f"no connection within {timeout:g} s") from None
        return cls(reader, writer, is_client=True, timeout=timeout)

    @classmethod
    async def of_socket(
        cls, sock: socket.socket, *, is_client: bool, timeout: float = 10.0
    ) -> "Wire":
        """Take over a connected socket."""
        reader, writer = await asyncio.open_connection(sock=sock)
        return cls(reader, writer, is_client=is_client, timeout=timeout)

    @property
    def transport(self) -> asyncio.Transport:
        """The transport, whose socket is `get_extra_info("socket")`."""
        return cast(asyncio.Transport, self._writer.transport)

    # -- sending ---------------------------------------------------------------------------

    async def send(self, *frames: Frame) -> None:
        """Send frames as they are: masked if they have a `mask`, and else not.

        Raises ConnectionError if the connection is lost, PeerSilent while the peer does not read.
        """
        await self.write(b"".join(frame.encode() for frame in frames))

    async def write(self, data: bytes, *, split: Iterable[int] = (), gap: float = 0.0) -> None:
        """Send octets. `split` are the offsets where one write ends and the next begins.

        `gap` seconds pass between two writes. Waits and raises as `send`.
        """
        start = 0
        for end in sorted({each for each in split if 0 < each < len(data)}):
            await self._write(data[start:end])
            # Without a gap the two may still come as one read, but they leave as two.
            await asyncio.sleep(gap)
            start = end
        await self._write(data[start:])

    async def _write(self, data: bytes) -> None:
        if self.transport.is_closing():
            raise ConnectionResetError("the connection is lost")
        if self.on_octets is not None:
            self.on_octets("sent", data)
        self._writer.write(data)
        await self._in_time(self._writer.drain(), "the peer did not read on")

    # -- receiving -------------------------------------------------------------------------

    async def read_head(self) -> HttpHead:
        """Read a request or the head of an answer. What stands behind it stays to be read.

        Raises PeerEnded, PeerSilent, and NotHttp for over 64 KiB without an empty line.
        """
        return await self._in_time(self._read_head(), "no head of HTTP came")

    async def _read_head(self) -> HttpHead:
        while (end := self._tail.find(b"\r\n\r\n")) < 0:
            if len(self._tail) > MAX_HEAD:
                raise NotHttp(f"{len(self._tail)} octets without an empty line")
            self._tail += await self._read()
        head, self._tail = self._tail[: end + 4], self._tail[end + 4 :]
        return HttpHead.of(head)

    async def read_frame(self, *, within: float | None = None) -> Frame:
        """Read the next frame, legal or not: `frame.violations` tells which rules it breaks.

        It has to be whole `within` seconds, in place of `timeout`. Raises PeerEnded at the end,
        PeerSilent, and ProtocolError for a length over 64 MiB.
        """
        frame = self.next_frame()
        if frame is None:
            frame = await self._in_time(self._read_frame(), "no frame came", within)
        return frame

    async def _read_frame(self) -> Frame:
        while (frame := self.next_frame()) is None:
            self._tail += await self._read()
        return frame

    def next_frame(self) -> Frame | None:
        """Return a frame that has been read, None if there is no whole one. Never waits."""
        parser = self._parser
        while parser.queue.first is None:
            if parser.error is not None:
                raise ProtocolError(*parser.error.args)
            parser.resume()
            parser.settle()
            if parser.error is None and parser.queue.first is None:
                if not self._tail:
                    return None
                data, self._tail = self._tail[:READ_SIZE], self._tail[READ_SIZE:]
                parser.feed(data)
        return cast(Frame, parser.queue.take())

    async def read_some(self) -> bytes:
        """Read octets: those of one read of the system. Raises PeerEnded and PeerSilent."""
        return await self._in_time(self._read(), "nothing came")

    async def heard(self, within: float) -> bool:
        """Wait for the peer's first octet for some seconds, and leave it to be read.

        Return False if the peer ended its stream without one.
        """
        try:
            self._early = await in_time(self._reader.read(READ_SIZE), within)
        except TimeoutError:
            # The two may have come together.
            return not self._reader.at_eof() and self._reader.exception() is None
        except (ConnectionError, ssl.SSLError):
            return False
        return bool(self._early)

    async def _read(self) -> bytes:
        try:
            data, self._early = self._early, b""
            data = data or await self._reader.read(READ_SIZE)
        except (ConnectionError, ssl.SSLError):
            raise PeerEnded(True, self._is_partial()) from None
        if not data:
            raise PeerEnded(False, self._is_partial())
        if self.on_octets is not None:
            self.on_octets("seen", data)
        return data

    async def _in_time(
        self, reading: Coroutine[Any, Any, T], what: str, within: float | None = None
    ) -> T:
        """Wait `within` seconds, by default `timeout`. Raises PeerSilent after them."""
        seconds = self.timeout if within is None else within
        try:
            return await in_time(reading, seconds)
        except TimeoutError:
            raise PeerSilent(f"{what} within {seconds:g} s") from None

    def _is_partial(self) -> bool:
        return bool(self._tail) or self._parser.is_partial

    async def read_end(self) -> PeerEnded:
        """Throw away what comes until the peer ends its stream, and return how it did.

        Raises PeerSilent if it does not: `timeout` bounds the whole wait.
        """
        return await self._in_time(self._read_end(), "the peer did not end its stream")

    async def _read_end(self) -> PeerEnded:
        while True:
            try:
                await self._read()
            except PeerEnded as end:
                return end

    # -- ending ----------------------------------------------------------------------------

    def half_close(self) -> None:
        """Send a FIN and read on. RuntimeError on TLS, which has no half-closed connections."""
        if not self.transport.can_write_eof():
            raise RuntimeError("a TLS connection cannot be half closed")
        self._writer.write_eof()

    def reset(self) -> None:
        """Send a RST. What was not sent is lost."""
        reset(self.transport)

    async def close(self) -> None:
        """End the connection: send what waits, then a FIN. Never raises for what the peer does."""
        self._writer.close()
        # A TimeoutError is an OSError.
        with contextlib.suppress(OSError):
            await in_time(self._writer.wait_closed(), self.timeout)
        self.transport.abort()


def reset(transport: asyncio.Transport) -> None:
    """Send a RST. A Unix socket has none, and is closed."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != getattr(socket, "AF_UNIX", None):
        # uvloop has a ValueError for a socket that is closed.
        with contextlib.suppress(OSError, ValueError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


def new_parser(is_client: bool) -> Parser:
    return Parser(
        ReadBuffer(),
        is_client=is_client,
        max_frame_size=MAX_FRAME,
        limit=MAX_FRAME,
        reject=Violation.NONE,
        extended=False,
    )
