"""Telling whether a peer is still there."""

import asyncio
import os
import time
from collections.abc import Callable
from types import TracebackType

from ..session.kernel import has_ended
from ..session.session import RawWebSocketSession
from ..session.traffic import traffic_of
from ..wire.arguments import not_a_frame, shown
from ..wire.errors import EndOfStream, SessionClosed
from ..wire.frames import Frame
from ..wire.names import Opcode
from ..wire.pieces import Piece
from .checks import check_seconds
from .interruption import Interruption

__all__ = ("Heartbeat",)

PONG = Opcode.PONG
#: How many unanswered pings are remembered.
PINGS = 64
#: How long after the timeout what comes still counts, in seconds. A loop that was held up runs its
#: timers before it reads what came meanwhile: it must get to that first.
GRACE = 0.01


class Heartbeat:
    """A block that pings, and ends when the peer is silent, or gone.

        async with Heartbeat(session, interval=20, timeout=10) as heartbeat:
            async for frame in session:
                heartbeat.feed(frame)

    A Ping is sent every `interval` seconds. When nothing moves for `timeout` seconds after one,
    whatever the block awaits is broken off, as by `asyncio.timeout`, and the block raises
    TimeoutError. Any byte that comes is a sign of life, whether or not it was received as a
    frame; so is any that leaves of bytes that had to wait for the peer.

    Where no Ping can be sent, the time runs as if one had been: after a Close of ours, after
    `write_eof`, and within a frame that is sent in pieces. There every byte that the peer takes is
    a sign of life.

    The block raises EndOfStream if it is still there `timeout` seconds after the peer has ended
    (`session.peer_ended`): time to read and handle what came before. From the end on nothing is
    sent, and no silence told of.

    While `receive_limit` holds the reading back (`session.reading_paused`) nothing is known of
    the peer, and it is not called silent; the end of its stream is seen at the next Ping, where
    the system tells (Linux).

    It tells, it does not close: the session is left as it is. At most one Ping waits behind
    unsent bytes. `feed` matches pongs to pings: `rtt` is the time from the last answered Ping to
    its Pong, in seconds, None before the first.

    TypeError or ValueError unless `interval` and `timeout` are positive numbers; RuntimeError if
    entered twice at a time.
    """

    __slots__ = (
        "_alarm",
        "_asked",
        "_block",
        "_ended",
        "_interval",
        "_loop",
        "_next",
        "_seen",
        "_session",
        "_silent",
        "_timeout",
        "_unanswered",
        "rtt",
    )

    def __init__(self, session: RawWebSocketSession, interval: float, timeout: float) -> None:
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"Heartbeat takes a session, got {shown(session)}")
        check_seconds("interval", interval, positive=True)
        check_seconds("timeout", timeout, positive=True)
        self._session = session
        self._interval = interval
        self._timeout = timeout
        self._block = Interruption()
        # The timer of the next Ping; set from the beginning of the block to its end.
        self._next: asyncio.TimerHandle | None = None
        # The timer that ends the block: for a silence since the first Ping after the last sign of
        # life, or since the peer has ended.
        self._alarm: asyncio.TimerHandle | None = None
        self._ended = False
        self._silent = False
        # Whether the last Ping that was due could be sent.
        self._asked = True
        # Payloads, and when they were sent, in that order.
        self._unanswered: list[tuple[bytes, float]] = []
        self.rtt: float | None = None

    async def __aenter__(self) -> "Heartbeat":
        if self._next is not None:
            raise RuntimeError("this heartbeat is running already")
        self._loop = asyncio.get_running_loop()
        self._block.__enter__()
        self._ended = self._silent = False
        self._asked = True
        if not self._session.closed:
            self._seen = traffic_of(self._session)
        self._next = self._loop.call_later(self._interval, self._beat)
        self._session.add_end_callback(self._end)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.remove_end_callback(self._end)
        self._cancel_timers()
        self._next = None
        if not self._block.__exit__(kind, error, traceback):
            return
        if self._silent:
            after = "after a ping" if self._asked else "and could not be pinged"
            raise TimeoutError(f"the peer was silent for {self._timeout:g} s {after}") from error
        raise EndOfStream(f"the peer ended {self._timeout:g} s ago") from error

    def feed(self, frame: Frame | Piece) -> None:
        """Take note of a Pong that was received; anything else may be fed, and changes nothing."""
        if not isinstance(frame, (Frame, Piece)):
            raise not_a_frame("feed", frame, pieces=True)
        if frame.opcode is PONG:
            self._answered(frame.payload)

    def _answered(self, payload: bytes) -> None:
        for number, (sent, moment) in enumerate(self._unanswered):
            if sent == payload:
                self.rtt = time.perf_counter() - moment
                # Section 5.5.3: a peer may leave those before it unanswered.
                del self._unanswered[: number + 1]
                return
        # Section 5.5.3: a Pong that answers nothing is legal.

    def _beat(self) -> None:
        session = self._session
        sock = session.get_extra_info("socket")
        if session.peer_ended or (session.reading_paused and has_ended(sock)):
            self._end()
            return
        self._next = self._loop.call_later(self._interval, self._beat)
        alive = self._is_alive()
        self._asked = self._ping()
        if self._alarm is None or alive:
            self._set_alarm(self._timeout, self._expire)

    def _ping(self) -> bool:
        """Send a Ping; whether one could be sent."""
        if self._unanswered and self._session.write_backlog:
            # One that waits in front of the same backlog is as good as another.
            return True
        payload = os.urandom(8)
        try:
            self._session.send_nowait(Frame.ping(payload))
        except (SessionClosed, RuntimeError):
            # Nothing can be sent any more; or a frame is half sent, and nothing may stand in it.
            return False
        self._unanswered.append((payload, time.perf_counter()))
        del self._unanswered[:-PINGS]
        return True

    def _is_alive(self) -> bool:
        """Whether there was a sign of life since this was asked last."""
        before, now = self._seen, traffic_of(self._session)
        self._seen = now
        # What the peer's system takes at once tells nothing of the peer: it takes our pings, too.
        taking = now.taken > before.taken and (before.waiting or not self._asked)
        return taking or now.received > before.received or self._session.reading_paused

    def _expire(self) -> None:
        self._set_alarm(GRACE, self._judge)

    def _judge(self) -> None:
        self._alarm = None
        if self._session.peer_ended:
            self._end()
        elif not self._is_alive():
            self._silent = True
            self._block.interrupt()
        # Else the time runs from the next Ping on.

    def _end(self) -> None:
        """The peer has ended; a callback of the session, which may come behind the block."""
        if self._next is not None and not self._ended:
            self._ended = True
            self._cancel_timers()
            self._set_alarm(self._timeout, self._block.interrupt)

    def _set_alarm(self, delay: float, callback: Callable[[], None]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_later(delay, callback)

    def _cancel_timers(self) -> None:
        for timer in (self._next, self._alarm):
            if timer is not None:
                timer.cancel()
        self._alarm = None
