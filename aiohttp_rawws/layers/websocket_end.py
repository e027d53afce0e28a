"""The end of a `WebSocketSession`: the closing handshake, and who is told of the end."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from ..session.deadline import in_time
from ..session.ending import end
from ..session.outcome import Outcome, leaves, outcome_of
from ..session.session import RawWebSocketSession, connection_of
from ..wire.close import truncate_reason
from ..wire.errors import ProtocolError, SessionClosed
from ..wire.frames import Frame
from ..wire.names import CloseCode
from .closing import close_handshake, fail_connection

if TYPE_CHECKING:
    from .task_group import TaskGroup

__all__ = ("WebSocketEnd",)


class WebSocketEnd:
    """Ends a session, notes its end, and ends the groups of tasks with it."""

    __slots__ = (
        "_closers",
        "_first",
        "_reader",
        "_session",
        "_timer",
        "_waiter",
        "closing",
        "ended",
        "groups",
        "receiving",
        "timeout",
    )

    def __init__(self, session: RawWebSocketSession, timeout: float) -> None:
        self._session = session
        self._reader = connection_of(session).reader
        self._waiter = self._reader.waiter
        #: How long the peer's Close, and its receiver, may take, in seconds.
        self.timeout = timeout
        #: True once nothing more will be received, and that was told.
        self.ended = False
        #: The task that was the last to wait for a message while a group ran. It may do so no more.
        self.receiving: asyncio.Task[Any] | None = None
        #: Done once `close` has read what was left. None where it does not read.
        self.closing: asyncio.Future[None] | None = None
        # The tasks in `close`, and those that wait for one of them.
        self._closers: list[asyncio.Task[Any] | None] = []
        #: The groups that run.
        self.groups: list[TaskGroup] = []
        # Runs where the peer has ended and the groups have not. It begins anew as long as others
        # are first in the queue.
        self._timer: asyncio.Handle | None = None
        self._first: object = None

    def is_closed(self) -> bool:
        """Return True if no message can be sent."""
        session = self._session
        # Section 7.1.5: without a Close, the end of the stream is a loss.
        is_cut = self._reader.eof_received and not self._reader.parser.after_close
        return is_cut or session.closed or session.close_sent is not None

    def is_abnormal(self) -> bool:
        """Return True if the connection is over, and no Close of the peer has come."""
        return (self.ended or self._session.closed) and not self._reader.parser.after_close

    # -- the closing handshake -------------------------------------------------------------

    async def close(self, code: int, reason: str) -> None:
        """Send a Close, and wait for the peer's, or its end, for `timeout` at most."""
        if self.ended and self.is_abnormal():
            # Lost: there is nobody to tell.
            return
        task = asyncio.current_task()
        self._closers.append(task)
        is_left = False
        try:
            if self.closing is not None:
                await asyncio.shield(self.closing)
            elif self._has_receiver(task):
                await self._send_close(code, reason)
                is_left = self._session.peer_ended
            else:
                await self._read_to_close(code, reason)
            if not self._session.peer_ended:
                await end(connection_of(self._session))
            if not is_left:
                self.note()
        finally:
            # Where the rest is left to the receiver, that one notes the end, and this one goes on.
            if not is_left:
                self._closers.remove(task)

    def _has_receiver(self, task: "asyncio.Task[Any] | None") -> bool:
        """Return True if another task receives. In a group it may be busy between two messages."""
        receiver = self.receiving
        is_busy = receiver is not None and receiver is not task and not receiver.done()
        return self._waiter.waiting or is_busy

    async def _read_to_close(self, code: int, reason: str) -> None:
        self.closing = asyncio.get_running_loop().create_future()
        try:
            await close_handshake(self._session, code, reason, timeout=self.timeout)
        finally:
            self.closing.set_result(None)
            self.closing = None

    async def _send_close(self, code: int, reason: str) -> None:
        """Send a Close, unless one was sent, and wait until another task can receive the peer's."""
        ended = asyncio.Event()
        self._session.add_end_callback(ended.set)
        try:
            if self._session.close_sent is None:
                with contextlib.suppress(SessionClosed):
                    # Not `close`, which would wait for a peer that reads nothing.
                    self._session.send_nowait(Frame.close(code, reason))
            await in_time(ended.wait(), self.timeout)
        except TimeoutError:
            # Whoever closes ends the connection then.
            pass
        finally:
            self._session.remove_end_callback(ended.set)

    async def fail(self, error: BaseException) -> None:
        """Tell the peer of an exception, and end the connection so that it hears of it."""
        connection = connection_of(self._session)
        if not connection.link.is_here():
            # Its loop has stopped, and the coroutine is thrown away: it cannot wait.
            return
        is_cut = self._reader.eof_received
        farewell = farewell_of(error, is_cut or connection.end_is_known)
        if farewell is not None:
            await fail_connection(self._session, *farewell)
        elif is_cut:
            # The peer is lost, though its connection is half open.
            await end(connection)

    # -- who is told -----------------------------------------------------------------------

    async def reach(self) -> None:
        """Wait until a task that closes has read what was left, and note the end."""
        if self.closing is not None:
            task = asyncio.current_task()
            self._closers.append(task)
            try:
                await asyncio.shield(self.closing)
            finally:
                self._closers.remove(task)
        self.note()

    def note(self) -> None:
        """Note that nothing more will be received. End the groups.

        Those who receive or close are not cancelled: they see the end themselves.
        """
        self.ended = True
        spared = {asyncio.current_task(), *self._closers}
        if self._waiter.waiting:
            spared.add(self.receiving)
        for group in tuple(self.groups):
            group.cancel_all_but(spared)

    def add(self, group: "TaskGroup") -> None:
        """Have a group end with the connection."""
        self.groups.append(group)
        if len(self.groups) == 1:
            self._session.add_end_callback(self.note_peer_end)

    def leave(self) -> None:
        """Note that the current task will receive no more."""
        if self.receiving is asyncio.current_task():
            self.receiving = None

    def remove(self, group: "TaskGroup") -> None:
        self.groups.remove(group)
        if not self.groups:
            self.receiving = None
            self._session.remove_end_callback(self.note_peer_end)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = self._first = None

    def note_peer_end(self) -> None:
        """Note that the peer has ended. Give whoever receives time to get there."""
        if self._timer is None and self.groups:
            self._set_timer()

    def _set_timer(self) -> None:
        self._first = self._reader.parser.queue.first
        self._timer = asyncio.get_running_loop().call_later(self.timeout, self._expire)

    def _expire(self) -> None:
        # A loop that was held up runs all timers before the tasks that they wake.
        self._timer = asyncio.get_running_loop().call_soon(self._judge)

    def _judge(self) -> None:
        if self.ended:
            return
        if self._reader.parser.queue.first is not self._first:
            # Somebody receives, and is not there yet.
            self._set_timer()
            return
        self.ended = True
        for group in tuple(self.groups):
            group.cancel_all_but(())


def farewell_of(error: BaseException, ended: bool) -> tuple[int, str] | None:
    """Return the Close that tells of an exception, None where there is nobody to tell."""
    outcome = outcome_of(error, ended)
    if outcome is Outcome.CANCELLED or isinstance(error, GeneratorExit):
        # A generator that is left, by `break` say, is cancelled, too.
        return CloseCode.GOING_AWAY, ""
    if outcome is Outcome.INTERRUPTED or (outcome is Outcome.ENDED and ended):
        return None
    if outcome is Outcome.VIOLATED:
        violation = next(leaf for leaf in leaves(error) if isinstance(leaf, ProtocolError))
        # One that a handler makes may tell a long story.
        return violation.close_code, truncate_reason(str(violation))
    return CloseCode.INTERNAL_ERROR, ""
