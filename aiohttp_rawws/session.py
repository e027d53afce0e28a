"""What a handler gets: a WebSocket connection, frame by frame.

Here stands all that waits. What happens in one go stands in `connection`, which is compiled;
coroutines are fastest where Python runs them itself.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

from .awaiting import Awaiting, quick
from .errors import SessionClosed
from .frames import CloseCode, Frame, Piece

if sys.platform != "win32":
    from fcntl import ioctl
    from termios import TIOCOUTQ

__all__ = ("RawWebSocketSession",)

Item = TypeVar("Item")

#: Where `tcpi_bytes_acked` stands in Linux's `struct tcp_info`.
BYTES_ACKED = 120
TCP_INFO_SIZE = 128

#: How often a connection that ends looks whether the kernel has sent everything, in seconds, and
#: in how many turns of the loop it must have.
FLUSH_POLL = 0.01
FLUSH_TURNS = 10


@quick
class RawWebSocketSession(Awaiting, asyncio.BufferedProtocol):
    """A WebSocket connection that shows every frame as it stood on the wire.

    Nothing happens that its user does not do: no pong, close reply, timeout, reassembly, UTF-8
    check or compression. `async for frame in session` gives each frame until the peer's Close or
    the end of its stream; `send` puts one on the wire. The model is ktor's `webSocketRaw`.

    Attributes: `request` (server side, else None), `response` (the prepared 101, or the client's
    response), `is_client`, `protocol` (the negotiated subprotocol), `extensions` (that header of
    the 101, untouched), `exception` (why the connection was lost, if it was not clean),
    `masking` (whether sent frames are masked: by `frame.mask`, else by a fresh random key).
    """

    __slots__ = ("__weakref__", "_expired")

    # -- receiving -------------------------------------------------------------------------

    def batches(self) -> AsyncIterator[list[Frame]]:
        """Iterate over lists of all the frames that are ready, none of them empty."""
        return Stream(self, self._next_batch)

    def pieces(self) -> AsyncIterator[Piece | Frame]:
        """Iterate over the parts of data frames as they arrive, so that any size fits.

        Control frames come whole, as `Frame`. `max_frame_size` is not applied to data frames;
        memory is bounded by `receive_limit`. Between two frames one may go over to `receive`,
        within a frame that raises RuntimeError.
        """
        return Stream(self, self._next_piece)

    def _parts(self) -> AsyncIterator[Piece | Frame]:
        """As `pieces`, but what comes whole is a frame, whatever it is."""
        return Stream(self, self._next_part)

    async def _pass_frames(self, target: "RawWebSocketSession") -> None:
        """Have the frames that come go on to `target` as they stand, up to a Close or the end.

        Between two frames only. Raises ProtocolError where the peer broke a rule.
        """
        self._pass_to(target)
        try:
            while (waiter := self._more()) is not None:
                await waiter
        finally:
            self._pass_to(None)

    # -- sending ---------------------------------------------------------------------------

    async def send_piece(self, piece: Piece | Frame) -> None:
        """Send what `pieces` gave: a whole frame, or the next part of a big one.

        The first part (offset 0) writes the header for the whole length, then each part must
        continue where the one before ended, else ValueError. Nothing else can be sent between
        them. Raises and waits as `send` does.
        """
        if isinstance(piece, Frame):
            self.send_nowait(piece)
        elif isinstance(piece, Piece):
            self._put_piece(piece)
        else:
            raise TypeError(f"send_piece takes a Piece or a Frame, got {type(piece).__name__}")
        if self._write_paused:
            await self.drain()

    async def drain(self) -> None:
        """Wait while the transport's buffer is above its high-water mark.

        SessionClosed when the connection is lost.
        """
        self._uncork()
        while self._write_paused and not self._lost:
            await self._change()
        if self._lost:
            raise self._session_closed()

    # -- ending ----------------------------------------------------------------------------

    async def close(self, code: int | None = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Send a Close frame once, and drain; does not wait for the peer's.

        `code=None` sends an empty one. ValueError for a code that may not be sent, or a reason
        over 123 bytes. A second call, or a lost connection, is quiet.
        """
        frame = Frame.close(code, reason)
        # Closed already, or there is nobody left to tell.
        with contextlib.suppress(SessionClosed):
            await self.send(frame)

    async def wait_closed(self) -> None:
        """Wait until the peer has ended its stream, or the connection is lost.

        While `receive_limit` holds the reading back, the end of the stream is not seen.
        """
        while not (self._eof_received or (self.closed and self._lost)):
            await self._change()

    async def _end(self) -> None:
        """End the connection as a handler's return does: what was sent still arrives.

        The sending half is shut, input is read and thrown away until the peer ends its stream or
        `linger` seconds pass: closing with unread input would make the kernel drop the output.
        """
        self._stop_receiving()
        if self._lost:
            return
        try:
            with self._lingering():
                if self._transport.can_write_eof():
                    await self._shut_down()
                else:
                    await self._close_tls()
        finally:
            if self.write_backlog == 0:
                self._close_transport()
            else:
                self.abort()

    async def _end_patiently(self) -> None:
        """End it so once the peer has taken what was sent, however slow it is.

        One that takes nothing for `linger` seconds gets no more time: the kernel does not tell of
        one that was lost behind its end of stream.
        """
        self._uncork()
        before, now = -1, 0
        while now != before:
            before = now
            with self._lingering():
                await self._flush_out()
            if self.closed or not self._expired:
                break
            now = taken(self.get_extra_info("socket"))
        await self._end()

    async def _reset(self) -> None:
        """End the connection with a reset, but behind what was sent, as far as `linger` goes."""
        self._uncork()
        try:
            with self._lingering():
                await self._flush_out()
        finally:
            self.abort()

    @contextlib.contextmanager
    def _lingering(self) -> Iterator[None]:
        """Set `_expired` once `linger` seconds have passed in the block."""
        self._expired = False
        timer = self._loop.call_later(self._linger, self._expire)
        try:
            yield
        finally:
            timer.cancel()

    async def _shut_down(self) -> None:
        if not self.closed:
            self.write_eof()
        while not (self._lost or self._expired):
            if self._eof_received and self.write_backlog == 0:
                return
            await self._change()

    async def _flush_out(self) -> None:
        """Wait until the kernel has sent everything, the connection ends, or `_expired`."""
        # TLS says nothing of what the transport below the encryption still holds. That goes on in
        # every turn of the loop in which the kernel has room.
        turns = 0
        while turns < FLUSH_TURNS and not (self.closed or self._expired):
            flushed = self._unsent() == 0
            turns = turns + 1 if flushed else 0
            await asyncio.sleep(0 if flushed else FLUSH_POLL)

    def _unsent(self) -> int:
        """Bytes that the peer's system has not taken, as far as anybody tells."""
        if self.closed:
            return 0
        return self.write_backlog + unsent(self.get_extra_info("socket"))

    async def _close_tls(self) -> None:
        await self._flush_out()
        if self.write_backlog == 0:
            self._close_transport()
            while not (self._lost or self._expired):
                await self._change()
            # The peer does not answer the close_notify; no output is left to be dropped.
            self._transport.abort()

    def _expire(self) -> None:
        # A flag: a timer may fire a little before the clock says so.
        self._expired = True
        self._changed()

    async def _change(self) -> None:
        """Wait until the end of a stream, of the connection, or of a write pause."""
        future = self._loop.create_future()
        self._waiters.append(future)
        try:
            await future
        finally:
            self._waiters.remove(future)


class Stream(Generic[Item]):
    """What `batches` and `pieces` iterate over: whatever `take` gives, until the end."""

    __slots__ = ("_session", "_take")

    def __init__(self, session: RawWebSocketSession, take: Callable[[], Item | None]) -> None:
        self._session = session
        self._take = take

    def __aiter__(self) -> "Stream[Item]":
        return self

    async def __anext__(self) -> Item:
        while (item := self._take()) is None:
            if (waiter := self._session._more()) is None:
                raise StopAsyncIteration
            await waiter
        return item


def taken(sock: Any) -> int:
    """A number that grows as the peer's system takes what was sent, where the kernel tells."""
    if sys.platform != "linux":
        return -unsent(sock)
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    return int.from_bytes(info[BYTES_ACKED : BYTES_ACKED + 8], sys.byteorder)


def unsent(sock: Any) -> int:
    """How many bytes the kernel holds for a socket, 0 if it does not tell."""
    if sys.platform == "win32" or sock is None:
        return 0
    answer = ioctl(sock.fileno(), TIOCOUTQ, bytes(4))
    return int.from_bytes(answer, sys.byteorder)
