"""What has moved on a connection, as far as its session and the operating system tell."""

import contextlib
import select
import socket
import struct
import sys
from typing import Any, NamedTuple

from .session import RawWebSocketSession

if sys.platform != "win32":
    from fcntl import ioctl
    from termios import TIOCOUTQ

__all__ = ("Traffic", "has_hung_up", "traffic_of")

#: In Linux's `struct tcp_info`: tcpi_bytes_acked, tcpi_bytes_received, and, behind the numbers of
#: segments, tcpi_notsent_bytes.
TCP_COUNTS = struct.Struct("=QQ8xI")
TCP_COUNTS_OFFSET = 120
TCP_INFO_SIZE = TCP_COUNTS_OFFSET + TCP_COUNTS.size


class Traffic(NamedTuple):
    """Two numbers that grow: bytes that came, and bytes that the peer's system has taken.

    `waiting` tells whether bytes were left that could not be sent yet. What the system tells is
    better than what the session knows: it counts bytes that are not read, or not decrypted.
    """

    received: int
    taken: int
    waiting: bool


def traffic_of(session: RawWebSocketSession) -> Traffic:
    """What has moved on the connection of a session until now; both counts are of no beginning."""
    sock = session.get_extra_info("socket")
    backlog = session.write_backlog
    if (counts := tcp_counts(sock)) is not None:
        acknowledged, received, unsent = counts
        return Traffic(received, acknowledged, backlog + unsent > 0)
    # A Unix socket holds what the peer has not read.
    held = backlog + unread_by_peer(sock)
    return Traffic(session.bytes_received, session.bytes_sent - held, held > 0)


def tcp_counts(sock: Any) -> tuple[int, int, int] | None:
    """Bytes that were acknowledged, received, and not sent yet; None if the system tells nothing.

    Linux tells, of TCP.
    """
    if sys.platform != "linux" or sock is None:
        return None
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    info = b""
    with contextlib.suppress(OSError):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    if len(info) < TCP_INFO_SIZE:
        return None
    return TCP_COUNTS.unpack_from(info, TCP_COUNTS_OFFSET)


def unread_by_peer(sock: Any) -> int:
    """How much a Unix socket holds for its peer, with what holding it costs, in bytes."""
    if sys.platform == "win32" or sock is None or sock.family != socket.AF_UNIX:
        return 0
    with contextlib.suppress(OSError, ValueError):
        return int.from_bytes(ioctl(sock.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    return 0


def has_hung_up(session: RawWebSocketSession) -> bool:
    """Whether the peer has ended its stream, or reset it, also where nothing is read.

    Linux tells, also while unread input stands before the end; elsewhere False.
    """
    sock = session.get_extra_info("socket")
    if sys.platform != "linux" or sock is None:
        return False
    poll = select.poll()
    # ValueError: the socket is closed, its descriptor is -1.
    with contextlib.suppress(ValueError):
        poll.register(sock.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))
