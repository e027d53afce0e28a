"""What aiohttp's two WebSocket classes do, on a server and on a client."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMessage, WSMsgType

from ..layers.closing import close_handshake
from ..layers.deflate import PermessageDeflate
from ..layers.inbox import Inbox
from ..layers.message import TYPES, Message
from ..layers.websocket_end import WebSocketEnd
from ..session.connection import Connection
from ..session.deadline import in_time
from ..session.ending import delivered
from ..session.session import RawWebSocketSession, connection_of
from ..wire.errors import ProtocolError, SessionClosed
from ..wire.frames import Frame
from ..wire.native import new_tuple
from .heartbeat import Heartbeat
from .messages import (
    CLOSED,
    CLOSING,
    ENDS,
    cannot_write,
    close_frame,
    message_of,
    websocket_error,
)
from .sending import Sending

__all__ = ("Conversation", "Settings")

#: `max_msg_size=0` is no limit.
NO_LIMIT = 2**62
#: `timeout=None` of `close`, in seconds.
VERY_LONG = 10.0 * 365 * 86400
#: The number of calls of `receive` behind the end that a server's handler is stopped at.
MANY_RECEIVES = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of both classes, in aiohttp's words."""

    close_timeout: float | None
    receive_timeout: float | None
    autoclose: bool
    autoping: bool
    heartbeat: float | None
    max_msg_size: int
    decode_text: bool


