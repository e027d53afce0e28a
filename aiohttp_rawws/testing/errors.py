"""What the kit raises.

PeerError(Exception)
├── PeerEnded           the peer ended its stream: `reset` tells how
├── PeerSilent          the peer took longer than the time allowed; a TimeoutError
├── NotHttp             the peer's handshake is no head of HTTP
└── Unexpected          the peer did something else than a step of a script expects

ScriptFailed(AssertionError)    a script did not go as written
"""

__all__ = ("NotHttp", "PeerEnded", "PeerError", "PeerSilent", "ScriptFailed", "Unexpected")


class PeerError(Exception):
    """What a peer did other than expected."""


class PeerEnded(PeerError):
    """The peer has ended its stream: with a FIN, or with a RST where `reset` is true.

    `partial` tells that it did so in the middle of a frame, or of a handshake.
    """

    def __init__(self, reset: bool, partial: bool = False) -> None:
        how = "reset the connection" if reset else "ended its stream"
        where = " in the middle of a frame or a handshake" if partial else ""
        super().__init__(f"the peer {how}{where}")
        self.reset = reset
        self.partial = partial


class PeerSilent(PeerError, TimeoutError):
    """The peer did not do what was waited for in time."""


class NotHttp(PeerError):
    """What came first is no head of HTTP."""


class Unexpected(PeerError):
    """The peer did something else than the script expected."""


class ScriptFailed(AssertionError):
    """A script did not go as written. The message shows the frames expected and seen."""
