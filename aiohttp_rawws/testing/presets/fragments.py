"""Fragments where none may be, or in a wrong order; and control frames that are too long."""

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..preset import Preset
from .parts import by_role, fault

__all__ = ("PRESETS",)

PRESETS = (
    Preset(
        "fragmented-ping",
        "Sends a Ping in two fragments, after the first message.",
        "RFC 6455 5.5",
        by_role(
            fault(Frame(Opcode.PING, b"frag", fin=False), Frame(Opcode.CONTINUATION, b"mented"))
        ),
    ),
    Preset(
        "fragmented-close",
        "Sends a Close 1000 in two fragments, after the first message.",
        "RFC 6455 5.5",
        by_role(
            fault(Frame(Opcode.CLOSE, b"\x03\xe8", fin=False), Frame(Opcode.CONTINUATION, b"bye"))
        ),
    ),
    Preset(
        "long-ping",
        "Sends a Ping of 126 octets, one more than is allowed, after the first message.",
        "RFC 6455 5.5",
        by_role(fault(Frame(Opcode.PING, bytes(126)))),
    ),
    Preset(
        "long-close",
        "Sends a Close 1000 of 126 octets, one more than is allowed, after the first message.",
        "RFC 6455 5.5",
        by_role(fault(Frame(Opcode.CLOSE, b"\x03\xe8" + b"x" * 124))),
    ),
    Preset(
        "continuation-first",
        "Sends a continuation while no message has begun, after the first message.",
        "RFC 6455 5.4",
        by_role(fault(Frame(Opcode.CONTINUATION, b"continued"))),
    ),
    Preset(
        "start-inside-message",
        "Begins a text and, before its last fragment, begins another one. After the first message.",
        "RFC 6455 5.4",
        by_role(fault(Frame.text("begun", fin=False), Frame.text("begun again"))),
    ),
)