# Over fifteen attributes: what `receive`, `close` and the heartbeat know of the end is the same.
class Conversation:
    """A WebSocket that is open, and what is known of its end.

    `end` ends the connection of a closing handshake that is over, and does not wait.
    """

    def __init__(
        self, session: RawWebSocketSession, settings: Settings, end: Callable[[], object]
    ) -> None:
        size = settings.max_msg_size or NO_LIMIT
        deflate = PermessageDeflate.of(session, max_size=size)
        self.session = session
        self.closed = False
        #: The peer's Close was received, or a task was told of our own.
        self.closing = False
        self.close_code: int | None = None
        self.exception: BaseException | None = None
        self._settings = settings
        self._receiver = connection_of(session).receiver
        self._end = end
        inbox = Inbox(
            session,
            WebSocketEnd(session, 0),
            deflate,
            autoping=settings.autoping,
            autoclose=False,
            max_message_size=size,
            decode_text=settings.decode_text,
        )
        self.sending = Sending(session, deflate)
        # Let go at the end: it is big.
        self._inbox: Inbox | None = inbox
        # None once nothing more is received.
        self._take: Callable[[], Message | None] | None = inbox.take
        self._waiting = False
        # What the waiting task returns in place of a message.
        self._interruption: WSMessage | None = None
        # Done once that task has left.
        self._left: asyncio.Future[None] | None = None
        self._late_receives = 0
        # The task that closes the connection once a peer has taken what waits for it.
        self._flushing: asyncio.Task[None] | None = None
        session.add_end_callback(self._note_end)
        self._heartbeat: Heartbeat | None = None
        if settings.heartbeat:
            self._heartbeat = Heartbeat(session, settings.heartbeat, self.sending, self._fail)

    # -- receiving -------------------------------------------------------------------------

    async def next(self) -> WSMessage:
        """Return the next message, or end an iteration."""
        # As `receive`, and with no coroutine of its own for each message.
        if self._waiting or (take := self._take) is None:
            message = await self.receive()
        else:
            try:
                taken = take()
                if taken is None:
                    taken = await self._wait(self._settings.receive_timeout)
            except ProtocolError as error:
                return await self._violated(error)
            if taken is not None:
                opcode, data = taken
                return new_tuple(WSMessage, (TYPES[opcode], data, ""))
            message = await self._what_else()
        if message.type in ENDS:
            raise StopAsyncIteration
        return message

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """Wait for the next message, or for what tells of the end."""
        if self._waiting:
            raise RuntimeError("Concurrent call to receive() is not allowed")
        if (take := self._take) is None:
            return await self._after_the_end()
        try:
            taken = take()
            if taken is None:
                taken = await self._wait(timeout or self._settings.receive_timeout)
        except ProtocolError as error:
            return await self._violated(error)
        if taken is not None:
            return message_of(taken)
        return await self._what_else()

    async def _wait(self, limit: float | None) -> Message | None:
        """Wait for a message. None if something else has come: a Close, say."""
        if limit:
            return await self._within(limit)
        inbox = self._inbox
        assert inbox is not None
        self._waiting = True
        try:
            while self._interruption is None and self._receiver.close_received is None:
                if (waiter := inbox.more()) is None:
                    break
                await waiter
                if (message := inbox.take()) is not None:
                    return message
        finally:
            self._waiting = False
            if self._left is not None:
                self._left.set_result(None)
                self._left = None
        return None

    async def _within(self, seconds: float) -> Message | None:
        try:
            return await in_time(self._wait(None), seconds)
        except TimeoutError:
            # Python 3.10 has another one for waits.
            raise asyncio.TimeoutError from None

    async def _what_else(self) -> WSMessage:
        """Return what has come in place of a message."""
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            return interruption
        frame = self.session.close_received
        if frame is None:
            return self._lost()
        code = frame.close_code or 0
        self._set_closing(code)
        if self._settings.autoclose:
            await self.close(code)
        return WSMessage(WSMsgType.CLOSE, code, frame.close_reason)

    def _lost(self) -> WSMessage:
        """Note that the peer has ended without a Close."""
        self._set_closed()
        self.exception = self.session.exception
        self._give_up()
        return CLOSED

    async def _violated(self, error: ProtocolError) -> WSMessage:
        """Tell the peer that it broke a rule."""
        failure = websocket_error(error)
        self.close_code = error.close_code
        await self.close(error.close_code, str(error))
        if not self.session.is_client and self.exception is None:
            self.exception = failure
        return WSMessage(WSMsgType.ERROR, failure, None)

    async def _after_the_end(self) -> WSMessage:
        if self.closing and not self.closed:
            if not self.session.is_client:
                return CLOSING
            await self.close()
        if not self.session.is_client:
            self._late_receives += 1
            if self._late_receives >= MANY_RECEIVES:
                raise RuntimeError("WebSocket connection is closed.")
        return CLOSED

    # -- ending ----------------------------------------------------------------------------

    async def close(self, code: int = 1000, message: bytes | str = b"") -> bool:
        """Send a Close, and wait for the peer's. False if this was done before.

        Another task that receives is told. On a server the peer's Close is not waited for then.
        """
        frame = close_frame(code, message)
        if self.closed:
            if self._interruption is CLOSING:
                # Two tasks close, and the receiving one has not run yet.
                self._interruption = CLOSED
            return False
        self._set_closed()
        try:
            self._send_close(frame)
        except (SessionClosed, RuntimeError) as error:
            self.exception = cannot_write()
            self.exception.__cause__ = error
            self._give_up()
            return True
        try:
            if self._waiting:
                await self._interrupt(CLOSING)
                if self.close_code is None and not self.session.is_client:
                    self._set_closing(1000)
            if self.close_code is None:
                await self._peer_close()
        except BaseException:
            self._give_up()
            raise
        self._finish()
        return True

    def _send_close(self, frame: Frame) -> None:
        if self._receiver.reader.eof_received:
            raise SessionClosed("the peer has ended its stream")
        if self.session.close_sent is None:
            self.session.send_nowait(frame)

    async def _interrupt(self, message: WSMessage) -> None:
        """Give the waiting task a message, and wait until it has left."""
        self._interruption = message
        waiter = self._receiver.waiter
        if not waiter.waiting:
            # It was woken already, and will see it.
            return
        self._left = self._left or asyncio.get_running_loop().create_future()
        waiter.wake(False)
        await asyncio.shield(self._left)

    async def _peer_close(self) -> None:
        """Wait for the peer's Close."""
        timeout = self._settings.close_timeout
        timeout = VERY_LONG if timeout is None else timeout
        frame = await close_handshake(self.session, timeout=timeout)
        if frame is not None:
            self.close_code = frame.close_code or 0
            return
        self.close_code = WSCloseCode.ABNORMAL_CLOSURE
        if self.session.peer_ended:
            self.exception = self.session.exception or cannot_write()
        else:
            self.exception = asyncio.TimeoutError()

    def _set_closing(self, code: int) -> None:
        self.closing = True
        self._take = None
        self.close_code = code
        self._stop_heartbeat()

    def _set_closed(self) -> None:
        self.closed = True
        self._take = None
        self._stop_heartbeat()

    def _give_up(self) -> None:
        """End the connection without a closing handshake."""
        self.close_code = WSCloseCode.ABNORMAL_CLOSURE
        self._finish()

    def _finish(self) -> None:
        self._inbox = self._take = None
        self.sending.stop()
        self.session.remove_end_callback(self._note_end)
        self._end()

    def _note_end(self) -> None:
        """Close the connection of a peer that has ended its stream, as aiohttp does."""
        connection = connection_of(self.session)
        if not connection.reader.eof_received:
            return
        self.session.remove_end_callback(self._note_end)
        if connection.writer.waiting():
            self._flushing = asyncio.get_running_loop().create_task(close_behind(connection))
        else:
            connection.link.close()

    # -- the heartbeat ---------------------------------------------------------------------

    def _stop_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None

    def _fail(self, error: BaseException) -> None:
        """Drop a peer that is silent, or cannot be pinged."""
        if self.closed:
            return
        self._set_closed()
        self.close_code = WSCloseCode.ABNORMAL_CLOSURE
        self.exception = error
        if self._waiting:
            self._interruption = WSMessage(WSMsgType.ERROR, error, None)
            self._receiver.waiter.wake(False)
        self.session.abort()
        self._finish()


async def close_behind(connection: Connection) -> None:
    """Close a connection behind what was sent."""
    await delivered(connection)
    connection.link.close()
