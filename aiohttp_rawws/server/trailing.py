"""The bytes that a client sends behind its opening handshake, before it has the answer."""

import asyncio
import contextlib

__all__ = ("TRAILED", "TrailingData")

#: How long a refused client has to read the answer and end its stream, in seconds.
REFUSAL_LINGER = 1.0

#: About how many bytes are kept between the request and the 101.
TRAILING_LIMIT = 64 * 1024


class TrailingData:
    """Collects the bytes behind a request until a session takes over the transport.

    It stands in for an aiohttp payload parser: `feed_data` and `feed_eof` are called by aiohttp.
    """

    __slots__ = ("_data", "_is_lost", "_lost", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._data = b""
        self._is_lost = False
        # The future that `end_stream` awaits.
        self._lost: asyncio.Future[None] | None = None

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep bytes from aiohttp; pause reading above the limit."""
        self._data += data
        if len(self._data) > TRAILING_LIMIT:
            self.transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """Note that the connection is lost."""
        self._is_lost = True
        if self._lost is not None:
            self._lost.set_result(None)

    def take(self) -> bytes:
        """Remove the bytes that have come and return them."""
        data, self._data = self._data, b""
        return data

    def discard(self) -> None:
        """Throw the bytes away and read on.

        The caller closes aiohttp's protocol next, which drops all later bytes.
        """
        self._data = b""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    async def end_stream(self) -> None:
        """Shut the sending half and wait until the client ends its stream.

        Closing a socket with unread input makes the kernel drop the answer on its way.
        """
        if not self.transport.can_write_eof() or self.transport.is_closing():
            return
        # An OSError means that the client is lost already.
        with contextlib.suppress(OSError):
            self.transport.write_eof()
            if not self._is_lost:
                self._lost = asyncio.get_running_loop().create_future()
                await asyncio.wait([self._lost], timeout=REFUSAL_LINGER)


class Trailed:
    """Stands in for a TrailingData whose session has the transport: aiohttp sees nothing more."""

    __slots__ = ()

    def feed_eof(self) -> None:
        """Do nothing."""


TRAILED = Trailed()
