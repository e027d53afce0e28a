"""The bytes that have moved on a connection, as its session and the operating system tell."""

from typing import NamedTuple

from .kernel import is_unix, tcp_counts, unsent
from .session import RawWebSocketSession

__all__ = ("Traffic", "traffic_of")


class Traffic(NamedTuple):
    """Two counters: bytes that came, and bytes that the peer's system has taken.

    `waiting` tells whether bytes were left that could not be sent yet. What the system tells is
    better than what the session knows: it counts bytes that are not read, or not decrypted.
    """

    received: int
    taken: int
    waiting: bool


def traffic_of(session: RawWebSocketSession) -> Traffic:
    """Return the counters of a session. Only their growth means something."""
    sock = session.get_extra_info("socket")
    backlog = session.write_backlog
    if (counts := tcp_counts(sock)) is not None:
        acknowledged, received, not_sent = counts
        return Traffic(received, acknowledged, backlog + not_sent > 0)
    # A Unix socket holds what the peer has not read.
    held = backlog + (unsent(sock) if is_unix(sock) else 0)
    return Traffic(session.bytes_received, session.bytes_sent - held, held > 0)
