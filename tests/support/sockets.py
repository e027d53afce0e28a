"""The sockets of a connection: their buffers, their resets, and the kernel's counts."""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import Any

from aiohttp_rawws import RawWebSocketSession
from tests.support.waiting import turns
from tests.support.wire import Wire

#: More than the buffers of a narrow connection hold. Over TLS it takes two: asyncio does not count
#: what the transport below the encryption holds, and that takes one write of any size.
BIG = 4 * 2**20
#: More than a connection takes while its peer does not read.
MEGABYTES = 8 * 2**20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def unread(session: RawWebSocketSession) -> int:
    """Return how many bytes wait in the kernel for the session to read."""
    sock = session.get_extra_info("socket")
    assert sock is not None
    answer = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


async def taken(session: RawWebSocketSession, wire: Wire) -> None:
    """Wait until the session has read all that the wire sent."""
    await turns(3)
    while wire.writer.transport.get_write_buffer_size() or unread(session):
        await asyncio.sleep(0)
    await turns(3)


def segments(wire: Wire) -> int:
    """Return how many segments with data the wire has received (Linux: tcpi_data_segs_in)."""
    sock = wire.writer.get_extra_info("socket")
    number: int = struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, 11, 256), 152)[0]
    return number


def keepalive(sock: Any) -> list[int]:
    """Return whether a TCP socket has keepalive, after how many seconds, how often, how many."""
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    return [
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        *(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options),
    ]


def reset(wire: Wire) -> None:
    """End the connection of the wire with a RST."""
    sock = wire.writer.get_extra_info("socket")
    if sock is not None and not wire.writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        wire.writer.transport.abort()


def narrow(
    *ends: RawWebSocketSession | asyncio.StreamWriter | asyncio.BaseTransport,
    size: int = 64 * 1024,
) -> None:
    """Reduce the kernel's buffers of these ends."""
    for end in ends:
        sock = end.get_extra_info("socket")
        assert sock is not None
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


def refuse_to_read(session: RawWebSocketSession, wire: Wire) -> None:
    """Stop the peer's reading, and reduce the buffers between it and the session."""
    narrow(session, wire.writer)
    wire.transport.pause_reading()


def read_again(wire: Wire) -> None:
    wire.transport.resume_reading()


async def send_until_full(wire: Wire, chunk: bytes, limit: int) -> int:
    """Send until nothing moves any more, or more than `limit` was sent; return the bytes that left.

    Whole `chunk`s are sent; the transport of the wire holds the rest.
    """
    transport = wire.writer.transport
    written, quiet, before = 0, 0, -1
    while written < limit and quiet < 50:
        if transport.get_write_buffer_size() == 0:
            wire.send(chunk)
            written += len(chunk)
        await asyncio.sleep(0)
        through = written - transport.get_write_buffer_size()
        quiet = quiet + 1 if through == before else 0
        before = through
    return before
