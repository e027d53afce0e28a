"""A plain function that is called for each frame, with no task."""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from ..wire.frames import Frame
from ..wire.native import run_in
from ..wire.stops import Stop
from .reader import Consumer
from .receiver import Receiver
from .waiting import Waiter
from .writer import Writer

__all__ = ("FrameCalls",)

CLOSED = Stop.CLOSED.value


class FrameCalls(Consumer):
    """Calls `function(frame)` for each frame, inside the read callback.

    Nobody else may receive until `close`. No frame is taken while the writer is paused. An
    exception of the function ends the calls and is kept as `error`.
    """

    __slots__ = ("_context", "_function", "_receiver", "_writer", "error")

    def __init__(
        self, receiver: Receiver, writer: Writer, function: Callable[[Frame], object]
    ) -> None:
        self._receiver = receiver
        self._writer = writer
        self._function = function
        self._context: Any = copy_context()
        self.error: BaseException | None = None

    def open(self) -> None:
        """Begin. RuntimeError if another task is receiving, or a frame is half read."""
        self._receiver.leave_pieces()
        self._receiver.reader.consumer = self
        self._writer.source = self

    def close(self) -> None:
        """Let others receive."""
        self._receiver.reader.consumer = None
        self._writer.source = None

    def run(self) -> bool:
        """Call the function for the frames that wait. Return True if there may be no more calls."""
        run_in(self._context, self.call, self._receiver.waiter)
        reader = self._receiver.reader
        return self.error is not None or reader.parser.stop >= CLOSED or reader.is_over()

    def call(self, waiter: Waiter) -> None:
        """Call the function for the frames that wait. The function may not receive itself."""
        waiting = waiter.waiting
        waiter.waiting = True
        try:
            while self.error is None and not self.is_held():
                frame = self._receiver.take_next()
                if frame is None:
                    return
                self._function(frame)
        except BaseException as error:
            self.error = error
        finally:
            waiter.waiting = waiting

    def is_held(self) -> bool:
        """Return True while the frames have to wait for the writer."""
        return self._writer.paused and not self._writer.link.lost

    def target_paused(self) -> None:
        """Do nothing: the writer is asked before each call."""

    def relieve(self) -> None:
        """Go on, in a callback of its own, once the writer takes more."""
        reader = self._receiver.reader
        reader.link.loop.call_soon(reader.wake)
