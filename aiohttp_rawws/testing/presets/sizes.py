"""Frames of a size that nobody should wait for."""

from ...wire.names import Opcode
from ..preset import Preset
from .parts import Encoded, begun, by_role, watched

__all__ = ("PRESETS",)

GIGABYTE = 10**9

PRESETS = (
    Preset(
        "gigabyte",
        "Declares a binary frame of a gigabyte, sends 1024 octets of it, and then nothing more. "
        "After the first message.",
        "",
        by_role(
            lambda: watched(
                begun().add(
                    Encoded(
                        0x80 | Opcode.BINARY, b"\x7f" + GIGABYTE.to_bytes(8, "big"), bytes(1024)
                    )
                )
            )
        ),
    ),
)
