"""A frame as the line of a fault shows it."""

from ...wire.header import Header
from ...wire.names import opcode_name
from ...wire.native import copy_out

__all__ = ("shown",)

BITS = {0x80: "fin", 0x40: "rsv1", 0x20: "rsv2", 0x10: "rsv3"}

#: The octets of a payload that are shown.
SHOWN = 64


def shown(header: Header, octets: bytes = b"") -> str:
    """Return opcode, bits and size of a frame, and its payload if all its octets are there."""
    bits = [name for bit, name in BITS.items() if header.head & bit]
    words = [opcode_name(header.opcode), *bits, f"{header.length} bytes"]
    if len(octets) == header.total:
        end = min(header.total, header.size + SHOWN)
        start = copy_out(bytearray(octets[:end]), header.size, end, header.key)
        words.append(repr(start) + ("..." if header.length > SHOWN else ""))
    return " ".join(words)
