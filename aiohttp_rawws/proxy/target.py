"""The side that gets the frames of one direction."""

from ..session.session import RawWebSocketSession, connection_of
from ..wire.errors import SessionClosed
from ..wire.frames import Frame, without_mask
from ..wire.pieces import Piece
from .compression import Compression
from .plan import Plan

__all__ = ("Target",)

#: The bit of the opcodes of control frames.
CONTROL = 0x08


class Target:
    """Sends frames to one side, compressed and masked as that side has it, and counts them."""

    def __init__(
        self, session: RawWebSocketSession, plan: Plan, compression: Compression | None
    ) -> None:
        self.connection = connection_of(session)
        self.sender = self.connection.sender
        #: How many frames, and bytes of payload, have passed. They count as they are before they
        #: are compressed.
        self.frames = 0
        self.octets = 0
        #: A message has begun and not ended. It is known only where `on_start` is given.
        self.in_message = False
        #: How many frames of the caller's own were sent.
        self.injected = 0
        self.compression = compression
        self._deflate = None if compression is None else compression.deflate
        #: Frames get fresh masking keys.
        self.remasks = plan.remask and session.masking
        self._is_followed = plan.on_start is not None
        self._changes = compression is not None or self.remasks or self._is_followed
        self._send = self.sender.forward

    def forward(self, item: Frame | Piece) -> None:
        """Send a frame or a piece that another side has sent. Nothing is sent to who is lost."""
        self.frames += isinstance(item, Frame) or item.last
        self.octets += len(item.payload)
        if self._changes:
            item = self._changed(item)
        try:  # noqa: SIM105 (it takes ten times as long, for each frame)
            self._send(item)
        except SessionClosed:
            # Nothing more can be sent behind a Close, or to who is lost: the other direction sees
            # how that side has ended.
            pass

    def _changed(self, item: Frame | Piece) -> Frame | Piece:
        """Return a frame or a piece as this side gets it."""
        if self._is_followed and not item.opcode & CONTROL:
            self.in_message = not item.fin
        if self._deflate is not None:
            # All frames are whole then.
            item = self._deflate(item)  # type: ignore[arg-type]
        if self.remasks:
            changed: Frame | Piece = without_mask(item)
            return changed
        return item

    def inject(self, frame: Frame) -> None:
        """Send a frame of the caller's own."""
        self.injected += 1
        self.sender.send(frame if self._deflate is None else self._deflate(frame))
