"""The beginning of each frame for a tap, while frames of any size flow on."""

from collections.abc import Callable
from typing import cast

from ..wire.frames import Frame, whole_piece
from ..wire.pieces import Piece
from .plan import Tap

__all__ = ("Beginnings",)


class Beginnings:
    """Shows a tap the first `limit` bytes of each data frame, once, and control frames whole."""

    def __init__(self, tap: Tap, direction: str, limit: int) -> None:
        self._tap = cast(Callable[[str, Frame | Piece], object], tap)
        self._direction = direction
        self._limit = limit
        # The bytes of a frame whose beginning is not complete.
        self._held = bytearray()
        self._is_shown = False

    def show(self, item: Frame | Piece) -> None:
        """Take the next frame or piece of the stream."""
        if isinstance(item, Frame):
            if item.is_control:
                self._tap(self._direction, item)
                return
            item = whole_piece(item)
        if item.offset == 0:
            self._held, self._is_shown = bytearray(), False
        if self._is_shown:
            return
        self._held += item.payload[: self._limit - len(self._held)]
        if item.last or len(self._held) == self._limit:
            held, self._held = bytes(self._held), bytearray()
            self._is_shown = True
            last = len(held) == item.length
            self._tap(self._direction, item._replace(offset=0, payload=held, last=last))
