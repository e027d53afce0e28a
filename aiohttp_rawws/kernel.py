"""Questions to the operating system about one socket, and what it is told.

TCP, Unix sockets and whatever else a transport may have: a question that a socket does not answer
has the answer of nothing to tell, and is never an OSError.
"""

import contextlib
import socket
import struct
import sys
from typing import Any

if sys.platform != "win32":
    from fcntl import ioctl
    from termios import TIOCOUTQ

__all__ = ("acknowledged", "reset_on_close", "unsent")

#: Where `tcpi_bytes_acked` stands in Linux's `struct tcp_info`.
BYTES_ACKED = 120
TCP_INFO_SIZE = 128

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def unsent(sock: Any) -> int:
    """Return how many bytes the kernel holds that the peer's has not, 0 if it does not tell.

    Those of a Unix socket count until the peer has read them, with what holding them costs.
    """
    if sys.platform == "win32" or sock is None:
        return 0
    # ValueError: the socket is closed, its descriptor is -1.
    with contextlib.suppress(OSError, ValueError):
        return int.from_bytes(ioctl(sock.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    return 0


def acknowledged(sock: Any) -> int | None:
    """Return how many bytes the peer's system has acknowledged; None if the kernel does not tell.

    Linux tells for TCP.
    """
    if sys.platform != "linux" or not is_tcp(sock):
        return None
    info = b""
    with contextlib.suppress(OSError):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    if len(info) < TCP_INFO_SIZE:
        return None
    return int.from_bytes(info[BYTES_ACKED : BYTES_ACKED + 8], sys.byteorder)


def reset_on_close(sock: Any) -> None:
    """Have the kernel send a RST when the socket is closed; only TCP has one."""
    if is_tcp(sock):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def is_tcp(sock: Any) -> bool:
    """Tell whether it is a TCP socket."""
    return sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6)
