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
from ..session.kernel import error_of, has_ended, is_gone, probe
from ..session.session import RawWebSocketSession, Stall
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
    """What went through a relay, and how it ended.

    `frames` and `bytes` (of payload) are counted by direction, "a->b" and "b->a". `ended_first`
    is the side whose peer ended first, "a" or "b", and `reason` says how: "close" (it sent a
    Close), "end of stream" (a FIN without one), "lost" (a reset, say) or "violation" (it broke the
    protocol); `error` is the exception behind the last two. In a proxy, the sides and directions
    are both called "client" and "upstream".
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
    """Join two sessions until both have ended, and tell what went through.

    Every frame passes, in order, with its boundaries, RSV bits and payload, one of any size while
    it is still arriving: `max_frame_size` does not apply. A slow side slows the other, memory is
    bounded by `receive_limit` and the write buffers. What one peer does to its connection is done
    to the other's: a FIN (a full close, where TLS has no halves) or a reset, behind what was sent
    before. After a violation of the protocol the frames before it are flushed, both connections
    dropped, and the logger `aiohttp_rawws` says why. What `reject` lets pass passes as it stood:
    unmasked or masked, its length in a longer form, behind a Close.

    `tap(direction, frame)` is called with each frame before it goes on, `direction` being "a->b"
    or "b->a". Frames are then assembled for it, and `max_frame_size` does apply. What it raises
    ends the relay. It must not keep the loop for long.

    Towards a server frames keep the masking key they came with. `remask=True` draws fresh ones
    (RFC 6455 section 10.3): for clients that are not trusted, where something that takes the
    octets for another protocol may stand between this relay and the server.

    Once one side has ended, the other gets all that was sent for it, however slowly it reads. If
    it takes nothing for ten times `linger`, both are reset. A side that has closed one half of its
    connection may go on receiving for as long as both peers are there; over TCP its system is
    asked, so that the end of a peer that has left shows within minutes. (On Linux; elsewhere an
    end behind what is not read yet shows once that is read.)

    Neither session may be received from meanwhile; both still belong to the caller, and what is
    left of them ends as always. A relay that is cancelled leaves them as they are, except that
    one in the middle of a frame can only be ended.

    Raises TypeError for anything but sessions, ValueError for twice the same one, or two that
    have not negotiated the same extensions (frames of one mean nothing to the other).
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
    ends = Ends()
    there = Direction(a, b, names[0], directions[0], ends, tap, remask)
    back = Direction(b, a, names[1], directions[1], ends, tap, remask)
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
    passed = {direction.label: direction.passed() for direction in (there, back)}
    first, reason, error = ends.first
    return RelayStats(
        {label: frames for label, (frames, _) in passed.items()},
        {label: octets for label, (_, octets) in passed.items()},
        first,
        reason,
        error,
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


class Ends:
    """Which side ended first, and why."""

    def __init__(self) -> None:
        self.first: tuple[str, str, BaseException | None] = ("", "", None)

    def note(self, side: str, reason: str, error: BaseException | None = None) -> None:
        if not self.first[0]:
            self.first = (side, reason, error)


class Direction:
    """One direction of a relay: what `source` receives, `target` sends."""

    opposite: "Direction"

    def __init__(
        self,
        source: RawWebSocketSession,
        target: RawWebSocketSession,
        side: str,
        label: str,
        ends: Ends,
        tap: Tap | None,
        remask: bool,
    ) -> None:
        self.source = source
        self.target = target
        self.side = side
        self.label = label
        #: No more frames will come from `source`: it has sent its Close, or is gone.
        self.done = asyncio.Event()
        #: Its end of stream was passed on, too.
        self.ended = False
        self._ends = ends
        self._tap = tap
        self._remask = remask and target.masking
        # An earlier relay may have passed some on.
        frames, octets = source._passed()
        self._frames = -frames
        self._octets = -octets

    def passed(self) -> tuple[int, int]:
        """Frames, and bytes of payload."""
        frames, octets = self.source._passed()
        return self._frames + frames, self._octets + octets

    async def run(self) -> None:
        """Pass on all that comes, then the end."""
        try:
            await self._pass_all()
        except ProtocolError as error:
            await self._drop(error)
            return
        source = self.source
        if source.close_received is not None:
            self._ends.note(self.side, "close")
        await source.wait_closed()
        if not source.closed:
            self._ends.note(self.side, "end of stream")
            await self._pass_end()
        await self._wait_for_other()
        if source._lost:
            await self._pass_loss()

    async def _drop(self, error: ProtocolError) -> None:
        self._ends.note(self.side, "violation", error)
        request = self.source.request or self.target.request
        who = self.side if request is None else f"{self.side} of {describe(request)}"
        warn(request, "Relay dropped: %s broke the protocol: %s", who, error)
        await self.target._end_patiently()
        self.source.abort()

    async def _pass_end(self) -> None:
        """End the target's sending half; with TLS, which has none, its connection."""
        source, target = self.source, self.target
        if target._transport.can_write_eof():
            target.write_eof()
            self._note_end()
            if not await target._delivered():
                self._give_up()
            return
        if source.close_received is not None:
            # The reply to that Close may be on its way.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.opposite.done.wait(), target._linger)
        await target._end_patiently()
        self._note_end()

    def _note_end(self) -> None:
        self.ended = True
        self.target._changed()

    async def _wait_for_other(self) -> None:
        """Wait until the source is lost, or the other direction has passed its end, too.

        The source may have closed one half of its connection, or both. If nothing can be sent to
        it any more, the target is ended.
        """
        source, target = self.source, self.target
        sock = source.get_extra_info("socket")
        probe(sock)
        while not (source._lost or self.opposite.ended):
            # One that is closing will be lost in a moment, and then its error is known.
            if not source.closed and (is_gone(sock) or self.opposite.done.is_set()):
                await (target._reset() if error_of(sock) else target._end_patiently())
                return
            await source._change_within(END_POLL)

    async def _pass_loss(self) -> None:
        """End the target's connection as the source's was."""
        error = self.source.exception
        if error is not None:
            self._ends.note(self.side, "lost", error)
            await self.target._reset()
        else:
            self._ends.note(self.side, "end of stream")
            await self.target._end_patiently()

    async def _pass_all(self) -> None:
        try:
            await (self._pass_frames() if self._tap is None else self._show_frames(self._tap))
        finally:
            self.done.set()
            self.opposite.source._changed()

    async def _pass_frames(self) -> None:
        source, target = self.source, self.target
        as_they_stand = not self._remask and source._may_pass_to(target)
        parts = aiter(source._parts())
        while True:
            if as_they_stand and source._between_frames():
                await self._pass_octets()
            part = await anext(parts, None)
            if part is None:
                return
            self._count(part)
            # Nothing more can be sent behind a Close, or to who is lost: the other direction sees
            # how that side has ended.
            with contextlib.suppress(SessionClosed):
                target._forward(without_mask(part) if self._remask else part)
            if self._is_full():
                await self._wait_for_room()

    async def _pass_octets(self) -> None:
        """Have the frames that come go on as they stand, up to a Close or the end.

        Between two frames only. Raises ProtocolError where the source broke a rule.
        """
        source, target = self.source, self.target
        source._pass_to(target)
        try:
            while True:
                if self._is_full():
                    await self._wait_for_room()
                if (waiter := source._more()) is None:
                    return
                await waiter
        finally:
            source._pass_to(None)

    async def _show_frames(self, tap: Tap) -> None:
        target = self.target
        async for frames in self.source.batches():
            for frame in frames:
                tap(self.label, frame)
                self._count(frame)
                with contextlib.suppress(SessionClosed):
                    target._forward(without_mask(frame) if self._remask else frame)
            if self._is_full():
                await self._wait_for_room()

    def _is_full(self) -> bool:
        return self.target._write_paused and not self.target._lost

    async def _wait_for_room(self) -> None:
        """Wait while the target is full.

        Once the source has ended, a target that takes nothing any more is given up.
        """
        target = self.target
        target._uncork()
        stall: Stall | None = None
        await target._change_within(END_POLL)
        while self._is_full():
            if stall is None and self._has_ended():
                stall = Stall(target)
            if stall is not None and stall.expired():
                self._give_up()
                return
            await target._change_within(END_POLL if stall is None else target._linger / 10)

    def _has_ended(self) -> bool:
        """Ask whether the source has ended: its reading is paused, so that nobody is told."""
        source = self.source
        sock = source.get_extra_info("socket")
        probe(sock)
        return source._eof_received or source._lost or has_ended(sock)

    def _give_up(self) -> None:
        """Reset both sides: the target takes nothing any more, and the source has ended."""
        self._ends.note(self.side, "end of stream")
        logger.debug("Relay: %s ended, and the other side takes nothing any more", self.side)
        self.target.abort()
        self.source.abort()

    def _count(self, item: Frame | Piece) -> None:
        self._frames += isinstance(item, Frame) or item.last
        self._octets += len(item.payload)
