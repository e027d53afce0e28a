"""The pings of aiohttp's `heartbeat`: only a peer that is silent is pinged."""

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import WSMsgType

from ..session.session import RawWebSocketSession
from ..session.traffic import Traffic, traffic_of
from .sending import Sending

__all__ = ("Heartbeat",)

#: How often the bytes are looked at, in each interval.
LOOKS = 8
#: The time after the last look in which a sign of life still counts, in seconds. A loop that was
#: held up runs its timers before it reads what came meanwhile.
GRACE = 0.01


class Heartbeat:
    """Pings a peer that was silent for `interval` seconds, and waits half as long for any byte.

    A Ping is sent up to an eighth of `interval` later. Bytes that the peer takes are signs of life,
    too. `failed` is called with the error of a Ping that could not be sent, or of the silence.
    """

    def __init__(
        self,
        session: RawWebSocketSession,
        interval: float,
        sending: Sending,
        failed: Callable[[BaseException], object],
    ) -> None:
        self._session = session
        self._interval = interval
        self._sending = sending
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        # The bytes that have come, and the time of the last one, as far as they were looked at.
        self._received = session.bytes_received
        self._alive = self._loop.time()
        # The Ping that has to wait, and the bytes that had moved when it was sent.
        self._ping: asyncio.Task[None] | None = None
        self._before: Traffic | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def stop(self) -> None:
        """End, also in the middle of a Ping that has to wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ping is not None:
            self._ping.cancel()
            self._ping = None

    def _set_timer(self, delay: float, callback: Callable[[], object]) -> None:
        self._timer = self._loop.call_later(delay, callback)

    def _look(self) -> None:
        if self._session.closed:
            # Whoever receives is told.
            return
        now = self._loop.time()
        if self._has_received():
            self._alive = now
        due = self._alive + self._interval - now
        if due <= 0:
            self._ask()
        else:
            self._set_timer(min(due, self._interval / LOOKS), self._look)

    def _has_received(self) -> bool:
        """Tell whether bytes have come since the last call, or wait in the system."""
        before, self._received = self._received, self._session.bytes_received
        return self._received > before or self._session.reading_paused

    def _ask(self) -> None:
        """Send a Ping, and wait for a sign of life."""
        # What comes from now on counts as if it came now.
        self._alive = self._loop.time()
        self._before = traffic_of(self._session)
        if self._ping is None:
            self._ping = self._loop.create_task(self._sending.send_frame(b"", WSMsgType.PING))
            self._ping.add_done_callback(self._note_ping)
        self._set_timer(self._interval / 2, self._expire)

    def _note_ping(self, task: "asyncio.Task[None]") -> None:
        self._ping = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _expire(self) -> None:
        if self._has_received() or self._session.closed:
            self._look()
        else:
            self._set_timer(GRACE, self._judge)

    def _judge(self) -> None:
        if self._has_received() or self._session.closed or self._has_taken():
            self._look()
        else:
            self._failed(self._silence())

    def _silence(self) -> BaseException:
        kind = aiohttp.ServerTimeoutError if self._session.is_client else asyncio.TimeoutError
        return kind(f"No PONG received after {self._interval / 2} seconds")

    def _has_taken(self) -> bool:
        """Tell whether the peer has taken some of what waited for it since the Ping."""
        before, now = self._before, traffic_of(self._session)
        assert before is not None
        # Bytes that the peer's system takes at once are no sign: it takes our pings, too.
        return before.waiting and now.taken > before.taken
