"""The duties of RFC 6455: done for a handler, or in parts that it puts together.

`WebSocketSession` and the streams do all of them. docs/layers.md lists what they send.

The other parts take frames and return values. Of these only `close_handshake`, `Heartbeat`,
`broadcast` and `send_file` send, what their names say.

A handler that sends a Close of its own, and then goes on receiving, must look at
`session.close_sent` before it answers anything. That includes `close_handshake(session)`.
"""

from ..wire.frames import prepare
from .broadcast import broadcast
from .closing import close_handshake
from .deflate import PermessageDeflate
from .fragments import fragment
from .heartbeat import Heartbeat
from .message import Message
from .messages import MessageAssembler
from .read_stream import ReadStream, read_stream
from .reconnecting import is_transient, reconnecting
from .replies import reply
from .send_file import pieces_of, send_file
from .task_group import TaskGroup
from .websocket import WebSocketSession, websocket_handler
from .write_stream import WriteStream, write_stream

__all__ = (
    "Heartbeat",
    "Message",
    "MessageAssembler",
    "PermessageDeflate",
    "ReadStream",
    "TaskGroup",
    "WebSocketSession",
    "WriteStream",
    "broadcast",
    "close_handshake",
    "fragment",
    "is_transient",
    "pieces_of",
    "prepare",
    "read_stream",
    "reconnecting",
    "reply",
    "send_file",
    "websocket_handler",
    "write_stream",
)
