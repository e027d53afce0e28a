"""Telling whether a peer is still there."""

import asyncio
import os
import time
from types import TracebackType

from ..errors import SessionClosed
from ..frames import Frame, Opcode, Piece, not_a_frame, shown
from ..session import RawWebSocketSession
from .checks import check_seconds
from .interruption import Interruption

__all__ = ("Heartbeat",)

PONG = Opcode.PONG
#: How many unanswered pings are remembered.
PINGS = 64
#: How long after the timeout a frame still counts, in seconds. A loop that was held up runs its
#: timers before it reads what came meanwhile: it must get to that first.
GRACE = 0.01


class Heartbeat:
    """A block that pings, and ends with TimeoutError when the peer is silent.

        async with Heartbeat(session, interval=20, timeout=10) as heartbeat:
            async for frame in session:
                heartbeat.feed(frame)

    A Ping is sent every `interval` seconds. When nothing was fed for `timeout` seconds after one,
    whatever the block awaits is broken off, as by `asyncio.timeout`; the session is left as it
    is. Any frame is a sign of life, but only once it is fed: a handler that is busy for longer
    than `timeout` must feed meanwhile.

    Pinging stops quietly when nothing can be sent any more, and pauses while a frame is half
    sent, or while unsent bytes (`session.write_backlog`) hold back an earlier Ping. A connection
    that is gone is no timeout: receiving and sending tell that themselves.

    `rtt` is the time from the last answered Ping to its Pong, in seconds, None before the first.
    ValueError unless `interval` and `timeout` are positive; RuntimeError if entered twice at a
    time.
    """

    __slots__ = (
        "_alarm",
        "_block",
        "_interval",
        "_loop",
        "_next",
        "_session",
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
        # The timer of the next Ping; runs from the beginning of the block to its end.
        self._next: asyncio.TimerHandle | None = None
        # The timer that ends the block; runs from a Ping to the next frame.
        self._alarm: asyncio.TimerHandle | None = None
        # Payloads, and when they were sent, in that order.
        self._unanswered: list[tuple[bytes, float]] = []
        self.rtt: float | None = None

    async def __aenter__(self) -> "Heartbeat":
        if self._next is not None:
            raise RuntimeError("this heartbeat is running already")
        self._loop = asyncio.get_running_loop()
        self._block.__enter__()
        self._next = self._loop.call_later(self._interval, self._beat)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for timer in (self._next, self._alarm):
            if timer is not None:
                timer.cancel()
        self._next = self._alarm = None
        if self._block.__exit__(kind, error, traceback):
            raise TimeoutError(f"the peer was silent for {self._timeout} s after a ping") from error

    def feed(self, frame: Frame | Piece) -> None:
        """Take note of what was received."""
        if not isinstance(frame, (Frame, Piece)):
            raise not_a_frame("feed", frame, pieces=True)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
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
        self._next = self._loop.call_later(self._interval, self._beat)
        try:
            # One that waits in front of the same backlog is as good as another.
            if not (self._unanswered and self._session.write_backlog):
                self._ping()
        except (SessionClosed, RuntimeError):
            # Nothing can be sent any more; or a frame is half sent, and nothing may stand in it.
            return
        if self._alarm is None:
            self._alarm = self._loop.call_later(self._timeout, self._expire)

    def _ping(self) -> None:
        # Nobody can answer it before it is sent.
        payload = os.urandom(8)
        self._session.send_nowait(Frame.ping(payload))
        self._unanswered.append((payload, time.perf_counter()))
        del self._unanswered[:-PINGS]

    def _expire(self) -> None:
        self._alarm = self._loop.call_later(GRACE, self._interrupt)

    def _interrupt(self) -> None:
        if not self._session.closed:
            self._block.interrupt()
