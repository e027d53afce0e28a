"""One direction of a relay: what one side sends goes to the other, and so does its end.

Where nobody looks at the payloads, frames are only checked, inside the read callback, and their
octets go on as they came, under the masking key they came with: no task runs, nothing is copied.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from ..server.logs import describe, logger, warn
from ..session.connection import Connection
from ..session.ending import Stall, delivered, end_patiently, peer_end, reset
from ..session.kernel import error_of, has_ended, is_gone, probe
from ..session.session import RawWebSocketSession, Stream, connection_of
from ..session.traffic import traffic_of
from ..wire.errors import ProtocolError, SessionClosed
from ..wire.frames import Frame, without_mask
from ..wire.names import CloseCode
from ..wire.pieces import Piece
from .beginnings import Beginnings
from .clocks import Heart
from .edit import EndRelay, edited
from .plan import Edit, Farewell, Plan

__all__ = ("Direction", "Farewells", "FirstEnd")

#: How often a side that may have ended unseen is asked, in seconds.
END_POLL = 1.0


class Farewells(Exception):
    """The relay ends with a Close to each side."""

    def __init__(
        self, source: Connection, to_source: Farewell, target: Connection, to_target: Farewell
    ) -> None:
        super().__init__()
        self.closes = ((source, to_source), (target, to_target))


class FirstEnd:
    """The side that ended first, and the reason."""

    def __init__(self) -> None:
        self.side = ""
        self.reason = ""
        self.error: BaseException | None = None

    def note(self, side: str, reason: str, error: BaseException | None = None) -> None:
        """Note that a side has ended. Later ends are ignored."""
        if not self.reason:
            self.side, self.reason, self.error = side, reason, error


def show_function(plan: Plan, label: str) -> "Callable[[Any], object] | None":
    """Return what shows the tap each frame or piece of a direction, None without a tap."""
    if plan.tap is None:
        return None
    if plan.tap_limit is None:
        return partial(plan.tap, label)
    return Beginnings(plan.tap, label, plan.tap_limit).show


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
        plan: Plan,
    ) -> None:
        self.label = label
        #: How many frames, and bytes of payload, have passed.
        self.frames = 0
        self.octets = 0
        #: No more frames will come from the source: it has sent its Close, or is gone.
        self.done = asyncio.Event()
        #: The source's end of stream was passed on, too.
        self.ended = False
        self._session = source
        self._request = source.request or target.request
        self._source = connection_of(source)
        self._target = connection_of(target)
        self._side = side
        self._first_end = first_end
        self._plan = plan
        self._show = show_function(plan, label)
        self._remask = plan.remask and target.masking
        #: The pings to the source, whose pongs do not pass.
        self.heart = None if plan.heartbeat is None else Heart(source, side)

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

    def counters(self) -> tuple[int, ...]:
        """Return numbers that change whenever a byte moves, but for the relay's own pings."""
        if self.heart is not None:
            return self.frames, self.octets, self._target.writer.waiting()
        return tuple(traffic_of(self._session)[:2])

    # -- frames ----------------------------------------------------------------------------

    async def _pass_all(self) -> None:
        try:
            if self._plan.edit is not None or (
                self._plan.tap is not None and self._plan.tap_limit is None
            ):
                await self._pass_whole_frames()
            else:
                await self._pass_parts()
        finally:
            self.done.set()
            self.opposite.notify()

    async def _pass_parts(self) -> None:
        source, receiver = self._source, self._source.receiver
        show = self._show
        as_they_stand = (
            show is None
            and self.heart is None
            and not self._remask
            and source.reader.may_forward_to(self._target.sender)
        )
        parts: Stream[Frame | Piece] = Stream(receiver, receiver.take_part, source)
        while True:
            if as_they_stand and source.reader.parser.is_between_frames:
                await self._forward_octets()
            part = await anext(parts, None)
            if part is None:
                return
            if self._is_own_pong(part):
                continue
            if show is not None:
                show(part)
            self._forward(part)
            if self._is_full():
                await self._wait_for_room()

    def _is_own_pong(self, item: Frame | Piece) -> bool:
        return self.heart is not None and isinstance(item, Frame) and self.heart.takes(item)

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

    async def _pass_whole_frames(self) -> None:
        receiver, show = self._source.receiver, self._show
        async for frames in Stream(receiver, receiver.take_all, self._source):
            for frame in frames:
                if self._is_own_pong(frame):
                    continue
                if show is not None:
                    show(frame)
                if self._plan.edit is None:
                    self._forward(frame)
                else:
                    await self._forward_edited(self._plan.edit, frame)
            if self._is_full():
                await self._wait_for_room()

    async def _forward_edited(self, edit: Edit, frame: Frame) -> None:
        try:
            for each in await edited(edit, self.label, frame):
                self._forward(each)
        except EndRelay as end:
            sender, other = (end.code, end.reason), end.other
            self._first_end.note(self._side, "edit")
            raise Farewells(self._source, sender, self._target, other) from end
        except Exception as error:
            who = "a relay" if self._request is None else describe(self._request)
            logger.exception("The edit of %s failed at a frame of %s", who, self._side)
            self._first_end.note(self._side, "edit", error)
            failed = (CloseCode.INTERNAL_ERROR, "")
            raise Farewells(self._source, failed, self._target, failed) from error

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
