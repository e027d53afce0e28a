"""Where a frame begins and ends, legal or not. The octets stay as they are."""

from dataclasses import dataclass

from ...wire.names import OPCODES, opcode_name
from ...wire.native import copy_out

__all__ = ("Header", "read_header")

BITS = {0x80: "fin", 0x40: "rsv1", 0x20: "rsv2", 0x10: "rsv3"}

#: The octets of a payload that are shown.
SHOWN = 64


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a frame (RFC 6455 section 5.2)."""

    #: FIN, RSV1 to RSV3 and opcode.
    head: int
    #: The octets of the header, with those of the masking key.
    size: int
    #: The octets of the payload. The top bit of a length is read as any other bit.
    length: int
    key: bytes | None

    @property
    def total(self) -> int:
        """The octets of the whole frame."""
        return self.size + self.length

    @property
    def bare_size(self) -> int:
        """The octets of the header without the masking key."""
        return self.size - len(self.key or b"")

    @property
    def opcode(self) -> int:
        return OPCODES[self.head & 0x0F]

    @property
    def kind(self) -> str:
        """The name of the opcode in lower case: "text", "ping", "opcode 3"."""
        return opcode_name(self.opcode).lower()

    @property
    def is_control(self) -> bool:
        return self.head & 0x08 != 0

    def shown(self, octets: bytes = b"") -> str:
        """Return the frame as a line shows it, with its payload if its octets are all there."""
        bits = [name for bit, name in BITS.items() if self.head & bit]
        words = [opcode_name(self.opcode), *bits, f"{self.length} bytes"]
        if len(octets) == self.total:
            end = min(self.total, self.size + SHOWN)
            start = copy_out(bytearray(octets[:end]), self.size, end, self.key)
            words.append(repr(start) + ("..." if self.length > SHOWN else ""))
        return " ".join(words)


def read_header(data: bytes | bytearray) -> Header | None:
    """Return the header that `data` begins with, None while some of it is missing."""
    if len(data) < 2:
        return None
    form = data[1] & 0x7F
    size = 2 + {126: 2, 127: 8}.get(form, 0)
    key_size = 4 if data[1] & 0x80 else 0
    if len(data) < size + key_size:
        return None
    length = form if size == 2 else int.from_bytes(data[2:size], "big")
    key = bytes(data[size : size + 4]) if key_size else None
    return Header(data[0], size + key_size, length, key)
