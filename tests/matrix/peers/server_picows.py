"""picows' own interface: a listener, called with each frame."""

import asyncio
import socket
from typing import Any

from picows import WSCloseCode, WSTransport, WSUpgradeRequest, ws_create_server

from .picows_echo import Echo
from .serving import HEARTBEAT, MOMENT, Visit, serve


class Visited(Echo):
    def __init__(self, visiting: Visit) -> None:
        super().__init__(visiting.over)
        self.visiting = visiting

    def on_ws_connected(self, transport: WSTransport) -> None:
        if self.visiting.closing:
            loop = asyncio.get_running_loop()
            loop.call_later(MOMENT, transport.send_close, WSCloseCode.OK)


def visited(request: WSUpgradeRequest) -> Visited:
    return Visited(Visit(request.path.decode()))


async def start(listener: socket.socket) -> asyncio.Server:
    beat: dict[str, Any] = {}
    if HEARTBEAT is not None:
        beat = {
            "enable_auto_ping": True,
            "auto_ping_idle_timeout": HEARTBEAT,
            "auto_ping_reply_timeout": HEARTBEAT / 2,
        }
    return await ws_create_server(visited, sock=listener, **beat)


if __name__ == "__main__":
    serve("picows", start)
