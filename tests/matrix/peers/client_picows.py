"""picows' own interface: a listener, called with each frame."""

import asyncio
from typing import Any

from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport, ws_connect

from .attending import HELLO, MOMENT, Cell, attend
from .picows_echo import Echo


class Talking(Echo):
    def __init__(self, cell: Cell) -> None:
        super().__init__(lambda end: setattr(cell, "end", end))
        self.cell = cell

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.cell.opened = True
        transport.send(WSMsgType.TEXT, HELLO.encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        is_data = frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION)
        if not is_data or self.cell.got(frame.get_payload_as_bytes()):
            super().on_ws_frame(transport, frame)


async def talk(cell: Cell) -> None:
    beat: dict[str, Any] = {}
    if cell.heartbeat is not None:
        beat = {
            "enable_auto_ping": True,
            "auto_ping_idle_timeout": cell.heartbeat,
            "auto_ping_reply_timeout": cell.heartbeat / 2,
        }
    transport, _ = await ws_connect(lambda: Talking(cell), cell.url, **beat)
    try:
        if cell.closing:
            await asyncio.sleep(MOMENT)
            transport.send_close(WSCloseCode.OK)
        await transport.wait_disconnected()
    finally:
        transport.disconnect()


if __name__ == "__main__":
    attend("picows", talk)
