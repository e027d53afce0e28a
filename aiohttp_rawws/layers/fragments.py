"""Messages cut into fragments."""

from __future__ import annotations

from collections.abc import Iterator

from ..session.options import check_size
from ..wire.arguments import not_a_frame
from ..wire.frames import Frame

__all__ = ("fragment",)


def fragment(frame: Frame, size: int) -> Iterator[Frame]:
    """Split a data frame into frames of at most `size` bytes of payload (RFC 6455 section 5.4).

    A frame that fits stays as it is. Else the first part has the opcode and the reserved bits of
    the frame (RFC 7692 section 6.1), the others are continuations, and the last has its FIN. The
    parts have no masking key. ValueError for a control frame, which must not be fragmented
    (section 5.4), or a size below 1.
    """
    if not isinstance(frame, Frame):
        raise not_a_frame("fragment", frame)
    if frame.is_control:
        raise ValueError("a control frame must not be fragmented (RFC 6455 5.4)")
    check_size("size", size)
    return fragments(frame, size)


def fragments(frame: Frame, size: int) -> Iterator[Frame]:
    payload = frame.payload
    if len(payload) <= size:
        yield frame
        return
    yield Frame(
        frame.opcode, payload[:size], False, rsv1=frame.rsv1, rsv2=frame.rsv2, rsv3=frame.rsv3
    )
    for start in range(size, len(payload), size):
        end = start + size
        yield Frame.continuation(payload[start:end], frame.fin and end >= len(payload))
