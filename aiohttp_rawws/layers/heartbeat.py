"""Pings that find out if a peer is still there."""

import asyncio
import os
import time
from collections.abc import Callable
from types import TracebackType

from ..session.cancel_scope import CancelScope
from ..session.checks import check_seconds
from ..session.kernel import has_ended
from ..session.session import RawWebSocketSession
from ..session.traffic import traffic_of
from ..wire.arguments import not_a_frame, shown
from ..wire.errors import EndOfStream, SessionClosed
from ..wire.frames import Frame
from ..wire.names import Opcode
from ..wire.pieces import Piece

__all__ = ("Heartbeat",)

PONG = Opcode.PONG
#: The number of unanswered pings that are remembered.
PINGS = 64
#: The time after the timeout in which a sign of life still counts, in seconds. A loop that was held
#: up runs its timers before it reads what came meanwhile. It has to read that first.
GRACE = 0.01


class Heartbeat:
    """A block that pings, and ends when the peer is silent, or gone.

        async with Heartbeat(session, interval=20, timeout=10) as heartbeat:
            async for frame in session:
                heartbeat.feed(frame)

    A Ping is sent every `interval` seconds. If the peer gives no sign of life for `timeout` seconds
    after a Ping, the block is interrupted, as by `asyncio.timeout`, and raises TimeoutError. A sign
    of life is any byte that comes, whether or not it was received as a frame, and any byte that
    leaves of those that had to wait for the peer.

    Where no Ping can be sent, the time runs as if one had been: after a Close of ours, after
    `write_eof`, and within a frame that is sent in pieces. There every byte that the peer takes
    is a sign of life.

    The block raises EndOfStream if it still runs `timeout` seconds after the peer has ended
    (`session.peer_ended`). That is the time to read and handle what came before. After the end no
    Ping is sent, and no silence is told of.

    While `receive_limit` holds reading back (`session.reading_paused`), nothing is known of the
    peer, and no silence is told of. The end of its stream is seen at the next Ping, where the
    system tells (Linux).

    The session is left as it is: a heartbeat closes nothing. At most one Ping waits behind unsent
    bytes. `feed` matches pongs to pings, for `rtt`.

    TypeError or ValueError unless `interval` and `timeout` are positive numbers. RuntimeError if
    the block is entered twice at a time.
    """

    __slots__ = (
        "_alarm",
        "_asked",
        "_block",
        "_ended",
        "_interval",
        "_loop",
        "_next",
        "_rtt",
        "_seen",
        "_session",
        "_silent",
        "_timeout",
        "_unanswered",
    )

    def __init__(self, session: RawWebSocketSession, interval: float, timeout: float) -> None:
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"Heartbeat takes a session, got {shown(session)}")
        check_seconds("interval", interval, positive=True)
        check_seconds("timeout", timeout, positive=True)
        self._session = session
        self._interval = interval
        self._timeout = timeout
        self._block = CancelScope()
        # The timer of the next Ping. It is set inside the block, and None outside.
        self._next: asyncio.TimerHandle | None = None
        # The timer that ends the block. It runs from the first Ping after a sign of life, or from
        # the end of the peer.
        self._alarm: asyncio.TimerHandle | None = None
        self._ended = False
        self._silent = False
        # True if the last Ping that was due could be sent.
        self._asked = True
        # The payloads of unanswered pings and the times they were sent, oldest first.
        self._unanswered: list[tuple[bytes, float]] = []
        self._rtt: float | None = None

    @property
    def rtt(self) -> float | None:
        """The seconds from the last answered Ping to its Pong, None before the first."""
        return self._rtt

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
        """Note a received Pong. Any other frame or piece may be fed, and changes nothing."""
        if not isinstance(frame, (Frame, Piece)):
            raise not_a_frame("feed", frame, pieces=True)
        if frame.opcode is PONG:
            self._answered(frame.payload)

    def _answered(self, payload: bytes) -> None:
        for number, (sent, moment) in enumerate(self._unanswered):
            if sent == payload:
                self._rtt = time.perf_counter() - moment
                # Section 5.5.3: a peer may leave earlier pings unanswered.
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
            self._silent = True
            self._block.cancel()
        # Otherwise the time runs from the next Ping on.

    def _end(self) -> None:
        """Note that the peer has ended. The session may call this after the block, too."""
        if self._next is not None and not self._ended:
            self._ended = True
            self._cancel_timers()
            self._set_alarm(self._timeout, self._block.cancel)

    def _set_alarm(self, delay: float, callback: Callable[[], None]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_later(delay, callback)

    def _cancel_timers(self) -> None:
        for timer in (self._next, self._alarm):
            if timer is not None:
                timer.cancel()
        self._alarm = None
