"""Text that is not UTF-8."""

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..preset import Preset
from .parts import begun, by_role, fault, watched

__all__ = ("PRESETS",)

EURO = "€".encode()

PRESETS = (
    Preset(
        "text-bad-utf8",
        "Sends a text with an octet that UTF-8 never has, after the first message.",
        "RFC 6455 5.6",
        by_role(fault(Frame(Opcode.TEXT, b"Hell\xff"))),
    ),
    Preset(
        "text-cut-character",
        "Sends a text in two fragments: the first ends within a character, and the second does "
        "not go on with it. After the first message.",
        "RFC 6455 5.6",
        by_role(
            fault(
                Frame(Opcode.TEXT, b"10 " + EURO[:2], fin=False),
                Frame(Opcode.CONTINUATION, b" is the price"),
            )
        ),
    ),
    Preset(
        "text-unfinished-character",
        "Sends a text that ends within a character, after the first message.",
        "RFC 6455 5.6",
        by_role(fault(Frame(Opcode.TEXT, b"10 " + EURO[:2]))),
    ),
    Preset(
        "text-character-in-two",
        "Sends a right text in two fragments, with a character of which each has a part, after "
        "the first message.",
        "",
        by_role(
            fault(
                Frame(Opcode.TEXT, b"10 " + EURO[:2], fin=False),
                Frame(Opcode.CONTINUATION, EURO[2:] + b" is the price"),
            )
        ),
    ),
    Preset(
        "close-bad-utf8",
        "Sends a Close 1000 whose reason is not UTF-8, after the first message.",
        "RFC 6455 5.5.1",
        by_role(lambda: watched(begun().send(Frame(Opcode.CLOSE, b"\x03\xe8bye\xff")))),
    ),
)
