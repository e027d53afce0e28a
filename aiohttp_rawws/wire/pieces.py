"""The parts of data frames that are too big to hold."""

from typing import NamedTuple

from .introspection import describe_fields
from .names import OPCODES, Violation

__all__ = ("Piece", "make_piece")


class Piece(NamedTuple):
    """A part of a data frame that is too big to hold.

    `session.pieces()` gives the parts of a frame as they arrive. `session.send_piece(piece)` sends
    them. Control frames are never cut, and come as `Frame`.
    """

    opcode: int
    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    length: int
    offset: int
    payload: bytes
    last: bool
    mask: bytes | None = None
    violations: Violation = Violation.NONE


describe_fields(
    Piece,
    opcode="The opcode of the frame: an `Opcode` where it is known, else a plain int.",
    fin="The FIN bit of the frame: True if the frame ends its message.",
    rsv1="The reserved bit RSV1 of the frame.",
    rsv2="The reserved bit RSV2 of the frame.",
    rsv3="The reserved bit RSV3 of the frame.",
    length="The size of the frame's whole payload, in bytes.",
    offset="The position of this part in the frame's payload, in bytes.",
    payload="The bytes of this part, unmasked.",
    last="True if this part ends the frame's payload.",
    mask="The masking key of the frame, None if it is unmasked.",
    violations="The rules that the frame broke and the session let pass.",
)


def make_piece(
    head: int, length: int, offset: int, payload: bytes, mask: bytes | None, violations: int
) -> Piece:
    """Return a piece of what stood on the wire, unchecked. `head` is the first octet."""
    return Piece(
        OPCODES[head & 0x0F],
        head & 0x80 != 0,
        head & 0x40 != 0,
        head & 0x20 != 0,
        head & 0x10 != 0,
        length,
        offset,
        payload,
        offset + len(payload) == length,
        mask,
        Violation(violations & Violation.ALL.value),
    )
