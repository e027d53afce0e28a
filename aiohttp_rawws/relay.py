"""Two sessions joined so that neither peer can tell that it does not speak to the other.

Each direction passes on what its source receives, and at last how that ended: a Close as the
frame it is, a FIN as a FIN, a reset as a reset. Nothing is answered and nothing made up.

Where nobody looks at the payloads, frames are only checked, inside the read callback, and their
octets go on as they came, under the masking key they came with: no task runs, nothing is copied.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .errors import ProtocolError, SessionClosed
from .frames import Frame, Piece, without_mask
from .session import RawWebSocketSession

__all__ = ("RelayStats", "Tap", "check_tap", "join", "relay")

logger = logging.getLogger("aiohttp_rawws")

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
        # It can still be lost while the other direction goes on.
        while not (source._lost or self.opposite.ended):
            await source._change()
        if source._lost:
            await self._pass_loss()

    async def _drop(self, error: ProtocolError) -> None:
        self._ends.note(self.side, "violation", error)
        logger.warning("Relay dropped: %s broke the protocol: %s", self.side, error)
        await self.target._end()
        self.source.abort()

    async def _pass_end(self) -> None:
        """End the target's sending half; with TLS, which has none, its connection."""
        target = self.target
        if target._transport.can_write_eof():
            target.write_eof()
        else:
            if self.source.close_received is not None:
                # The reply to that Close may be on its way.
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.opposite.done.wait(), target._linger)
            await target._end_patiently()
        self.ended = True
        target._changed()

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

    async def _pass_frames(self) -> None:
        source, target = self.source, self.target
        as_they_stand = not self._remask and source._may_pass_to(target)
        parts = aiter(source._parts())
        while True:
            if as_they_stand and source._between_frames():
                await source._pass_frames(target)
            part = await anext(parts, None)
            if part is None:
                return
            self._count(part)
            # Nothing more can be sent behind a Close, or to who is lost: the other direction sees
            # how that side has ended.
            with contextlib.suppress(SessionClosed):
                target._forward(without_mask(part) if self._remask else part)
                if target._write_paused:
                    await target.drain()

    async def _show_frames(self, tap: Tap) -> None:
        target = self.target
        async for frames in self.source.batches():
            for frame in frames:
                tap(self.label, frame)
                self._count(frame)
                with contextlib.suppress(SessionClosed):
                    target._forward(without_mask(frame) if self._remask else frame)
            with contextlib.suppress(SessionClosed):
                await target.drain()

    def _count(self, item: Frame | Piece) -> None:
        self._frames += isinstance(item, Frame) or item.last
        self._octets += len(item.payload)
