"""aiohttp's messages and errors, made of ours."""

import aiohttp
from aiohttp import WSMessage, WSMsgType

from ..layers.message import TYPES, Message
from ..wire.close import truncate_reason
from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from ..wire.native import new_tuple

__all__ = (
    "CLOSED",
    "CLOSING",
    "ENDS",
    "cannot_write",
    "close_frame",
    "message_of",
    "unexpected",
    "websocket_error",
)

CLOSED = WSMessage(WSMsgType.CLOSED, None, None)
CLOSING = WSMessage(WSMsgType.CLOSING, None, None)

#: The types of message at which an iteration ends.
ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)


def message_of(message: Message) -> WSMessage:
    """Return a message as aiohttp has it."""
    opcode, data = message
    return new_tuple(WSMessage, (TYPES[opcode], data, ""))


def websocket_error(error: ProtocolError) -> aiohttp.WebSocketError:
    """Return aiohttp's error for a peer that broke a rule; ours is its `__cause__`."""
    failure = aiohttp.WebSocketError(error.close_code, str(error))
    failure.__cause__ = error
    return failure


def cannot_write() -> aiohttp.ClientConnectionResetError:
    return aiohttp.ClientConnectionResetError("Cannot write to closing transport")


def unexpected(message: WSMessage, wanted: WSMsgType) -> aiohttp.WSMessageTypeError:
    return aiohttp.WSMessageTypeError(
        f"Received message {message.type}:{message.data!r} is not WSMsgType.{wanted.name}"
    )


def close_frame(code: int, message: bytes | str) -> Frame:
    """Return a Close. Codes that stand for none (0 and 1005) give an empty one.

    A message that is too long is cut. ValueError for a code that may not be sent.
    """
    if code in (0, 1005):
        return Frame.close()
    reason = message if isinstance(message, str) else bytes(message).decode("utf-8", "replace")
    return Frame.close(code, truncate_reason(reason))
