"""The frame layer for aiohttp: raw WebSocket routes that show every frame as it stood on the wire.

    aiohttp_rawws.setup(app)
    app.router.add_raw_websocket("/ws", handler)

`COMPILED` tells whether the compiled core runs.
"""

from . import _masking  # noqa: F401 (for what it does)
from ._build import COMPILED
from ._version import __version__
from .client.answer import HandshakeRefused
from .client.connect import connect
from .proxy.edit import EndRelay
from .proxy.injection import RelayHandle
from .proxy.prefix import strip_prefix
from .proxy.proxy import proxy
from .proxy.relay import RelayStats, relay
from .server.accept import accept
from .server.routes import RawWebSocketRoute
from .server.setup import RouteTableDef, add_raw_websocket, raw_websocket, setup
from .server.upgrade import is_upgrade
from .session.session import RawClientSession, RawServerSession, RawWebSocketSession
from .wire.close import truncate_reason
from .wire.errors import EndOfStream, FrameTooBig, ProtocolError, RawWebSocketError, SessionClosed
from .wire.frames import Frame
from .wire.handshake import HandshakeRule
from .wire.names import CloseCode, Opcode, Violation
from .wire.pieces import Piece

__all__ = (
    "COMPILED",
    "CloseCode",
    "EndOfStream",
    "EndRelay",
    "Frame",
    "FrameTooBig",
    "HandshakeRefused",
    "HandshakeRule",
    "Opcode",
    "Piece",
    "ProtocolError",
    "RawClientSession",
    "RawServerSession",
    "RawWebSocketError",
    "RawWebSocketRoute",
    "RawWebSocketSession",
    "RelayHandle",
    "RelayStats",
    "RouteTableDef",
    "SessionClosed",
    "Violation",
    "__version__",
    "accept",
    "add_raw_websocket",
    "connect",
    "is_upgrade",
    "proxy",
    "raw_websocket",
    "relay",
    "setup",
    "strip_prefix",
    "truncate_reason",
)
