"""The duties of RFC 6455, in parts that a handler puts together.

Each part takes frames and returns values. None sends or closes behind the handler's back;
`close_handshake`, `Heartbeat` and `broadcast` send what their names say. docs/layers.md shows a
fully conforming handler.

A handler that sends a Close of its own, `close_handshake(session)` included, and then goes on
receiving asks `session.close_sent is None` before it answers anything.
"""

from ..wire.frames import prepare
from .broadcast import broadcast
from .closing import close_handshake
from .deflate import PermessageDeflate
from .heartbeat import Heartbeat
from .message import Message
from .messages import MessageAssembler, fragment, reply

__all__ = (
    "Heartbeat",
    "Message",
    "MessageAssembler",
    "PermessageDeflate",
    "broadcast",
    "close_handshake",
    "fragment",
    "prepare",
    "reply",
)
