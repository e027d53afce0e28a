"""picows: a callback for each frame, answered at once from the memory it was read into."""

import asyncio
import socket
from importlib.metadata import version

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from . import run, tls

VERSION = f"picows {version('picows')}"


class Echo(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport.underlying_transport

    # Without these two it takes what comes even while no echo is read, until memory is full.
    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview(), frame.fin)


def listener_of(request: WSUpgradeRequest) -> WSListener:
    return Echo()


async def start(listener: socket.socket) -> asyncio.Server:
    return await ws_create_server(listener_of, sock=listener, ssl=tls(), max_frame_size=2**30)


if __name__ == "__main__":
    run(start, VERSION)
