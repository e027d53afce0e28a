"""One of the two connections that the proxy joins."""

import asyncio
import contextlib
import math
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from ...captures.addresses import address_of
from ...session.kernel import is_unix
from ..wire import reset

__all__ = ("Side",)

#: How much may wait to be taken, in bytes, before reading pauses.
READ_LIMIT = 64 * 1024


class Side(asyncio.Protocol):
    """Octets in, read by read, and octets out. `opened` is called once it is connected.

    asyncio's streams would not do: what was read before a RST is lost there.
    """

    def __init__(self, opened: "Callable[[Side], object] | None" = None) -> None:
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._reads: deque[bytes] = deque()
        self._size = 0
        self._is_paused = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_lost = False
        #: Set once the peer has ended its stream, in whatever way.
        self.ended = asyncio.Event()
        #: When that was.
        self.ended_at = math.inf
        #: Set once the connection is closed.
        self.closed = asyncio.Event()

    # -- called by the transport -----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._opened is not None:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        # uvloop's TLS may give a bytearray, which it uses again.
        self._reads.append(bytes(data))
        self._size += len(data)
        if self._size > READ_LIMIT and not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> bool:
        self._end()
        # TLS has no half-closed connections.
        return self.transport.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = isinstance(error, (OSError, ssl.SSLError))
        self._end()
        self._writable.set()
        self.closed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _end(self) -> None:
        if not self.ended.is_set():
            # The clock of uvloop has milliseconds alone.
            self.ended_at = time.monotonic()
        self.ended.set()
        self._changed.set()

    # -- octets ----------------------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport:
        if self._transport is None:
            raise RuntimeError("there is no connection yet")
        return self._transport

    @property
    def address(self) -> str:
        """The address of the peer, "unix" on a Unix socket."""
        if is_unix(self.transport.get_extra_info("socket")):
            return "unix"
        return address_of(self.transport.get_extra_info("peername"))

    @property
    def ending(self) -> str:
        """How the peer has ended its stream: "lost" by a RST, else "end of stream"."""
        return "lost" if self._is_lost else "end of stream"

    async def read(self) -> bytes:
        """Return what one read has brought, b"" at the end. ConnectionResetError behind a RST."""
        while not self._reads:
            if self._is_lost:
                raise ConnectionResetError("the peer reset the connection")
            if self.ended.is_set():
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = self._reads.popleft()
        self._size -= len(data)
        if self._is_paused and self._size <= READ_LIMIT // 2:
            self._is_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Write, and wait while more than some 64 KiB wait. ConnectionResetError if it is lost."""
        if self.transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self.transport.write(data)
        await self._writable.wait()

    # -- ending ----------------------------------------------------------------------------

    def end(self) -> None:
        """Send a FIN behind what was written. TLS is closed."""
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            # The peer may have gone.
            with contextlib.suppress(OSError):
                self.transport.write_eof()
        else:
            self.transport.close()

    async def close(self) -> None:
        """Close the connection once all that was written has left."""
        self.transport.close()
        await self.closed.wait()

    def reset(self) -> None:
        """Send a RST. What has not left is lost."""
        reset(self.transport)

    def abort(self) -> None:
        """Close the connection at once. What has not left is lost."""
        self.transport.abort()
