"""Headers of frames that break a rule."""

from typing import Any

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..preset import Preset
from .parts import CLIENT, SERVER, Behave, Encoded, begun, by_role, fault, watched

__all__ = ("PRESETS",)

RESERVED = (*range(3, 8), *range(11, 16))
TEXT = 0x80 | Opcode.TEXT
BINARY = 0x80 | Opcode.BINARY


def reserved_opcode(opcode: int) -> Preset:
    kind = "control" if opcode > 7 else "data"
    return Preset(
        f"opcode-{opcode}",
        f"Sends a frame with the reserved {kind} opcode {opcode}, after the first message.",
        "RFC 6455 5.2",
        by_role(fault(Frame(opcode, b"reserved"))),
    )


def reserved_bit(bit: str) -> Preset:
    bits: Any = {bit: True}
    return Preset(
        bit,
        f"Sends a text with {bit.upper()} set though no extension is negotiated, after the first "
        "message.",
        "RFC 6455 5.2",
        by_role(fault(Frame(Opcode.TEXT, b"reserved", **bits))),
    )


PRESETS = (
    Preset(
        "unmasked-client",
        "Sends a text without a mask, after the first message.",
        "RFC 6455 5.1",
        by_role(fault(Frame.text("unmasked"), masked=False), CLIENT),
    ),
    Preset(
        "masked-server",
        "Sends a text with a mask, after the first message.",
        "RFC 6455 5.1",
        by_role(fault(Frame.text("masked"), masked=True), SERVER),
    ),
    *(reserved_bit(bit) for bit in ("rsv1", "rsv2", "rsv3")),
    *(reserved_opcode(opcode) for opcode in RESERVED),
    Preset(
        "length-top-bit",
        "Sends the header of a binary frame with a length of 64 bits, of which the top bit is "
        "set, and nothing behind it. After the first message.",
        "RFC 6455 5.2",
        by_role(
            lambda: watched(begun().add(Encoded(BINARY, b"\x7f\x80" + bytes(6) + b"\x05", b"")))
        ),
    ),
    Preset(
        "length-16-too-long",
        "Sends a text of 5 octets whose length stands in 16 bits and not in 7, after the first "
        "message.",
        "RFC 6455 5.2",
        by_role(lambda: begun().add(Encoded(TEXT, b"\x7e\x00\x05", b"Hello")).add(Behave())),
    ),
    Preset(
        "length-64-too-long",
        "Sends a text of 5 octets whose length stands in 64 bits and not in 7, after the first "
        "message.",
        "RFC 6455 5.2",
        by_role(
            lambda: begun().add(Encoded(TEXT, b"\x7f" + bytes(7) + b"\x05", b"Hello")).add(Behave())
        ),
    ),
)
