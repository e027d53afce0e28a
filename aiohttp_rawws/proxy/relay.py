"""Two sessions joined so that neither peer can tell that it does not speak to the other.

Each direction passes on what its source receives, and at last how that ended: a Close as the
frame it is, a FIN as a FIN, a reset as a reset. Nothing is answered and nothing made up.

Where nobody looks at the payloads, frames are only checked, inside the read callback, and their
octets go on as they came, under the masking key they came with: no task runs, nothing is copied.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..server.logs import describe, logger, warn
from ..session.ending import Stall, delivered, end_patiently, peer_end, reset
from ..session.kernel import error_of, has_ended, is_gone, probe
from ..session.session import RawWebSocketSession, Stream, connection_of
from ..wire.errors import ProtocolError, SessionClosed
from ..wire.frames import Frame, without_mask
from ..wire.pieces import Piece

__all__ = ("RelayStats", "Tap", "check_tap", "join", "relay")

#: How often a side that may have ended unseen is asked, in seconds.
END_POLL = 1.0

#: Called with the direction and each frame that takes it.
Tap: TypeAlias = Callable[[str, Frame], object]


@dataclass(frozen=True, slots=True)
class RelayStats:
    """The result of a relay.

    - `frames` and `bytes`: how many frames, and bytes of payload, have passed in each direction,
      "a->b" and "b->a".
    - `ended_first`: the side whose peer ended first, "a" or "b".
    - `reason`: how that peer ended. "close": it sent a Close. "end of stream": a FIN without one.
      "lost": its connection was lost, by a reset for example. "violation": it broke the protocol.
    - `error`: the exception of a loss or a violation, else None.

    In a proxy the sides and the directions are both called "client" and "upstream".
    """

    frames: dict[str, int]
    bytes: dict[str, int]
    ended_first: str
    reason: str
    error: BaseException | None


async def relay(
    a: RawWebSocketSession,
    b: RawWebSocketSession,
    *,
    tap: Tap | None = None,
    remask: bool = False,
) -> RelayStats:
    """Join two sessions until both have ended.

    Every frame passes, in order, with its boundaries, RSV bits and payload. A frame of any size
    passes while it is still arriving: `max_frame_size` does not apply. A slow side slows the other.
    `receive_limit` and the write buffers bound the memory.

    The end of one peer's connection becomes the end of the other's, behind all that was sent
    before: a FIN is a FIN (a full close over TLS, which has no halves), a reset is a reset. After a
    violation of the protocol the frames before it are flushed, both connections are dropped, and
    the logger `aiohttp_rawws` tells the reason. Frames that `reject` lets pass go on as they stood:
    unmasked or masked, with a longer form of their length, behind a Close.

    - `tap(direction, frame)` is called with each frame before it goes on. `direction` is "a->b" or
      "b->a". Frames are assembled for it, so `max_frame_size` applies. An exception of the tap ends
      the relay. It must not keep the loop for long.
    - `remask=True` gives the frames towards a server fresh masking keys. By default they keep the
      keys they came with. Ask for it where clients are not trusted, and something may stand before
      the server that takes the octets for another protocol (RFC 6455 section 10.3).

    Once one side has ended, the other gets all that was sent for it, however slowly it reads. If it
    takes nothing for ten times `linger`, both are reset. A side that has closed one half of its
    connection may receive for as long as both peers are there. Over TCP its system is asked, so
    that a peer that has left is noticed within minutes. (This holds on Linux. Elsewhere an end that
    stands behind unread input is noticed once the input is read.)

    Neither session may be received from meanwhile. Both still belong to the caller, who ends them.
    A relay that is cancelled leaves them as they are, except that a session in the middle of a
    frame can only be ended.

    Raises TypeError for anything but sessions, ValueError for the same session twice, and for
    sessions that have not negotiated the same extensions: frames of one mean nothing to the other.
    """
    return await join(a, b, tap=tap, remask=remask, names=("a", "b"), directions=("a->b", "b->a"))


async def join(
    a: RawWebSocketSession,
    b: RawWebSocketSession,
    *,
    tap: Tap | None,
    remask: bool,
    names: tuple[str, str],
    directions: tuple[str, str],
) -> RelayStats:
    """`relay`, with names for the two sides and the two directions."""
    check_sessions(a, b)
    check_tap(tap)
    first_end = FirstEnd()
    there = Direction(a, b, names[0], directions[0], first_end, tap, remask)
    back = Direction(b, a, names[1], directions[1], first_end, tap, remask)
    there.opposite, back.opposite = back, there
    tasks = [asyncio.ensure_future(direction.run()) for direction in (there, back)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Nothing of a relay waits for the garbage collector.
        del there.opposite, back.opposite
    return RelayStats(
        {direction.label: direction.frames for direction in (there, back)},
        {direction.label: direction.octets for direction in (there, back)},
        first_end.side,
        first_end.reason,
        first_end.error,
    )


def check_sessions(a: RawWebSocketSession, b: RawWebSocketSession) -> None:
    for session in (a, b):
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"relay takes two sessions, got {session!r}")
    if a is b:
        raise ValueError("relay takes two different sessions, got the same one twice")
    if a.extensions != b.extensions:
        raise ValueError(
            "the two sessions have not negotiated the same extensions: "
            f"{a.extensions!r} and {b.extensions!r}"
        )


def check_tap(tap: object) -> None:
    if tap is not None and (not callable(tap) or inspect.iscoroutinefunction(tap)):
        raise TypeError(f"tap must be a plain function of a direction and a frame, got {tap!r}")


class FirstEnd:
    """The side that ended first, and the reason."""

    def __init__(self) -> None:
        self.side = ""
        self.reason = ""
        self.error: BaseException | None = None

    def note(self, side: str, reason: str, error: BaseException | None = None) -> None:
        """Note that a side has ended. Later ends are ignored."""
        if not self.side:
            self.side, self.reason, self.error = side, reason, error


class Direction:
    """One direction of a relay: the target sends what the source receives."""

    opposite: "Direction"

    def __init__(
        self,
        source: RawWebSocketSession,
        target: RawWebSocketSession,
        side: str,
        label: str,
        first_end: FirstEnd,
        tap: Tap | None,
        remask: bool,
    ) -> None:
        self.label = label
        #: How many frames, and bytes of payload, have passed.
        self.frames = 0
        self.octets = 0
        #: No more frames will come from the source: it has sent its Close, or is gone.
        self.done = asyncio.Event()
        #: The source's end of stream was passed on, too.
        self.ended = False
        self._request = source.request or target.request
        self._source = connection_of(source)
        self._target = connection_of(target)
        self._side = side
        self._first_end = first_end
        self._tap = tap
        self._remask = remask and target.masking

    async def run(self) -> None:
        """Pass on all that comes, then the end."""
        try:
            await self._pass_all()
        except ProtocolError as error:
            await self._drop(error)
            return
        source = self._source
        if source.receiver.close_received is not None:
            self._first_end.note(self._side, "close")
        await peer_end(source)
        if not source.link.is_gone():
            self._first_end.note(self._side, "end of stream")
            await self._pass_end()
        await self._wait_for_other()
        if source.link.lost:
            await self._pass_loss()

    # -- frames ----------------------------------------------------------------------------

    async def _pass_all(self) -> None:
        try:
            await (self._pass_frames() if self._tap is None else self._show_frames(self._tap))
        finally:
            self.done.set()
            self.opposite.notify()

    async def _pass_frames(self) -> None:
        source, receiver = self._source, self._source.receiver
        as_they_stand = not self._remask and source.reader.may_forward_to(self._target.sender)
        parts: Stream[Frame | Piece] = Stream(receiver, receiver.take_part, source)
        while True:
            if as_they_stand and source.reader.parser.is_between_frames:
                await self._forward_octets()
            part = await anext(parts, None)
            if part is None:
                return
            self._forward(part)
            if self._is_full():
                await self._wait_for_room()

    async def _forward_octets(self) -> None:
        """Have the frames that come go on as they stand, up to a Close or the end.

        Only between two frames. Raises ProtocolError where the source broke a rule.
        """
        source = self._source
        source.receiver.refuse_second()
        forwarding = source.reader.forward_to(self._target.sender)
        try:
            while True:
                if self._is_full():
                    await self._wait_for_room()
                if (waiter := source.receiver.more()) is None:
                    return
                await waiter
        finally:
            source.reader.stop_forwarding()
            # A frame counts once it is whole.
            self.frames += forwarding.frames - (source.reader.parser.left > 0)
            self.octets += forwarding.octets

    async def _show_frames(self, tap: Tap) -> None:
        receiver = self._source.receiver
        async for frames in Stream(receiver, receiver.take_all, self._source):
            for frame in frames:
                tap(self.label, frame)
                self._forward(frame)
            if self._is_full():
                await self._wait_for_room()

    def _forward(self, item: Frame | Piece) -> None:
        self.frames += isinstance(item, Frame) or item.last
        self.octets += len(item.payload)
        # Nothing more can be sent behind a Close, or to who is lost: the other direction sees
        # how that side has ended.
        with contextlib.suppress(SessionClosed):
            self._target.sender.forward(without_mask(item) if self._remask else item)

    # -- room ------------------------------------------------------------------------------

    def _is_full(self) -> bool:
        return self._target.writer.paused and not self._target.link.lost

    async def _wait_for_room(self) -> None:
        """Wait while the target is full.

        Once the source has ended, a target that takes nothing any more is given up.
        """
        target = self._target
        target.flush()
        stall: Stall | None = None
        await target.changes.wait_within(END_POLL)
        while self._is_full():
            if stall is None and self._source_has_ended():
                stall = Stall(target)
            if stall is not None and stall.has_expired():
                self._give_up()
                return
            await target.changes.wait_within(END_POLL if stall is None else target.linger / 10)

    def _source_has_ended(self) -> bool:
        """Ask the system whether the source has ended. Its reading is paused: nobody is told."""
        source = self._source
        sock = source.link.get_extra_info("socket")
        probe(sock)
        return source.reader.eof_received or source.link.lost or has_ended(sock)

    def _give_up(self) -> None:
        """Reset both sides: the target takes nothing any more, and the source has ended."""
        self._first_end.note(self._side, "end of stream")
        logger.debug("Relay: %s ended, and the other side takes nothing any more", self._side)
        self._target.abort()
        self._source.abort()

    # -- the end ---------------------------------------------------------------------------

    def notify(self) -> None:
        """Have this direction look again how the other one stands."""
        self._source.changes.notify()

    async def _drop(self, error: ProtocolError) -> None:
        self._first_end.note(self._side, "violation", error)
        request = self._request
        who = self._side if request is None else f"{self._side} of {describe(request)}"
        warn(request, "Relay dropped: %s broke the protocol: %s", who, error)
        await end_patiently(self._target)
        self._source.abort()

    async def _pass_end(self) -> None:
        """End the target's sending half; with TLS, which has none, its connection."""
        source, target = self._source, self._target
        if target.link.transport.can_write_eof():
            target.write_eof()
            self._note_end()
            if not await delivered(target):
                self._give_up()
            return
        if source.receiver.close_received is not None:
            # The reply to that Close may be on its way.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.opposite.done.wait(), target.linger)
        await end_patiently(target)
        self._note_end()

    def _note_end(self) -> None:
        self.ended = True
        self.opposite.notify()

    async def _wait_for_other(self) -> None:
        """Wait until the source is lost, or the other direction has passed its end, too.

        The source may have closed one half of its connection, or both. If nothing can be sent to
        it any more, the target is ended.
        """
        source, target = self._source, self._target
        sock = source.link.get_extra_info("socket")
        probe(sock)
        while not (source.link.lost or self.opposite.ended):
            # One that is closing will be lost in a moment, and then its error is known.
            if not source.link.is_gone() and (is_gone(sock) or self.opposite.done.is_set()):
                await (reset(target) if error_of(sock) else end_patiently(target))
                return
            await source.changes.wait_within(END_POLL)

    async def _pass_loss(self) -> None:
        """End the target's connection as the source's was."""
        error = self._source.link.exception
        if error is not None:
            self._first_end.note(self._side, "lost", error)
            await reset(self._target)
        else:
            self._first_end.note(self._side, "end of stream")
            await end_patiently(self._target)
