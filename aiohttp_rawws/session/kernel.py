"""Questions to the operating system about one socket, and orders to it.

TCP, Unix sockets and whatever else a transport may have: a question that a socket does not answer
has the answer of nothing to tell, and is never an OSError.
"""

import contextlib
import select
import socket
import struct
import sys
from typing import Any

if sys.platform != "win32":
    from fcntl import ioctl
    from select import POLLERR, POLLHUP
    from termios import TIOCOUTQ

    #: Without it only POLLHUP and POLLERR are told, which are told always.
    POLLRDHUP = getattr(select, "POLLRDHUP", 0)

__all__ = (
    "acknowledged",
    "error_of",
    "has_ended",
    "is_gone",
    "is_unix",
    "probe",
    "reset_on_close",
    "tcp_counts",
    "unsent",
)

#: ValueError is what a socket that is closed raises, whose descriptor is -1.
NO_ANSWER = (OSError, ValueError)

#: In Linux's `struct tcp_info`: tcpi_bytes_acked, tcpi_bytes_received, and, behind the numbers of
#: segments, tcpi_notsent_bytes.
TCP_COUNTS = struct.Struct("=QQ8xI")
TCP_COUNTS_OFFSET = 120
TCP_INFO_SIZE = TCP_COUNTS_OFFSET + TCP_COUNTS.size

RESET_ON_CLOSE = struct.pack("ii", 1, 0)

#: When a silent peer is asked first whether it is there, how often then, both in seconds, and how
#: many questions without an answer mean that it is not.
PROBE_AFTER = 60
PROBE_INTERVAL = 15
PROBES = 4


def unsent(sock: Any) -> int:
    """Return how many bytes the kernel holds that the peer's has not, 0 if it does not tell.

    Those of a Unix socket count until the peer has read them, with what holding them costs.
    """
    if sys.platform == "win32" or sock is None:
        return 0
    with contextlib.suppress(*NO_ANSWER):
        return int.from_bytes(ioctl(sock.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    return 0


def tcp_counts(sock: Any) -> tuple[int, int, int] | None:
    """Return how many bytes were acknowledged, received, and not sent yet; None if nobody tells.

    Linux tells for TCP.
    """
    if sys.platform != "linux" or not is_tcp(sock):
        return None
    info = b""
    with contextlib.suppress(*NO_ANSWER):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    if len(info) < TCP_INFO_SIZE:
        return None
    return TCP_COUNTS.unpack_from(info, TCP_COUNTS_OFFSET)


def acknowledged(sock: Any) -> int | None:
    """Return how many bytes the peer's system has acknowledged; None if nobody tells."""
    counts = tcp_counts(sock)
    return None if counts is None else counts[0]


def reset_on_close(sock: Any) -> None:
    """Have the kernel send a RST when the socket is closed; only TCP has one."""
    if is_tcp(sock):
        with contextlib.suppress(*NO_ANSWER):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def has_ended(sock: Any) -> bool:
    """Return True if the peer has ended its stream or is lost, though input may wait unread.

    Linux tells; elsewhere only of a peer that is lost or closed.
    """
    return bool(events(sock))


def is_gone(sock: Any) -> bool:
    """Return True if a connection is over in both directions, though input may wait unread."""
    return bool(events(sock) & (POLLHUP | POLLERR))


def error_of(sock: Any) -> int:
    """Return the number of the error that has ended a connection, 0 for none. It tells once."""
    number = 0
    if sock is not None:
        with contextlib.suppress(*NO_ANSWER):
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return number


def probe(sock: Any) -> None:
    """Have the kernel find out whether the peer of a silent TCP connection is still there."""
    options = {"TCP_KEEPIDLE": PROBE_AFTER, "TCP_KEEPINTVL": PROBE_INTERVAL, "TCP_KEEPCNT": PROBES}
    if is_tcp(sock):
        with contextlib.suppress(*NO_ANSWER):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in options.items():
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def events(sock: Any) -> int:
    """Return what the kernel tells of the end of a connection, as events of `poll`."""
    if sys.platform == "win32" or sock is None or sock.fileno() < 0:
        return 0
    poll = select.poll()
    poll.register(sock.fileno(), POLLRDHUP)
    return sum(found for _, found in poll.poll(0))


def is_tcp(sock: Any) -> bool:
    """Return True for a TCP socket."""
    return sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6)


def is_unix(sock: Any) -> bool:
    """Return True for a Unix socket. Windows has none."""
    return sock is not None and sock.family == getattr(socket, "AF_UNIX", None)
