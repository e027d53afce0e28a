"""The errors of a raw WebSocket.

RawWebSocketError
 +- ProtocolError                    the peer broke RFC 6455
 |   +- FrameTooBig                  a frame is over `max_frame_size`, or a message over its limit
 +- EndOfStream (EOFError)           nothing more can be received
 +- SessionClosed (ConnectionError)  nothing more can be sent
 +- HandshakeRefused (aiohttp.WSServerHandshakeError)
                                     the server did not upgrade; in `client/answer.py`

A mistake of the caller is a ValueError, TypeError or RuntimeError.
"""

from .names import CloseCode, Violation

__all__ = ("EndOfStream", "FrameTooBig", "ProtocolError", "RawWebSocketError", "SessionClosed")


class RawWebSocketError(Exception):
    """The base of all errors of this package."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


class ProtocolError(RawWebSocketError):
    """The peer broke RFC 6455. Nothing was sent about it."""

    __slots__ = {
        "close_code": "The code that a Close should give: 1002, or 1007 for text that is not UTF-8 "
        "(section 7.4.1); 1009 for a size.",
        "message": "The text that tells what was wrong.",
        "violation": "The rules that were broken and that `reject` names.",
    }

    def __init__(self, violation: Violation, close_code: int, message: str) -> None:
        super().__init__(violation, close_code, message)
        self.violation = violation
        self.close_code = close_code
        self.message = message

    def __str__(self) -> str:
        return self.message


class FrameTooBig(ProtocolError):
    """A frame, or a message that a layer makes of frames, is over its limit.

    The close code is 1009. `message` names the limit, `max_frame_size` by default.
    """

    __slots__ = {
        "limit": "The limit, in bytes.",
        "size": "The size of the frame or message, in bytes, as far as it is known.",
    }

    def __init__(self, size: int, limit: int, message: str | None = None) -> None:
        if message is None:
            message = (
                f"a frame of {size} bytes is over max_frame_size ({limit}); "
                "raise the limit or read it with pieces()"
            )
        super().__init__(Violation.NONE, CloseCode.MESSAGE_TOO_BIG, message)
        self.args = (size, limit, message)
        self.size = size
        self.limit = limit


class EndOfStream(RawWebSocketError, EOFError):
    """Nothing more can be received: the peer closed, ended its stream, or was lost."""


class SessionClosed(RawWebSocketError, ConnectionError):
    """Nothing more can be sent.

    A Close was sent, the sending half is shut, or the connection is lost or closing.
    """
