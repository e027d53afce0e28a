"""Frames that a function changes on their way, and the end of a relay that it asks for."""

from collections.abc import Iterable
from typing import cast

from ..wire.arguments import shown
from ..wire.frames import Frame
from ..wire.names import Opcode
from .plan import Edit, Farewell, check_farewell

__all__ = ("EndRelay", "frames_of")


class EndRelay(Exception):
    """Raise this in `edit` to end the relay with a Close to each side.

    `code` and `reason` go to the sender of the frame, and `other=(code, reason)` to the other
    side, by default the same. Raises TypeError or ValueError for what no Close can hold.
    """

    def __init__(self, code: int, reason: str = "", *, other: Farewell | None = None) -> None:
        check_farewell("EndRelay", (code, reason))
        if other is not None:
            check_farewell("other", other)
        super().__init__(code, reason)
        self.code = int(code)
        self.reason = reason
        self.other: Farewell = (code, reason) if other is None else other


def frames_of(edit: Edit, result: object, frame: Frame) -> Iterable[Frame]:
    """Return the frames that go on instead of one, by what `edit` has returned for it.

    Raise TypeError if that is anything but frames, ValueError if a Close is dropped.
    """
    if result is None:
        return (frame,)
    is_one = isinstance(result, (Frame, str, bytes)) or not isinstance(result, Iterable)
    frames = (result,) if is_one else tuple(cast(Iterable[object], result))
    for each in frames:
        if not isinstance(each, Frame):
            raise TypeError(
                "edit must return None, a Frame, or an iterable of frames; "
                f"{edit!r} gave {shown(each)}"
            )
    found = cast(tuple[Frame, ...], frames)
    is_close = frame.opcode == Opcode.CLOSE
    if is_close and not any(each.opcode == Opcode.CLOSE for each in found):
        raise ValueError("edit may replace a Close and not drop it: raise EndRelay to end a relay")
    return found
