"""The replies to control frames."""

from __future__ import annotations

from ..wire.arguments import not_a_frame
from ..wire.frames import Frame
from ..wire.names import MAX_CONTROL_PAYLOAD, CloseCode, Opcode
from ..wire.pieces import Piece

__all__ = ("reply",)


def reply(frame: Frame | Piece) -> Frame | None:
    """Return the frame that RFC 6455 asks for in answer to a received one, None for most.

    A Ping is answered by a Pong with its payload (section 5.5.2), a Close by a Close with its
    code and no reason (section 5.5.1). After a Close nothing may be sent: look at
    `session.close_sent` first.

    If the session lets violations pass: a Close without a code that may be sent is answered with
    1002. A Ping of over 125 bytes fits in no legal Pong and is not answered.
    """
    if isinstance(frame, Frame):
        return reply_to(frame)
    if not isinstance(frame, Piece):
        raise not_a_frame("reply", frame, pieces=True)
    # Only data frames come in pieces.
    return None


def reply_to(frame: Frame) -> Frame | None:
    if not frame.is_control:
        return None
    if frame.opcode == Opcode.PING:
        short = len(frame.payload) <= MAX_CONTROL_PAYLOAD
        return Frame.pong(frame.payload) if short else None
    return close_for(frame) if frame.opcode == Opcode.CLOSE else None


def close_for(frame: Frame) -> Frame:
    """Return the Close that answers a Close."""
    if not frame.payload:
        return Frame.close()
    code = frame.close_code
    # Section 7.1.7: a malformed Close is itself a failure.
    sendable = code is not None and CloseCode.is_sendable(code)
    return Frame.close(code if sendable else CloseCode.PROTOCOL_ERROR)
