"""The awaitables of every frame: the interpreted twin.

`awaiting.pyx` is the compiled twin: the same names and meaning. A coroutine is the quickest thing
that Python code can await, but one costs more than all that happens in it. So the methods that run
once for each frame exist twice, and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..wire.frames import Frame
from .receiver import Receiver
from .sender import Sender

__all__ = ("Awaiting", "iterate_directly")

Session = TypeVar("Session")


class Awaiting:
    """A session that can be awaited frame by frame."""

    __slots__ = ("_receiver", "_sender")

    def __init__(self, receiver: Receiver, sender: Sender) -> None:
        self._receiver = receiver
        self._sender = sender

    if TYPE_CHECKING:

        async def drain(self) -> None:
            """The session's."""

    async def receive(self) -> Frame:
        """Wait for the next frame, whatever it is.

        Raises EndOfStream after the peer's Close or the end of its stream, ProtocolError where
        the peer broke a rule (nothing is sent about it), RuntimeError if another task is
        receiving. Safe to cancel: no frame is lost.
        """
        receiver = self._receiver
        while (frame := receiver.take()) is None:
            if (waiter := receiver.more()) is None:
                raise receiver.end_of_stream()
            await waiter
        return frame

    def __aiter__(self) -> Awaiting:
        return self

    async def __anext__(self) -> Frame:
        receiver = self._receiver
        while (frame := receiver.take()) is None:
            if (waiter := receiver.more()) is None:
                raise StopAsyncIteration
            await waiter
        return frame

    async def send(self, frame: Frame) -> None:
        """Send a frame, then wait as `drain` does while too much waits to leave.

        A send that need not wait never gives way to other tasks (over TLS, once in a mebibyte).
        Raises SessionClosed after a Close was sent, after `write_eof`, and once the connection is
        lost or closing, its event loop closed or its process forked; RuntimeError in another
        thread than the loop's.
        """
        sender = self._sender
        sender.send(frame)
        if sender.writer.paused:
            await self.drain()

    def send_nowait(self, frame: Frame) -> None:
        """Send a frame without ever waiting. The caller bounds what it lets pile up."""
        self._sender.send(frame)


def iterate_directly(kind: type[Session]) -> type[Session]:
    """Have `async for` call the iteration of `Awaiting`, with no lookup for each frame."""
    return kind
