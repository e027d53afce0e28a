"""What can go wrong with a raw WebSocket.

RawWebSocketError
 +- ProtocolError               the peer broke RFC 6455
 |   +- FrameTooBig             the peer's frame is over `max_frame_size`, or a message too big
 +- EndOfStream (EOFError)      nothing more will be received: the peer's fault, or nobody's
 +- SessionClosed (ConnectionError)  nothing more can be sent
 +- HandshakeRefused (aiohttp.WSServerHandshakeError)  the server said no; see `client_answer`

Errors of the caller are what Python has for them: ValueError, TypeError, RuntimeError.
"""

from .names import CloseCode, Violation

__all__ = ("EndOfStream", "FrameTooBig", "ProtocolError", "RawWebSocketError", "SessionClosed")


class RawWebSocketError(Exception):
    """The base of all errors of this package."""


class ProtocolError(RawWebSocketError):
    """The peer broke RFC 6455.

    `violation` holds the rules that were broken and are rejected, `close_code` what a Close
    frame should say about it: 1002, or 1007 for a reason that is not UTF-8 (section 7.4.1).
    """

    def __init__(self, violation: Violation, close_code: int, message: str) -> None:
        super().__init__(violation, close_code, message)
        self.violation = violation
        self.close_code = close_code
        self.message = message

    def __str__(self) -> str:
        return self.message


class FrameTooBig(ProtocolError):
    """A frame's payload, or what a layer makes of frames, is over the limit; close code 1009.

    `size` and `limit` in bytes; `message` says which limit if it is not `max_frame_size`.
    """

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
    """Nothing more will be received: the peer closed, ended its stream, or was lost."""


class SessionClosed(RawWebSocketError, ConnectionError):
    """Nothing more can be sent: a Close was sent, the sending half is shut, or the peer is lost."""
