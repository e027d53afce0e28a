# cython: language_level=3, annotation_typing=False, binding=False
"""One upgraded connection: where bytes meet asyncio, in both directions. Nothing waits here.

A connection is its transport's own protocol, so that nothing stands between the socket and the
handler. Three things make it fast, and each has a rule that keeps it right:

- Reads of all connections of a loop share one buffer: each is parsed before the next begins.
- A handler that waits for a frame is woken inside the read callback (`Waiter`), not one loop
  iteration later: only where no task runs, and after everything that was read is parsed.
- What is sent while that handler runs is gathered and leaves in one write (`Cork`).
"""

import asyncio
import contextlib
import os
import sys
from asyncio import _get_running_loop as running_loop
from asyncio import current_task
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

from ..wire.arguments import not_a_frame, shown
from ..wire.errors import EndOfStream, SessionClosed
from ..wire.frames import LENGTH_64, Frame, header_octets, octets, whole_piece
from ..wire.names import Violation
from ..wire.native import Output, rotate, run_in, write_some
from ..wire.parser import Parser, ReadBuffer
from ..wire.pieces import Piece
from .kernel import reset_on_close
from .transports import plain_descriptor

__all__ = ("Connection", "Waiter")

#: Frames sent during one read leave together, in writes of about this size.
CORK_LIMIT = 64 * 1024
#: A payload over this size is handed to the system as it is, not copied behind its header.
COPY_LIMIT = 16 * 1024
#: A sender waits from more output than this on that the system has not taken, until no more than
#: that is left, in bytes: asyncio's own limits. Over TLS those of the transport hold.
HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024
#: Over TLS a transport whose connection is lost takes writes and says nothing until the loop runs,
#: so that a task that only sends must give way after so many bytes, each write counted as some.
BREATH = 2**20
WRITE_COST = 1024
#: Masking keys are drawn so many at a time.
KEYS = 1024
UNMASKED = Violation.UNMASKED.value
MASKED = Violation.MASKED.value
LENGTH_ENCODING = Violation.LENGTH_ENCODING.value
AFTER_CLOSE = Violation.AFTER_CLOSE.value
#: RFC 6455 5.2: the most significant bit of a length is 0.
MAX_LENGTH = 2**63 - 1

#: The protocol of a connection that has ended.
NOBODY = asyncio.BufferedProtocol()

#: How long a relay's target takes nothing before the relay is told, in seconds.
STALL_NOTED = 1.0


class Waiter:
    """What the receiving task awaits: a future, and a way to run the task at once.

    It carries no result, so that a cancelled task loses nothing: the frames stay in the parser.
    A coroutine awaits it as it awaits a generator: `__next__` begins the wait and ends it, `throw`
    or `close` break it off.
    """

    __slots__ = ("_future", "_loop", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: Used again and again for as long as the task is run at once; None once it is done.
        self._future: asyncio.Future[None] | None = None
        self.waiting = False

    def __await__(self) -> Generator[Any, Any, None]:
        return self  # type: ignore[return-value]

    def __iter__(self) -> "Waiter":
        return self

    def __next__(self) -> "asyncio.Future[None]":
        if self.waiting:
            self.end()
            raise StopIteration
        return self.begin()

    def begin(self) -> "asyncio.Future[None]":
        """What to yield to the task, which then adds its wake-up as a callback."""
        future = self._future
        if future is None:
            # Not the loop's: its callbacks have to be where asyncio has them.
            future = self._future = asyncio.Future(loop=self._loop)
        future._asyncio_future_blocking = True
        self.waiting = True
        return future

    def end(self) -> None:
        """The task runs again."""
        self.waiting = False

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        self.waiting = False
        self._future = None

    def wake(self, direct: bool) -> None:
        """Run the waiting task, at once if `direct`, else in the next loop iteration."""
        future: Any = self._future
        if future is None or not self.waiting:
            return
        callbacks = future._callbacks if direct else None
        if not callbacks:
            self._future = None
            # Else the task was cancelled.
            if not future.done():
                future.set_result(None)
            return
        callback, context = callbacks[0]
        future.remove_done_callback(callback)
        try:
            run_in(context, callback, DONE)
        except RuntimeError:
            # Its context is entered already, or another task runs: nothing has happened yet.
            self._future = None
            future.add_done_callback(callback, context=context)
            future.set_result(None)


class Keys:
    """Masking keys, unpredictable and new each time (RFC 6455 section 5.3).

    They are drawn from the system's generator many at a time: that is a system call.
    """

    __slots__ = ("_drawn", "_used")

    def __init__(self) -> None:
        self._drawn = b""
        self._used = 0

    def next(self) -> bytes:
        if self._used == len(self._drawn):
            self._drawn = os.urandom(4 * KEYS)
            self._used = 0
        start = self._used
        self._used = start + 4
        return self._drawn[start : start + 4]


class Cork:
    """What the connections of a loop share, and those that hold back what they send: a chain.

    `active` while one of them wakes its handler inside the read callback: the loop runs then.
    """

    __slots__ = ("active", "buffer", "first", "keys", "orphaned")

    def __init__(self) -> None:
        self.buffer = ReadBuffer()
        self.keys = Keys()
        self.active = False
        self.first: Connection | None = None
        #: The connections belong to the process that this one was forked from.
        self.orphaned = False

    def release(self) -> None:
        """Let go what was sent since the cork became active."""
        try:
            while (session := self.first) is not None:
                self.first = session._after
                session._after = None
                session._corked = False
                session._flush()
        finally:
            self.active = False


corks: "WeakKeyDictionary[asyncio.AbstractEventLoop, Cork]" = WeakKeyDictionary()


def cork_of(loop: asyncio.AbstractEventLoop) -> Cork:
    """What the connections of that loop share."""
    cork = corks.get(loop)
    if cork is None:
        cork = corks[loop] = Cork()
    return cork


def orphan() -> None:
    """In a process that was forked: leave the connections to the one that has them."""
    for cork in corks.values():
        cork.orphaned = True
        cork.active = False
        cork.first = None
    corks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=orphan)


