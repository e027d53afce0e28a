"""The frame layer for aiohttp: raw WebSocket routes that show every frame as it stood on the wire.

    aiohttp_rawws.setup(app)
    app.router.add_raw_websocket("/ws", handler)

`COMPILED` tells whether the compiled core runs.
"""

from ._build import COMPILED
from ._version import __version__
from .client import HandshakeRefused, connect
from .errors import EndOfStream, FrameTooBig, ProtocolError, RawWebSocketError, SessionClosed
from .frames import CloseCode, Frame, Opcode, Piece, Violation, truncate_reason
from .handshake import HandshakeRule
from .plugin import RouteTableDef, add_raw_websocket, raw_websocket, setup
from .proxy import proxy
from .relay import RelayStats, relay
from .route import RawWebSocketRoute
from .server import accept
from .session import RawWebSocketSession

__all__ = (
    "COMPILED",
    "CloseCode",
    "EndOfStream",
    "Frame",
    "FrameTooBig",
    "HandshakeRefused",
    "HandshakeRule",
    "Opcode",
    "Piece",
    "ProtocolError",
    "RawWebSocketError",
    "RawWebSocketRoute",
    "RawWebSocketSession",
    "RelayStats",
    "RouteTableDef",
    "SessionClosed",
    "Violation",
    "__version__",
    "accept",
    "add_raw_websocket",
    "connect",
    "proxy",
    "raw_websocket",
    "relay",
    "setup",
    "truncate_reason",
)
