"""What a cell of docs/matrix.md cannot say in its few words."""

from dataclasses import dataclass

__all__ = ("NOTES", "Note")


@dataclass(frozen=True)
class Note:
    """A sentence on the cells of some peers. It stands while they have these words."""

    kind: str
    peers: tuple[str, ...]
    presets: tuple[str, ...]
    words: str
    text: str


NOTES = (
    Note(
        "servers",
        ("websockets",),
        ("request-with-bytes-behind",),
        "frames before the answer",
        "The Pong for the Ping that stands behind the request leaves before the 101.",
    ),
    Note(
        "servers",
        ("ws",),
        ("ping-flood",),
        "RST",
        "`ws` bounds the pongs that wait to be sent (`maxPendingAutoPongs`).",
    ),
    Note(
        "clients",
        ("ws",),
        ("ping-flood",),
        "RST",
        "`ws` bounds the pongs that wait to be sent (`maxPendingAutoPongs`).",
    ),
    Note(
        "clients",
        ("picows",),
        ("reset-at-once", "reset-in-handshake"),
        "returned",
        "`ws_connect` returns a transport, and None as the listener.",
    ),
    Note(
        "clients",
        ("picows.websockets",),
        ("reset-at-once", "reset-in-handshake"),
        "AssertionError",
        "It is raised without a message, within `connect`.",
    ),
)