class NoLoop:
    """All that a future asks of its loop where nobody awaits it."""

    def get_debug(self) -> bool:
        return False


#: What the wake-up of a task is given: it takes the result of a true future without any lookup.
DONE: "asyncio.Future[None]" = asyncio.Future(loop=cast(asyncio.AbstractEventLoop, NoLoop()))
DONE.set_result(None)


class Connection:
    """All of a session that happens in one go; `RawWebSocketSession` is what waits."""

    __slots__ = (
        "_after",
        "_behind",
        "_behind_size",
        "_breath",
        "_choked",
        "_close_received",
        "_close_sent",
        "_cork",
        "_corked",
        "_end_callbacks",
        "_ending",
        "_eof_received",
        "_eof_sent",
        "_fd",
        "_is_closing",
        "_linger",
        "_loop",
        "_lost",
        "_on_lost",
        "_out",
        "_parser",
        "_paused",
        "_peername",
        "_piece_key",
        "_piece_left",
        "_piece_length",
        "_resuming",
        "_sockname",
        "_source",
        "_sslcontext",
        "_stalling",
        "_target",
        "_transport",
        "_waiter",
        "_waiters",
        "_write_paused",
        "_written",
        "bytes_received",
        "exception",
        "extensions",
        "is_client",
        "masking",
        "protocol",
        "request",
        "response",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        is_client: bool,
        response: Any,
        request: Any = None,
        protocol: "str | None" = None,
        extensions: "str | None" = None,
        max_frame_size: int = 16 * 2**20,
        receive_limit: int = 256 * 2**10,
        reject: Violation = Violation.ALL,
        linger: float = 1.0,
        write_paused: bool = False,
    ) -> None:
        self.request = request
        self.response = response
        self.is_client = is_client
        self.protocol = protocol
        self.extensions = extensions
        self.masking = is_client
        self.exception: BaseException | None = None
        self._close_received: Frame | None = None
        self._close_sent: Frame | None = None
        self._transport = transport
        # Asked for each frame.
        self._is_closing = transport.is_closing
        self._loop = asyncio.get_running_loop()
        self._linger = linger
        self._cork = cork_of(self._loop)
        self._parser = Parser(
            self._cork.buffer,
            is_client=is_client,
            max_frame_size=max_frame_size,
            limit=receive_limit,
            reject=reject,
            extended=extensions is not None,
        )
        self._waiter = Waiter(self._loop)
        self._waiters: list[asyncio.Future[None]] = []
        self._on_lost: Callable[[BaseException | None], None] | None = None
        self._end_callbacks: list[Callable[[], object]] | None = None
        #: Bytes that were read since the upgrade, frames that are not complete included.
        self.bytes_received = 0
        self._out = Output()
        # Output that waits until the transport holds none, before what is in `_out`.
        self._behind: deque[bytes] | None = None
        self._behind_size = 0
        self._corked = False
        self._after: Connection | None = None
        self._written = 0
        # What the transport tells no more once the connection is lost.
        self._peername = transport.get_extra_info("peername")
        self._sslcontext = transport.get_extra_info("sslcontext")
        # Plain transports can still be asked then, and it is not at hand before.
        tls = self._sslcontext is not None
        self._sockname = transport.get_extra_info("sockname") if tls else None
        # Plain TCP is written past the transport while nothing waits in it.
        self._fd = plain_descriptor(transport)
        if self._fd < 0 and sys.version_info < (3, 11):
            self._is_closing = partial(is_closing, transport)
        self._paused = False
        self._resuming = False
        # The transport takes no more: over plain TCP as soon as it holds anything. Then, or where
        # it is time to let the loop run, a sender has to wait.
        self._choked = self._write_paused = write_paused
        self._breath = BREATH
        self._eof_received = False
        self._eof_sent = False
        self._ending = False
        self._lost = False
        # The frame that is being sent in pieces.
        self._piece_length = 0
        self._piece_left = 0
        self._piece_key: bytes | None = None
        # Who gets the frames of this one as they stand, and whose this one gets.
        self._target: Connection | None = None
        self._source: Connection | None = None
        self._stalling = False

    def __repr__(self) -> str:
        role = "client" if self.is_client else "server"
        state = "closed" if self.closed else "open"
        peer = self.get_extra_info("peername")
        return f"<{type(self).__name__} {role} {state} peer={peer!r}>"

    # -- what it is ------------------------------------------------------------------------

    @property
    def max_frame_size(self) -> int:
        """The largest payload of a received frame, in bytes; may be set at any time."""
        return self._parser.max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        if not isinstance(size, int):
            raise TypeError(f"max_frame_size must be a number of bytes (int), got {shown(size)}")
        if size <= 0:
            raise ValueError(f"max_frame_size must be at least 1 byte, got {size}")
        self._parser.max_frame_size = min(size, sys.maxsize)

    @property
    def closed(self) -> bool:
        """Whether the TCP connection is gone or going."""
        return self._gone()

    def _gone(self) -> bool:
        return self._is_lost() or self._is_closing()

    def _is_lost(self) -> bool:
        """Whether the connection is lost: its transport has told, or is no longer there to tell."""
        if not self._lost and not self._here() and self._orphaned():
            self._lost = True
            self.exception = RuntimeError(
                "the event loop of the connection is closed, or runs in the process that this one "
                "was forked from"
            )
            self._drop_output()
            self._waiter.close()
        return self._lost

    def _orphaned(self) -> bool:
        """Whether its loop is closed, or another process has it: its transport tells no more."""
        return self._cork.orphaned or self._loop.is_closed()

    def _here(self) -> bool:
        """Whether the loop of the connection runs in this thread, so that its descriptor is good.

        A loop that is closed may have closed the descriptor behind the transport's back, and its
        number may be another socket's by now; one that runs elsewhere may do so at any time. While
        it runs here, nobody does but a program that closes descriptors which are not its own
        (`os.close`, `os.closerange`): that no transport, and nobody else, can notice.
        """
        cork = self._cork
        return cork.active or (running_loop() is self._loop and not cork.orphaned)

    @property
    def peer_ended(self) -> bool:
        """Whether the peer has ended: its Close or the end of its stream came, or it was lost.

        True from when that came, whether or not the frames before it were received.
        """
        return self._parser.after_close or self._eof_received or self._gone()

    @property
    def reading_paused(self) -> bool:
        """Whether nothing is read until frames are received: `receive_limit` is reached."""
        return self._paused

    @property
    def bytes_sent(self) -> int:
        """Bytes that were handed over since the upgrade, those of `write_backlog` included."""
        return self._written

    @property
    def close_received(self) -> "Frame | None":
        """The peer's Close frame, once it was received here."""
        return self._close_received

    @property
    def close_sent(self) -> "Frame | None":
        """The Close frame that was sent."""
        return self._close_sent

    @property
    def write_backlog(self) -> int:
        """Bytes that were accepted but not yet handed to the operating system."""
        return self._backlog()

    def _backlog(self) -> int:
        waiting = len(self._out) + self._behind_size
        # A plain transport has told whether it holds anything.
        if (self._choked or self._fd < 0) and not self._is_lost() and not self._has_failed():
            waiting += self._transport.get_write_buffer_size()
        return waiting

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As `asyncio.BaseTransport.get_extra_info`.

        Once the connection is lost only `peername`, `sockname` and `sslcontext` are known.
        """
        if not self._is_lost() and not self._has_failed():
            return self._transport.get_extra_info(name, default)
        kept = {
            "peername": self._peername,
            "sockname": self._sockname,
            "sslcontext": self._sslcontext,
        }
        value = kept.get(name)
        return default if value is None else value

    def _has_failed(self) -> bool:
        """Whether its transport can be asked no more, though it has not told of a loss."""
        return self._fd < 0 and has_failed(self._transport)

    # -- receiving -------------------------------------------------------------------------

    def receive_nowait(self) -> "Frame | None":
        """The next frame if one is there, else None; raises as `receive` does."""
        frame = self._next()
        if frame is None and self._ended():
            raise self._end_of_stream()
        return frame

    def _next(self) -> "Frame | None":
        """The next frame for `receive`, None if there is none."""
        parser = self._parser
        if (self._waiter.waiting or parser.pieces or parser.next is None) and not self._prepare():
            return None
        frame: Frame = parser.take()
        if frame._head & 0x0F == 8 or self._paused or parser.stalled:
            self._taken(frame)
        return frame

    def _next_batch(self) -> "list[Frame] | None":
        """All the frames for `batches`, None if there is none."""
        if not self._prepare():
            return None
        frames: list[Frame] = self._parser.take_all()
        for frame in frames:
            self._taken(frame)
        return frames

    def _prepare(self) -> bool:
        """Whether a whole frame is there to be taken."""
        parser = self._parser
        self._refuse_second()
        if parser.pieces:
            self._leave_pieces()
        if parser.next is None:
            parser.settle()
            if parser.next is None:
                # What held the reading back may be gone: pieces, or a lower max_frame_size.
                if self._paused or parser.stalled:
                    self._relieve()
                return False
        return True

    def _leave_pieces(self) -> None:
        parser = self._parser
        if parser.cutting and not parser.ready and self._ended():
            # The rest of the frame will never come.
            return
        self._refuse_left()
        if parser.cutting or isinstance(parser.next, Piece):
            raise RuntimeError("a frame is half read: take the rest of it from pieces() first")
        parser.whole()

    def _next_piece(self) -> "Piece | Frame | None":
        """The next one for `pieces`, None if there is none."""
        item = self._next_part()
        return whole_piece(item) if isinstance(item, Frame) and not item.is_control else item

    def _next_part(self) -> "Piece | Frame | None":
        """The next frame, or what has arrived of one that is not whole; None if there is none."""
        parser = self._parser
        self._refuse_second()
        self._refuse_left()
        if not parser.pieces:
            parser.pieces = True
            parser.resume()
        if parser.next is None:
            # A control frame comes whole, and has to fit.
            parser.settle()
        if parser.next is None:
            piece = parser.cut()
            self._relieve()
            return piece
        item: Frame | Piece = parser.take()
        if isinstance(item, Piece):
            self._relieve()
            return item
        self._taken(item)
        return item

    def _refuse_second(self) -> None:
        # One that waits for a loop that is closed will never go on.
        if self._waiter.waiting and not self._orphaned():
            raise RuntimeError("another task is receiving from this session already")

    def _refuse_left(self) -> None:
        if self._parser.left and not self._ended():
            raise RuntimeError("a frame was relayed in part: its rest means nothing without that")

    def _taken(self, frame: Frame) -> None:
        """Note that the handler has got a frame."""
        if frame._head & 0x0F == 8 and self._close_received is None:
            self._close_received = frame
        if self._paused or self._parser.stalled:
            self._relieve()

    def _more(self) -> "Waiter | None":
        """What to await for more to come; None at the end, ProtocolError if that is why."""
        return None if self._ended() else self._waiter

    def _ended(self) -> bool:
        """Whether nothing more will come; raises the ProtocolError if that is why."""
        parser = self._parser
        if parser.error is not None:
            # A new one each time: an exception that is raised again grows its traceback.
            raise type(parser.error)(*parser.error.args)
        if parser.closed:
            return True
        return (self._eof_received or self._ending or self._is_lost()) and not parser.stalled

    def _end_of_stream(self) -> EndOfStream:
        if self._close_received is not None and self._parser.closed:
            reason = "the peer has sent a Close"
        elif self._parser.partial:
            reason = "the peer ended its stream in the middle of a frame"
        elif self._lost and self.exception is not None:
            reason = f"the connection was lost: {self.exception}"
        else:
            reason = "the peer ended its stream"
        error = EndOfStream(reason)
        error.__cause__ = self.exception
        return error

    def _relieve(self) -> None:
        """Parse and read on once less than half of the limit waits, and the target can take it."""
        parser = self._parser
        target = self._target
        if target is not None and target._write_paused and not target._lost:
            return
        if parser.weight * 2 >= parser.limit and parser.next is not None:
            return
        if parser.stalled:
            # In a callback of its own: one connection's burst must not hold the loop.
            if self._orphaned():
                self._read_on()
            elif not self._resuming:
                self._resuming = True
                self._loop.call_soon(self._read_on)
        elif self._paused and not parser.full:
            self._resume_reading()

    def _read_on(self) -> None:
        self._resuming = False
        parser = self._parser
        parser.resume()
        if self._target is not None:
            self._relieve()
        elif not parser.full:
            self._resume_reading()
        if self._lost or self._eof_received or self._ending:
            # The end was told while these bytes waited, and will not be told again.
            self._waiter.wake(False)
        else:
            self._wake_reader()

    def _pause_reading(self) -> None:
        if not (self._paused or self._eof_received or self.closed):
            self._paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        # After its EOF a stream must not be read again: it would end again.
        if self._paused and not (self._eof_received or self.closed):
            self._paused = False
            self._transport.resume_reading()

    def add_end_callback(self, callback: "Callable[[], object]") -> None:
        """Call back, in a loop iteration of its own, once `peer_ended` is true."""
        if self._end_callbacks is None:
            self._end_callbacks = []
            self._parser.on_close = self._peer_has_ended
        self._end_callbacks.append(callback)
        if self.peer_ended:
            self._loop.call_soon(callback)

    def remove_end_callback(self, callback: "Callable[[], object]") -> None:
        """Do not call back any more."""
        callbacks = self._end_callbacks or []
        self._end_callbacks = [other for other in callbacks if other != callback] or None
        if self._end_callbacks is None:
            self._parser.on_close = None

    def _peer_has_ended(self) -> None:
        for callback in self._end_callbacks or ():
            self._loop.call_soon(callback)

    # -- relaying --------------------------------------------------------------------------

    def _may_pass_to(self, target: "Connection") -> bool:
        """Whether octets may go on as they stand: masked as the target sends them.

        None may follow a Close, for that is taken as a frame.
        """
        return self._parser.reject & AFTER_CLOSE != 0 and target.masking != self.is_client

    def _between_frames(self) -> bool:
        """Whether nothing has come that was not taken, but for less than a header."""
        return self._parser.between

    def _passed(self) -> "tuple[int, int]":
        """How many whole frames, and bytes of payload, have gone on as they stood."""
        parser = self._parser
        return parser.passed_frames - (parser.left > 0), parser.passed_octets

    def _pass_to(self, target: "Connection | None") -> None:
        """Give the frames that come to `target` as they stand; between two frames only.

        None ends it, at any point.
        """
        self._refuse_second()
        if self._target is not None:
            self._target._source = None
        self._target = target
        if target is not None:
            target._source = self
        self._parser.pass_to(None if target is None else self._pass)
        self._relieve()

    def _pass(self, data: bytearray, size: int) -> None:
        """For the parser: `data[:size]` are frames for the target, the last one maybe in part."""
        target = self._target
        assert target is not None
        if not target._sendable():
            # Nothing can be sent there any more. Why is seen by whoever receives from it.
            return
        target._put_octets(data, size)
        target._piece_left = self._parser.left
        if target._write_paused:
            self._pause_reading()

    def _note_stall(self) -> None:
        """Have whoever relays look after the target, if it still takes nothing then."""
        if not self._stalling:
            self._stalling = True
            self._loop.call_later(STALL_NOTED, self._tell_stall)

    def _tell_stall(self) -> None:
        self._stalling = False
        if self._target is not None and self._target._write_paused:
            self._waiter.wake(False)

    def _forward(self, item: "Frame | Piece") -> None:
        """Send a frame or a piece as another session has received it.

        What that session let pass goes on as it stood: unmasked, masked, with a longer length,
        behind a Close.
        """
        if not isinstance(item, Frame):
            self._put_piece(item, item.violations.value)
            return
        frame = item
        if frame._violations:
            self._put_as_it_stood(frame)
        else:
            self._send(frame)

    def _put_as_it_stood(self, frame: Frame) -> None:
        if not self._may_send(frame._violations):
            raise self._session_closed()
        if self._piece_left:
            raise RuntimeError("a frame is half sent: send the rest of its pieces first")
        if frame._head & 0x0F == 8 and self._close_sent is None:
            self._close_sent = frame
        payload = frame._payload
        key = self._put_header_as_it_stood(
            frame._head, len(payload), frame._mask, frame._violations
        )
        if key is None:
            self._put(payload)
        else:
            self._out.put(payload, key)
            self._flush_later()

    def _may_send(self, violations: int) -> bool:
        """Whether a frame may still be sent that another session has received so."""
        if violations & AFTER_CLOSE:
            return not (self._eof_sent or self._gone())
        return self._sendable()

    def _put_header_as_it_stood(
        self, head: int, length: int, mask: "bytes | None", violations: int
    ) -> "bytes | None":
        """Put the header of a frame that broke rules; its masking key, None without one."""
        key = None
        if violations & MASKED or (self.masking and not violations & UNMASKED):
            key = self._cork.keys.next() if mask is None else mask
        if violations & LENGTH_ENCODING:
            form = 127 if violations & LENGTH_64 or length > 125 else 126
            self._out.put(header_octets(head, length, key, form), None)
        else:
            self._out.put_header(head, length, key)
        return key

    def _put_octets(self, data: bytearray, size: int) -> None:
        if len(self._out) or self._is_held():
            # A handler that is running has sent them, or they wait already: they come first.
            if size > COPY_LIMIT:
                self._flush_with(bytes(memoryview(data)[:size]))
            else:
                self._out.put_some(data, size)
                self._flush()
            return
        self._count(size)
        sent = write_some(self._fd, data, size) if self._direct() else 0
        if sent < size:
            self._hand_over(bytes(memoryview(data)[sent:size]))

    # -- sending ---------------------------------------------------------------------------

    def send_nowait(self, frame: Frame) -> None:
        """Send a frame without ever waiting; the caller bounds what it lets pile up."""
        self._send(frame)

    def _send(self, frame: Frame) -> None:
        if not isinstance(frame, Frame):
            raise not_a_frame("send", frame)
        if not self._sendable():
            raise self._session_closed()
        if self._piece_left:
            raise RuntimeError("a frame is half sent: send the rest of its pieces first")
        self._put_frame(frame)

    def _offer(self, frame: Frame, max_backlog: int) -> "bool | None":
        """For `broadcast`: whether a frame was sent; False for a laggard, None for who has left."""
        if not self._sendable():
            return None
        # Nothing may stand within a frame that is half sent.
        if self._piece_left or self._backlog() > max_backlog:
            return False
        self._put_frame(frame)
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        """Put any bytes on the wire, with no rule applied; never waits.

        SessionClosed once the connection is lost or closing, or after `write_eof`.
        """
        if self._eof_sent or not self._reachable() or self._is_closing():
            raise self._session_closed()
        self._put(octets(data, "data"))

    def _sendable(self) -> bool:
        """Whether frames may still be sent."""
        # Asked for each frame, so without a call of `_gone`.
        return (
            self._close_sent is None
            and not (self._eof_sent or self._lost)
            and (self._cork.active or self._reachable())
            and not self._is_closing()
        )

    def _reachable(self) -> bool:
        """Whether the connection is not lost; RuntimeError in another thread than its loop's."""
        if self._here():
            return True
        if self._is_lost():
            return False
        if self._loop.is_running():
            raise RuntimeError(
                "a session can only be used where its event loop runs, not in another thread: "
                "use loop.call_soon_threadsafe() or asyncio.run_coroutine_threadsafe()"
            )
        return True

    def _session_closed(self) -> SessionClosed:
        if self._gone():
            reason = "the connection is closed"
        elif self._eof_sent:
            reason = "the sending half is shut"
        else:
            reason = "a Close frame was sent; only write() may follow it"
        error = SessionClosed(reason)
        error.__cause__ = self.exception
        return error

    def _put_frame(self, frame: Frame) -> None:
        out = self._out
        head = frame._head
        payload = frame._payload
        if head & 0x0F == 8:
            self._close_sent = frame
        if self.masking:
            out.put_frame(head, payload, self._key_for(frame))
        elif frame._wire is not None:
            self._put_wire(frame._wire)
            return
        elif len(payload) > COPY_LIMIT:
            out.put_header(head, len(payload), None)
            self._flush_with(payload)
            return
        else:
            out.put_frame(head, payload, None)
        if not self._corked or len(out) >= CORK_LIMIT:
            self._flush_later()

    def _put_piece(self, piece: Piece, violations: int = 0) -> None:
        """Send a piece; that of a frame with `violations` as it stood, see `_forward`."""
        if not self._may_send(violations):
            raise self._session_closed()
        payload = octets(piece.payload, "payload")
        begins = self._piece_left == 0
        length = piece.length if begins else self._piece_length
        expected = 0 if begins else length - self._piece_left
        end = piece.offset + len(payload)
        if piece.offset != expected or piece.length != length:
            raise ValueError(
                f"the next piece of a frame is at {expected} of {length}, "
                f"got one at {piece.offset} of {piece.length}"
            )
        if end > length or piece.last != (end == length):
            raise ValueError(
                f"a piece must end within its frame, and `last` tell whether it ends it: "
                f"got {piece.offset} to {end} of {length}, last={piece.last}"
            )
        if begins:
            self._begin_pieces(piece, violations)
        self._piece_left -= len(payload)
        if self._piece_key is None:
            self._put(payload)
        else:
            self._out.put(payload, rotate(self._piece_key, piece.offset))
            self._flush_later()

    def _begin_pieces(self, piece: Piece, violations: int) -> None:
        frame = Frame(
            piece.opcode,
            b"",
            piece.fin,
            rsv1=piece.rsv1,
            rsv2=piece.rsv2,
            rsv3=piece.rsv3,
            mask=piece.mask,
        )
        if frame.is_control:
            raise ValueError("a control frame is sent whole, with send()")
        if piece.length > MAX_LENGTH:
            raise ValueError(f"a frame has at most 2**63 - 1 bytes, got {piece.length}")
        self._piece_key = self._put_header_as_it_stood(
            frame._head, piece.length, frame._mask, violations
        )
        self._piece_length = self._piece_left = piece.length

    def _key_for(self, frame: Frame) -> bytes:
        return self._cork.keys.next() if frame._mask is None else frame._mask

    def _put_wire(self, data: bytes) -> None:
        if len(self._out) or self._cork.active:
            self._put(data)
        else:
            # Nothing to gather it with: not even a copy is needed.
            self._flush_with(data)

    def _put(self, data: bytes) -> None:
        if len(data) > COPY_LIMIT:
            self._flush_with(data)
        else:
            self._out.put(data, None)
            self._flush_later()

    def _flush_later(self) -> None:
        cork = self._cork
        if not cork.active or len(self._out) >= CORK_LIMIT:
            self._flush()
        elif not self._corked:
            self._corked = True
            self._after = cork.first
            cork.first = self

    def _flush(self) -> None:
        """Hand over what was sent."""
        out = self._out
        size = len(out)
        if size == 0 or self._lost:
            return
        if self._is_held():
            if size >= CORK_LIMIT:
                self._put_behind(out.take())
            self._check_high_water()
            return
        self._count(size)
        if not (self._direct() and out.write(self._fd)):
            self._hand_over(out.take())

    def _flush_with(self, payload: bytes) -> None:
        """Hand over what was sent, and a payload behind it that is too big to copy."""
        out = self._out
        if self._is_held():
            if len(out):
                self._put_behind(out.take())
            self._put_behind(payload)
            self._check_high_water()
            return
        self._count(len(out) + len(payload))
        sent = out.write_with(self._fd, payload) if self._direct() else 0
        if len(out):
            self._hand_over(out.take())
        if sent < len(payload):
            self._hand_over(memoryview(payload)[sent:])

    def _hand_over(self, data: "bytes | memoryview") -> None:
        """Give the transport what could not be written past it."""
        if self._is_lost():
            return
        self._transport.write(data)
        if self._fd >= 0:
            self._check_limits()
            self._check_high_water()

    def _check_limits(self) -> None:
        """See to it that a plain transport tells once it holds nothing: others may set limits."""
        if not self._choked and self._transport.get_write_buffer_size() > 0:
            self._choked = True
            self._transport.set_write_buffer_limits(0)

    def _check_high_water(self) -> None:
        if self._choked and not self._write_paused and self._backlog() > HIGH_WATER:
            self._pause_writers()

    def _is_held(self) -> bool:
        """Whether output has to wait here, behind what a plain transport holds."""
        return self._choked and self._fd >= 0

    def _put_behind(self, data: bytes) -> None:
        if self._behind is None:
            self._behind = deque()
        self._behind.append(data)
        self._behind_size += len(data)

    def _take_behind(self) -> bytes:
        data: bytes = self._behind.popleft()  # type: ignore[union-attr]
        self._behind_size -= len(data)
        if not self._behind:
            self._behind = None
        return data

    def _send_behind(self) -> None:
        """Hand over what has waited, until the transport holds some of it."""
        if self._is_closing():
            # By somebody else, who has not waited for it. asyncio's transport takes no more then.
            self._drop_output()
            return
        while self._behind is not None and not self._choked:
            data = self._take_behind()
            self._count(len(data))
            self._hand_over(data)
        self._flush()

    def _hand_over_all(self) -> None:
        """Have the transport hold all that waits: nothing can be handed over behind the end."""
        if len(self._out):
            self._put_behind(self._out.take())
        if self._behind is not None:
            behind = list(self._behind)
            self._count(self._behind_size)
            self._behind = None
            self._behind_size = 0
            self._transport.writelines(behind)

    def _drop_output(self) -> None:
        self._out.clear()
        self._behind = None
        self._behind_size = 0
        if self._fd >= 0:
            self._choked = False

    def _count(self, size: int) -> None:
        """Note that so many bytes are handed over."""
        self._written += size
        if self._fd < 0:
            self._breath -= WRITE_COST + size
            if self._breath < 0 and not self._write_paused:
                self._write_paused = True
                self._loop.call_soon(self._breathe)

    def _breathe(self) -> None:
        self._breath = BREATH
        if not self._choked:
            self.resume_writing()

    def _direct(self) -> bool:
        """Whether to write past the transport: nothing waits in it, and it is plain TCP."""
        # Its descriptor is closed no sooner than the loss was told, if the loop runs here.
        return self._fd >= 0 and not self._choked and self._here()

    # -- ending ----------------------------------------------------------------------------

    def abort(self) -> None:
        """Drop the connection at once, unsent bytes included; plain TCP sends a RST."""
        if self._is_lost():
            return
        self._drop_output()
        if self._sslcontext is None and not self._is_closing():
            reset_on_close(self._transport.get_extra_info("socket"))
        self._transport.abort()

    def write_eof(self) -> None:
        """End the sending half; the peer can go on sending. RuntimeError on TLS."""
        if not self._transport.can_write_eof():
            raise RuntimeError("TLS has no half-closed connections: use close() and return")
        if self._eof_sent or self.closed:
            return
        self._flush()
        self._hand_over_all()
        self._eof_sent = True
        try:
            self._transport.write_eof()
        except OSError:
            # The peer was reset and asyncio has not noticed: it reads no more after an EOF.
            self._transport.abort()

    def _changed(self) -> None:
        for future in self._waiters:
            if not future.done():
                future.set_result(None)

    def _close_transport(self) -> None:
        # A second close() would leave asyncio's TLS transport without its protocol.
        if not self._is_closing():
            self._transport.close()

    def _uncork(self) -> None:
        """Hand over now what was sent, if the connection is not lost."""
        if not self._is_lost():
            self._flush()

    def _stop_receiving(self) -> None:
        """The handler has returned: send what it sent, throw away what comes."""
        self._ending = True
        if self._is_lost():
            return
        self._waiter.wake(False)
        self._flush()
        self._resume_reading()

    # -- the transport's side --------------------------------------------------------------

    def _start(self, data: bytes) -> None:
        """Take the transport over; `data` came behind the handshake."""
        self._transport.set_protocol(cast(asyncio.BufferedProtocol, self))
        self._transport.resume_reading()
        self.bytes_received = len(data)
        if self._fd >= 0 and not self._is_closing():
            # So that it tells as soon as it holds anything, and once it does no more.
            self._transport.set_write_buffer_limits(0)
        self._parser.feed(data)
        if self._parser.full:
            self._pause_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Never called: the connection was made long before the upgrade."""

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._ending:
            return self._cork.buffer.view
        return self._parser.writable()

    def buffer_updated(self, nbytes: int) -> None:
        if self._ending:
            return
        self.bytes_received += nbytes
        parser = self._parser
        parser.written(nbytes)
        if parser.oversized is not None or parser._full():
            self._pause_reading()
            if self._target is not None:
                self._relieve()
        self._wake_reader()

    def _wake_reader(self) -> None:
        """Run the receiving task if there is something for it: last, for it may do anything."""
        if not (self._waiter.waiting and self._parser._ready()):
            return
        cork = self._cork
        # A plain transport reads only when the loop calls it; TLS also while a task closes it.
        if cork.active or cork.orphaned or (self._fd < 0 and current_task(self._loop) is not None):
            self._waiter.wake(False)
            return
        cork.active = True
        try:
            self._waiter.wake(True)
        except BaseException as error:
            # SystemExit, say. A transport would take it for a failure of its own: uvloop's ends the
            # connection, and keeps it from the program.
            self._loop.call_soon(reraise, error)
        finally:
            cork.release()

    def eof_received(self) -> bool:
        self._eof_received = True
        self._waiter.wake(False)
        self._changed()
        self._peer_has_ended()
        # Plain TCP stays open for sending; TLS has no halves and closes itself.
        return self._transport.can_write_eof()

    def connection_lost(self, exc: "BaseException | None") -> None:
        if self._sockname is None:
            self._sockname = self._transport.get_extra_info("sockname")
        self._lost = True
        self.exception = exc
        self._drop_output()
        self._waiter.wake(False)
        self._changed()
        self._leave()
        self._peer_has_ended()
        if self._source is not None:
            # What still comes for this one need not wait for it any more.
            self._source._relieve()
        self._hang_up()

    def _leave(self) -> None:
        """Have a TLS transport forget this protocol, which would be kept in a cycle with it."""
        if self._fd < 0:
            # asyncio's has nothing left to forget, nor to ask, after a second close().
            with contextlib.suppress(AttributeError):
                self._transport.set_protocol(NOBODY)

    def _when_lost(self, callback: "Callable[[BaseException | None], None]") -> None:
        """Call back, in a loop iteration of its own, once the connection is lost."""
        self._on_lost = callback
        self._hang_up()

    def _hang_up(self) -> None:
        if self._lost and self._on_lost is not None and not self._orphaned():
            self._loop.call_soon(self._on_lost, self.exception)
            self._on_lost = None

    def pause_writing(self) -> None:
        self._choked = True
        if self._fd < 0:
            self._pause_writers()

    def _pause_writers(self) -> None:
        self._write_paused = True
        if self._source is not None:
            self._source._note_stall()

    def resume_writing(self) -> None:
        self._choked = False
        if self._fd >= 0:
            self._check_limits()
            if not self._choked:
                self._send_behind()
            if self._choked and self._backlog() > LOW_WATER:
                return
        self._write_paused = False
        self._changed()
        if self._source is not None:
            self._source._relieve()


def reraise(error: BaseException) -> None:
    """Have the loop do what it does where a callback raises."""
    raise error


def has_failed(transport: asyncio.BaseTransport) -> bool:
    """Whether a TLS transport of asyncio has lost its connection, or its protocol.

    The methods of the first kind raise on Python 3.10, before it tells of the loss; those of the
    second, which was closed twice, on later ones.
    """
    try:
        return transport.get_extra_info("socket") is None
    except AttributeError:
        return True


def is_closing(transport: asyncio.BaseTransport) -> bool:
    return transport.is_closing() or has_failed(transport)
