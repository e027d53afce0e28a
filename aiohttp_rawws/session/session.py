"""What a handler gets: a WebSocket connection, frame by frame.

Here stands all that waits. What happens in one go stands in `connection`, which is compiled;
coroutines are fastest where Python runs them itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from ..wire.arguments import not_a_frame
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from ..wire.names import CloseCode
from ..wire.pieces import Piece
from .awaiting import Awaiting, quick
from .kernel import acknowledged, unsent

__all__ = ("RawWebSocketSession",)

Item = TypeVar("Item")

#: How soon a connection that ends looks again whether the kernel has sent everything, in seconds
#: (later ever more seldom), and in how many turns of the loop it must have.
FLUSH_POLL = 0.01
FLUSH_TURNS = 10

#: How long a peer may take nothing, in lingers.
STALL_LINGERS = 10


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

    if TYPE_CHECKING:
        # Editors read sources, and find no extension: so they know what is awaited.

        async def receive(self) -> Frame: ...
        async def send(self, frame: Frame) -> None: ...
        async def __anext__(self) -> Frame: ...

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
            raise not_a_frame("send_piece", piece, pieces=True)
        if self._write_paused:
            await self.drain()

    async def drain(self) -> None:
        """Wait while more than 64 KiB wait to leave, until no more than 16 KiB do.

        Over TLS the limits of the transport hold. SessionClosed when the connection is lost.
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
        over 123 bytes (`truncate_reason` cuts it; the text of a ProtocolError fits). A second
        call, or a lost connection, is quiet.
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
        """End it so once the peer has taken what was sent; reset it if the peer stops taking."""
        if await self._delivered():
            await self._end()
        else:
            self.abort()

    async def _reset(self) -> None:
        """End the connection with a reset, once the peer has taken what was sent, or stops."""
        try:
            await self._delivered()
        finally:
            self.abort()

    async def _delivered(self) -> bool:
        """Wait until the peer's system has taken what was sent, however slow it is.

        False if it takes nothing any more (see Stall): the kernel does not tell of a peer that
        was lost behind its end of stream.
        """
        self._uncork()
        return await self._flush_out(Stall(self).expired)

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
            # With limits of 0 the transport tells when its buffer is empty.
            self._transport.set_write_buffer_limits(0)
            self.write_eof()
        while not (self._lost or self._expired):
            if self._eof_received and self.write_backlog == 0:
                return
            await self._change()

    async def _flush_out(self, expired: Callable[[], bool]) -> bool:
        """Wait until the kernel has sent everything, or the connection ends; False if `expired`."""
        # TLS says nothing of what the transport below the encryption still holds. That goes on in
        # every turn of the loop in which the kernel has room.
        turns, pause = 0, FLUSH_POLL
        while turns < FLUSH_TURNS and not self.closed:
            if self._unsent() == 0:
                turns += 1
                await asyncio.sleep(0)
            elif expired():
                return False
            else:
                turns = 0
                await asyncio.sleep(pause)
                pause = min(2 * pause, max(FLUSH_POLL, self._linger / 10))
        return True

    def _unsent(self) -> int:
        """Bytes that the peer's system has not taken, as far as anybody tells."""
        if self.closed:
            return 0
        return self.write_backlog + unsent(self.get_extra_info("socket"))

    def _progress(self) -> int:
        """A number that changes as the peer takes what was sent, once nothing more is sent."""
        count = acknowledged(self.get_extra_info("socket"))
        return self._unsent() if count is None else count

    async def _close_tls(self) -> None:
        await self._flush_out(lambda: self._expired)
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

    async def _change_within(self, seconds: float) -> None:
        """Wait for a change, but no longer."""
        timer = self._loop.call_later(seconds, self._changed)
        try:
            await self._change()
        finally:
            timer.cancel()


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


class Stall:
    """Tells whether a peer has taken nothing of what was sent for ten times `linger` seconds.

    Not sooner: the system of a peer that reads slowly tells of that in steps, as big as half of
    its buffer.
    """

    __slots__ = ("_progress", "_session", "_since")

    def __init__(self, session: RawWebSocketSession) -> None:
        self._session = session
        self._progress = -1
        self._since = 0.0

    def expired(self) -> bool:
        """Look again; to be asked again and again, as often as the answer is to be exact."""
        session = self._session
        now, progress = session._loop.time(), session._progress()
        if progress != self._progress:
            self._progress, self._since = progress, now
        return now - self._since >= STALL_LINGERS * session._linger
