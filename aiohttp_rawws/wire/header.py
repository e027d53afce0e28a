"""Where a frame begins and ends, legal or not (RFC 6455 section 5.2). No rule is applied.

The parser has the same in its own loop, where each instruction counts, and drops what no session
needs: the form of a length.
"""

from dataclasses import dataclass

from .names import OPCODES, opcode_name

__all__ = ("Header", "read_header")

MASKED = 0x80
LENGTH = 0x7F
#: By the field of the length: the octets of the number that follows.
EXTENDED = {126: 2, 127: 8}


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a frame."""

    #: FIN, RSV1 to RSV3 and opcode.
    head: int
    #: The octets of the header, with those of the masking key.
    size: int
    #: The octets of the payload. The top bit of a length is read as any other bit.
    length: int
    #: The bits of the number behind the field of the length: 0, 16 or 64.
    length_bits: int
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


def read_header(data: bytes | bytearray) -> Header | None:
    """Return the header that `data` begins with, None while some of it is missing."""
    if len(data) < 2:
        return None
    field = data[1] & LENGTH
    extended = EXTENDED.get(field, 0)
    size = 2 + extended
    key_size = 4 if data[1] & MASKED else 0
    if len(data) < size + key_size:
        return None
    length = int.from_bytes(data[2:size], "big") if extended else field
    key = bytes(data[size : size + 4]) if key_size else None
    return Header(data[0], size + key_size, length, 8 * extended, key)
