"""What comes from a client behind its opening handshake, before that is answered."""

import asyncio
import contextlib

__all__ = ("Collector",)

#: How long a refused client gets to read the answer and end its stream, in seconds.
REFUSAL_LINGER = 1.0

#: How much is kept of what comes between the request and the 101, in bytes, about.
COLLECT_LIMIT = 64 * 1024


class Collector:
    """Takes from aiohttp what comes behind the request until the session takes over."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._data = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._data += data
        if len(self._data) > COLLECT_LIMIT:
            self._transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """For aiohttp, when the connection is lost."""
        self.lost.set_result(None)

    def discard(self) -> None:
        """Throw away what came; aiohttp's protocol is closed next, and hands over no more."""
        self._data.clear()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def take(self) -> bytes:
        return bytes(self._data)

    async def end(self) -> None:
        """Shut the sending half and wait for the client to end its stream.

        Closing with unread input would make the kernel drop the answer on its way.
        """
        if not self._transport.can_write_eof() or self._transport.is_closing():
            return
        # An OSError says that the client is lost already.
        with contextlib.suppress(OSError):
            self._transport.write_eof()
            await asyncio.wait([self.lost], timeout=REFUSAL_LINGER)
