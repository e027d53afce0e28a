"""The way of the frames of one direction: as they stand, in parts, or whole.

Where nobody looks at the payloads, frames are only checked, inside the read callback, and their
octets go on as they came, under the masking key they came with: no task runs, nothing is copied.
"""

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from ..session.session import RawWebSocketSession, Stream, connection_of
from ..wire.frames import Frame
from ..wire.pieces import Piece
from .backpressure import Backpressure
from .beginnings import Beginnings
from .clocks import Heart
from .compression import Compression, inflating
from .edit import frames_of
from .injection import Injection
from .messages import Joiner
from .plan import Plan
from .target import Target

__all__ = ("EditEnded", "Pipeline")

#: After so many bytes were inflated the loop runs.
BREATH = 2**20


class EditEnded(Exception):
    """The `edit` of a relay has raised `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Pipeline:
    """Takes the frames of one side, has them shown and changed, and sends them to the other."""

    def __init__(
        self,
        source: RawWebSocketSession,
        target: Target,
        label: str,
        plan: Plan,
        compression: Compression | None,
        heart: Heart | None,
        backpressure: Backpressure,
        injection: Injection | None,
    ) -> None:
        self._source = connection_of(source)
        self._target = target
        self._label = label
        self._heart = heart
        self._backpressure = backpressure
        self._injection = injection
        self._inflate = inflating(source, compression, target.compression)
        self._inflated = 0
        self._show = show_function(plan, label)
        self._join = Joiner(source).join if plan.messages else None
        self._edit = plan.edit
        is_compressed = compression is not None or target.compression is not None
        self._is_whole = plan.takes_whole_frames or is_compressed

    async def run(self) -> None:
        """Pass on all frames that come.

        Raise ProtocolError where the source broke a rule, EditEnded if `edit` raises.
        """
        if self._is_whole:
            await self._pass_whole()
        else:
            await self._pass_parts()

    # -- octets, and frames in parts ---------------------------------------------------------

    async def _pass_parts(self) -> None:
        source, show, injection = self._source, self._show, self._injection
        as_they_stand = (
            show is None
            and self._heart is None
            and not self._target.remasks
            and source.reader.may_forward_to(self._target.sender)
        )
        parts: Stream[Frame | Piece] = Stream(source.receiver, source.receiver.take_part, source)
        while True:
            if (
                as_they_stand
                and source.reader.parser.is_between_frames
                and not (injection is not None and injection.is_wanted)
                and await self._forward_octets()
            ):
                await self._make_room()
                continue
            part = await anext(parts, None)
            if part is None:
                return
            if self._is_own_pong(part):
                continue
            if show is not None:
                show(part)
            self._target.forward(part)
            await self._make_room()

    async def _forward_octets(self) -> bool:
        """Have the frames that come go on as they stand, up to a Close or the end.

        Only between two frames. Returns True if something else asked for the end of it, between
        two frames. Raises ProtocolError where the source broke a rule.
        """
        source, target = self._source, self._target
        source.receiver.refuse_second()
        forwarding = source.reader.forward_to(target.sender)
        try:
            while source.reader.parser.forwarding is not None:
                if self._backpressure.is_full():
                    await self._backpressure.wait()
                if (waiter := source.receiver.more()) is None:
                    return False
                await waiter
            return True
        finally:
            source.reader.stop_forwarding()
            # A frame counts once it is whole.
            target.frames += forwarding.frames - (source.reader.parser.left > 0)
            target.octets += forwarding.octets

    def _is_own_pong(self, item: Frame | Piece) -> bool:
        return self._heart is not None and isinstance(item, Frame) and self._heart.takes(item)

    async def _make_room(self) -> None:
        """Wait while the target is full. Then frames of the caller's own may go."""
        if self._inflated >= BREATH:
            self._inflated = 0
            await asyncio.sleep(0)
        if self._backpressure.is_full():
            await self._backpressure.wait()
        if self._injection is not None and self._injection.is_wanted:
            self._injection.send_waiting()

    # -- whole frames ------------------------------------------------------------------------

    async def _pass_whole(self) -> None:
        receiver, writer = self._source.receiver, self._target.connection.writer
        edit, label, forward = self._edit, self._label, self._target.forward
        steps = (self._heart, self._inflate, self._show, self._join)
        prepare = self._prepare if any(step is not None for step in steps) else None
        while True:
            taken = receiver.take()
            if taken is None:
                if (waiter := receiver.more()) is None:
                    return
                await waiter
                continue
            frame = taken if prepare is None else prepare(taken)
            if frame is None:
                continue
            if edit is None:
                forward(frame)
            else:
                try:
                    result = edit(label, frame)
                    if result is None:
                        forward(frame)
                    elif isinstance(result, Frame) and not frame.is_control:
                        forward(result)
                    else:
                        if inspect.isawaitable(result):
                            result = await result
                        for each in frames_of(edit, result, frame):
                            forward(each)
                except Exception as error:
                    raise EditEnded(error) from error
            if writer.paused or self._injection is not None or self._inflated >= BREATH:
                await self._make_room()

    def _prepare(self, frame: Frame) -> Frame | None:
        """Return a frame as `edit` gets it, None if it does not go on."""
        if self._heart is not None and self._heart.takes(frame):
            return None
        if self._inflate is not None:
            frame = self._inflate(frame)
            self._inflated += len(frame.payload)
        if self._show is not None:
            self._show(frame)
        return frame if self._join is None else self._join(frame)


def show_function(plan: Plan, label: str) -> "Callable[[Any], object] | None":
    """Return what shows the tap each frame or piece of a direction, None without a tap."""
    if plan.tap is None:
        return None
    if plan.tap_limit is None:
        return partial(plan.tap, label)
    return Beginnings(plan.tap, label, plan.tap_limit).show
