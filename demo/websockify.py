"""A tunnel: the bytes of a TCP server, a VNC server say, as binary messages of a WebSocket.

    python -m demo.websockify 127.0.0.1:5900

It serves clients of websockify, such as noVNC, on ws://127.0.0.1:8080/. Any page in a browser may
connect: give `setup` the `origins` of yours.
"""

import asyncio
import socket
import struct
import sys
from functools import partial

from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import CloseCode, RawWebSocketSession
from aiohttp_rawws.layers import ReadStream, WriteStream, read_stream, write_stream


async def copy(
    reader: asyncio.StreamReader | ReadStream, writer: asyncio.StreamWriter | WriteStream
) -> None:
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def tunnel(host: str, port: int, session: RawWebSocketSession) -> None:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        await session.close(CloseCode.BAD_GATEWAY, f"no connection to {host}:{port}")
        return
    ways = {
        asyncio.create_task(copy(read_stream(session), writer)),
        asyncio.create_task(copy(reader, write_stream(session))),
    }
    try:
        # A WebSocket has no halves: the end of one way is that of both.
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in done:
            way.result()
        writer.close()
    except ConnectionError:
        # Where one side is lost, the other is told so by a reset.
        session.abort()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        if not writer.is_closing():
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a TCP connection by a RST: a FIN would tell of an end in good order."""
    at_once = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    writer.transport.abort()


def make_app(host: str = "127.0.0.1", port: int = 5900) -> web.Application:
    app = web.Application()
    aiohttp_rawws.setup(app)
    handler = partial(tunnel, host, port)
    # The subprotocol of websockify, for clients that ask for it.
    for protocol in ("binary", None):
        app.add_routes([aiohttp_rawws.raw_websocket("/", handler, protocol)])
    return app


if __name__ == "__main__":
    target, _, number = (*sys.argv[1:], "127.0.0.1:5900")[0].rpartition(":")
    web.run_app(make_app(target, int(number)), host="127.0.0.1", port=8080)
