"""picows: a callback for each frame, answered at once from the memory it was read into."""

import asyncio
import socket
from importlib.metadata import version
from importlib.util import find_spec

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server
from picows.websockets.asyncio.server import Server, ServerConnection
from picows.websockets.asyncio.server import serve as serve_messages

from . import TLS, connect, options, serve


class Echo(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport.underlying_transport

    # Without these two it reads on while its echoes are not read, until memory is full.
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


async def server(listener: socket.socket, tls: TLS) -> asyncio.Server:
    return await ws_create_server(
        lambda _: Echo(),
        sock=listener,
        ssl=tls,
        max_frame_size=2**30,
        # By default its transports are those of aiofastnet where that is installed.
        use_aiofastnet=False if options().kind == "echo-loop" else None,
    )


async def answer(connection: ServerConnection) -> None:
    """Echo by the layer of messages that has the interface of `websockets`."""
    async for message in connection:
        await connection.send(message)


async def messages(listener: socket.socket, tls: TLS) -> Server:
    compression = "deflate" if options().deflate else None
    server: Server = await serve_messages(
        answer, sock=listener, ssl=tls, compression=compression, max_size=None, ping_interval=None
    )
    return server


async def client(url: str) -> None:
    transport, _ = await ws_connect(Echo, url, max_frame_size=2**30)
    await transport.wait_disconnected()


if __name__ == "__main__":
    fast = options().kind != "echo-loop" and find_spec("aiofastnet")
    build = f"aiofastnet {version('aiofastnet')}" if fast else "no aiofastnet"
    about = f"picows {version('picows')}", build
    if options().kind == "client":
        connect(client, *about)
    else:
        serve(messages if options().kind == "messages" else server, *about)
