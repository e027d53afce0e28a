"""The pings of a session, and the signs of life that they ask for."""

import asyncio
import os
import time
from collections.abc import Callable

from ..session.checks import check_seconds
from ..session.kernel import has_ended
from ..session.session import RawWebSocketSession
from ..session.traffic import traffic_of
from ..wire.errors import SessionClosed
from ..wire.frames import Frame

__all__ = ("Pulse",)

#: The number of unanswered pings that are remembered.
PINGS = 64
#: The time after the timeout in which a sign of life still counts, in seconds. A loop that was held
#: up runs its timers before it reads what came meanwhile. It has to read that first.
GRACE = 0.01


class Pulse:
    """Pings a session from `start` to `stop`, and calls `over` at most once.

    `over` is called when the peer was silent for `timeout` seconds after a ping (`silent` is True
    then), or when the peer has ended `timeout` seconds ago. `layers.Heartbeat` explains both.
    """

    __slots__ = (
        "_alarm",
        "_asked",
        "_ended",
        "_interval",
        "_loop",
        "_next",
        "_over",
        "_seen",
        "_session",
        "_timeout",
        "_unanswered",
        "rtt",
        "silent",
    )

    def __init__(
        self,
        session: RawWebSocketSession,
        interval: float,
        timeout: float,
        over: Callable[[], object],
    ) -> None:
        check_seconds("interval", interval, positive=True)
        check_seconds("timeout", timeout, positive=True)
        self._session = session
        self._interval = interval
        self._timeout = timeout
        self._over = over
        # The timer of the next Ping. It is set while the pulse runs, and else None.
        self._next: asyncio.TimerHandle | None = None
        # The timer that calls `over`. It runs from the first Ping after a sign of life, or from
        # the end of the peer.
        self._alarm: asyncio.TimerHandle | None = None
        self._ended = False
        # True if the last Ping that was due could be sent.
        self._asked = True
        # The payloads of unanswered pings and the times they were sent, oldest first.
        self._unanswered: list[tuple[bytes, float]] = []
        #: True if the peer was silent.
        self.silent = False
        #: The seconds from the last answered Ping to its Pong, None before the first.
        self.rtt: float | None = None

    @property
    def running(self) -> bool:
        return self._next is not None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = self.silent = False
        self._asked = True
        if not self._session.closed:
            self._seen = traffic_of(self._session)
        self._next = self._loop.call_later(self._interval, self._beat)
        self._session.add_end_callback(self._end)

    def stop(self) -> None:
        self._session.remove_end_callback(self._end)
        self._cancel_timers()
        self._next = None

    def answered(self, payload: bytes) -> None:
        """Note the payload of a received Pong."""
        for number, (sent, moment) in enumerate(self._unanswered):
            if sent == payload:
                self.rtt = time.perf_counter() - moment
                # Section 5.5.3: a peer may leave earlier pings unanswered.
                del self._unanswered[: number + 1]
                return
        # Section 5.5.3: a Pong that answers nothing is legal.

    def verdict(self) -> TimeoutError:
        """Return the error that tells of the silence."""
        after = "after a ping" if self._asked else "and could not be pinged"
        return TimeoutError(f"the peer was silent for {self._timeout:g} s {after}")

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
        """Send a Ping. Return False if none can be sent."""
        if self._unanswered and self._session.write_backlog:
            # A Ping waits in this backlog already, and a second one would tell no more.
            return True
        payload = os.urandom(8)
        try:
            self._session.send_nowait(Frame.ping(payload))
        except (SessionClosed, RuntimeError):
            # Nothing can be sent any more, or a frame in pieces is not complete.
            return False
        self._unanswered.append((payload, time.perf_counter()))
        del self._unanswered[:-PINGS]
        return True

    def _is_alive(self) -> bool:
        """Tell whether there was a sign of life since the last call."""
        before, now = self._seen, traffic_of(self._session)
        self._seen = now
        # Bytes that the peer's system takes at once are no sign: it takes our pings, too.
        taking = now.taken > before.taken and (before.waiting or not self._asked)
        return taking or now.received > before.received or self._session.reading_paused

    def _expire(self) -> None:
        self._set_alarm(GRACE, self._judge)

    def _judge(self) -> None:
        self._alarm = None
        if self._session.peer_ended:
            self._end()
        elif not self._is_alive():
            self.silent = True
            self._over()
        # Otherwise the time runs from the next Ping on.

    def _end(self) -> None:
        """Note that the peer has ended. The session may call this after `stop`, too."""
        if self._next is not None and not self._ended:
            self._ended = True
            self._cancel_timers()
            self._set_alarm(self._timeout, self._over)

    def _set_alarm(self, delay: float, callback: Callable[[], object]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_later(delay, callback)

    def _cancel_timers(self) -> None:
        for timer in (self._next, self._alarm):
            if timer is not None:
                timer.cancel()
        self._alarm = None
