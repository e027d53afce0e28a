"""The duties of RFC 6455, in parts that a handler puts together.

Each part takes frames and returns values. None sends or closes on its own, but for
`close_handshake`, `Heartbeat` and `broadcast`, which send what their names say. docs/layers.md
shows a fully conforming handler.

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
from .replies import reply
from .task_group import TaskGroup
from .websocket import WebSocketSession, websocket_handler

__all__ = (
    "Heartbeat",
    "Message",
    "MessageAssembler",
    "PermessageDeflate",
    "TaskGroup",
    "WebSocketSession",
    "broadcast",
    "close_handshake",
    "fragment",
    "prepare",
    "reply",
    "websocket_handler",
)
