"""Frames of the caller's own, sent into a relay that runs."""

from collections.abc import Mapping

from ..session.reader import Reader
from ..wire.arguments import not_a_frame
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from ..wire.names import Opcode
from .target import Target

__all__ = ("Injection", "RelayHandle")


class Waiting:
    """A frame that waits for its place."""

    __slots__ = ("frame", "sent")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.sent = False


class Injection:
    """Sends frames to one side of a relay, between the frames that pass.

    `source` reads the frames that pass.
    """

    __slots__ = ("_has_ended", "_source", "_target", "_waiting")

    def __init__(self, source: Reader, target: Target) -> None:
        self._source = source
        self._target = target
        self._waiting: list[Waiting] = []
        self._has_ended = False
        parser = source.parser
        # What the caller has read of the source before the relay may be a part of a message.
        target.in_message = parser.fragmented and parser.is_between_frames

    @property
    def is_wanted(self) -> bool:
        """True if a frame waits for its place."""
        return bool(self._waiting)

    async def send(self, frame: Frame) -> None:
        """Send a frame where one may stand, and there is room. `RelayHandle.send` explains it."""
        check(frame, compressed=self._target.compression is not None)
        waiting = Waiting(frame)
        self._waiting.append(waiting)
        changes = self._target.connection.changes
        try:
            while True:
                self.send_waiting()
                if waiting.sent:
                    return
                self._check_open()
                self._ask_for_place()
                await changes.wait()
        finally:
            if not waiting.sent:
                self._waiting.remove(waiting)

    def send_waiting(self) -> None:
        """Send the frames that wait and may stand here. Have their tasks run."""
        target = self._target
        for each in tuple(self._waiting):
            if self._has_place(each.frame):
                target.inject(each.frame)
                each.sent = True
                self._waiting.remove(each)
                target.connection.changes.notify()
        if not target.sender.is_open():
            target.connection.changes.notify()

    def end(self) -> None:
        """Have all that wait raise SessionClosed: the relay has ended."""
        self._has_ended = True
        self._target.connection.changes.notify()

    def _has_place(self, frame: Frame) -> bool:
        target = self._target
        if self._has_ended or not target.sender.is_open():
            return False
        if target.sender.unfinished or target.connection.writer.paused:
            return False
        # RFC 6455 section 5.4: only control frames may stand between fragments.
        return frame.is_control or not self._is_in_message()

    def _is_in_message(self) -> bool:
        parser = self._source.parser
        # Frames that are forwarded as they stand have passed as soon as they are parsed.
        return self._target.in_message if parser.forwarding is None else parser.fragmented

    def _check_open(self) -> None:
        if self._has_ended:
            raise SessionClosed("the relay has ended")
        if not self._target.sender.is_open():
            raise self._target.sender.closed_error()

    def _ask_for_place(self) -> None:
        """Have the frames go on one by one, if they are forwarded as they stand."""
        if self._source.parser.forwarding is not None:
            self._target.in_message = self._source.parser.fragmented
            self._source.end_forwarding()


def check(frame: Frame, *, compressed: bool) -> None:
    """Raise TypeError for anything but a frame, ValueError for one that cannot be sent between."""
    if not isinstance(frame, Frame):
        raise not_a_frame("send", frame)
    if frame.is_control:
        return
    if not frame.fin or frame.opcode == Opcode.CONTINUATION:
        raise ValueError("a message is sent into a relay as one frame, not in fragments")
    if compressed and frame.rsv1:
        raise ValueError("the frame has RSV1 set: deflate= compresses it")


class RelayHandle:
    """A relay that runs, for sending frames of one's own into it.

        pairs = weakref.WeakSet()

        async def gateway(request):
            return await proxy(request, client_session, url, on_start=pairs.add)

        async def tell_all(text):
            for pair in list(pairs):
                with contextlib.suppress(SessionClosed):
                    await pair.send(Frame.text(text), to="client")

    `on_start` is called with it. It may be kept: once the relay has ended nothing can be sent.
    """

    __slots__ = ("__weakref__", "_injections")

    def __init__(self, injections: Mapping[str, Injection]) -> None:
        self._injections = injections

    async def send(self, frame: Frame, *, to: str) -> None:
        """Send a frame to one side, as soon as it may stand there and the side takes it.

        `to` is "client" or "upstream" in `proxy`, "a" or "b" in `relay`. The frame is never put
        within another one. A message, which is one frame here, waits for the end of a message
        that is passing in fragments; a control frame goes between its fragments. With `deflate=`
        the frame is compressed where the side has it. It is shown to no `tap` and no `edit`.

        When this is cancelled the frame was sent whole, or not at all. Raises SessionClosed once
        nothing more can be sent to that side or the relay has ended, ValueError for a fragment or
        an unknown side, TypeError for anything but a frame.
        """
        injection = self._injections.get(to)
        if injection is None:
            sides = " or ".join(map(repr, self._injections))
            raise ValueError(f"to must be {sides}, got {to!r}")
        await injection.send(frame)
