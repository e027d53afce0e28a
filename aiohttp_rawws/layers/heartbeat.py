"""Pings that find out if a peer is still there."""

from types import TracebackType

from ..session.cancel_scope import CancelScope
from ..session.session import RawWebSocketSession
from ..wire.arguments import not_a_frame, shown
from ..wire.errors import EndOfStream
from ..wire.frames import Frame
from ..wire.names import Opcode
from ..wire.pieces import Piece
from .pulse import Pulse

__all__ = ("Heartbeat",)

PONG = Opcode.PONG


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

    __slots__ = ("_block", "_pulse", "_timeout")

    def __init__(self, session: RawWebSocketSession, interval: float, timeout: float) -> None:
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"Heartbeat takes a session, got {shown(session)}")
        self._block = CancelScope()
        self._pulse = Pulse(session, interval, timeout, self._block.cancel)
        self._timeout = timeout

    @property
    def rtt(self) -> float | None:
        """The seconds from the last answered Ping to its Pong, None before the first."""
        return self._pulse.rtt

    async def __aenter__(self) -> "Heartbeat":
        if self._pulse.running:
            raise RuntimeError("this heartbeat is running already")
        self._block.__enter__()
        self._pulse.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pulse.stop()
        if not self._block.__exit__(kind, error, traceback):
            return
        if self._pulse.silent:
            raise self._pulse.verdict() from error
        raise EndOfStream(f"the peer ended {self._timeout:g} s ago") from error

    def feed(self, frame: Frame | Piece) -> None:
        """Note a received Pong. Any other frame or piece may be fed, and changes nothing."""
        if not isinstance(frame, (Frame, Piece)):
            raise not_a_frame("feed", frame, pieces=True)
        if frame.opcode is PONG:
            self._pulse.answered(frame.payload)
