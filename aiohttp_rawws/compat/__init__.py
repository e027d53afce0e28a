"""aiohttp's own WebSocket interface over raw sessions: a handler moves by changing an import.

    from aiohttp_rawws.compat import WebSocketResponse, ws_connect

`WebSocketResponse` stands for `aiohttp.web.WebSocketResponse`, `ws_connect(client_session, url)`
for `client_session.ws_connect(url)`. `session` is the raw session below. docs/compat.md lists what
differs.
"""

from .client import ClientWebSocketResponse, ws_connect
from .server import WebSocketResponse

__all__ = ("ClientWebSocketResponse", "WebSocketResponse", "ws_connect")
