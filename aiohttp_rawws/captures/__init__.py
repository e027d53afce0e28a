"""Captures: conversations that are kept, opened elsewhere, and played again.

`Recorder` keeps what passes, `read_capture` reads it, `to_har` and `to_pcapng` convert it for other
tools, `replay` plays one side of it against a live peer.
"""

from .comparing import Difference
from .format import Answered, End, FrameLine, Handshake, LeftOut, Octets, Opening, Read, Start
from .har import to_har
from .pcapng import to_pcapng
from .reading import CaptureError, read_capture
from .recorder import Recorder, Recording
from .replay import Replayed
from .replaying import replay

__all__ = (
    "Answered",
    "CaptureError",
    "Difference",
    "End",
    "FrameLine",
    "Handshake",
    "LeftOut",
    "Octets",
    "Opening",
    "Read",
    "Recorder",
    "Recording",
    "Replayed",
    "Start",
    "read_capture",
    "replay",
    "to_har",
    "to_pcapng",
)
