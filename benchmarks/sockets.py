"""Connections of plain Python to a server, where nothing of theirs is timed: slow, but short."""

import socket

from .peers import ServerError

REQUEST = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n"
)

#: What the server is given for an answer, in seconds.
TIMEOUT = 30.0


def connected(port: int, source: str = "") -> socket.socket:
    """A TCP connection, from `source` if one is given."""
    address = (source, 0) if source else None
    return socket.create_connection(("127.0.0.1", port), TIMEOUT, address)


def opened(port: int, extra: str = "", source: str = "") -> socket.socket:
    """A connection that is upgraded, with lines of header in `extra`."""
    peer = connected(port, source)
    peer.sendall(REQUEST.format(extra).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        octet = peer.recv(1)
        if not octet:
            break
        head += octet
    if b" 101 " not in head or (extra and b"permessage-deflate" not in head):
        raise ServerError(f"the handshake failed: {head!r}")
    return peer


def left(peer: socket.socket) -> None:
    """Say goodbye with a Close, and go."""
    peer.sendall(frame(0x88, b"\x03\xe8"))
    peer.close()


def frame(head: int, payload: bytes) -> bytes:
    """Masked, with a key of zeroes: the octets stay as they are."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([head]) + length + bytes(4) + payload


def take_frames(peer: socket.socket, number: int) -> None:
    """Read so many frames with a payload of up to 65535 bytes, and nothing behind them."""
    data = b""
    position = 0
    while number:
        more = peer.recv(65536)
        if not more:
            raise ServerError("the server ended the connection before its echo was whole")
        data = data[position:] + more
        position = 0
        while number and len(data) - position >= 4:
            size, start = data[position + 1], position + 2
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            if len(data) < start + size:
                break
            position, number = start + size, number - 1
