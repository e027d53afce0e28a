"""Pieces as a test sends them."""

import random
from typing import Any

from aiohttp_rawws import Opcode, Piece

BIG = random.Random(5).randbytes(2**20 + 3)


def piece(
    payload: bytes, offset: int = 0, length: "int | None" = None, last: bool = True, **kw: Any
) -> Piece:
    """Return a piece of a Binary frame, the whole of it by default."""
    rest = {"opcode": Opcode.BINARY, "fin": True, "rsv1": False, "rsv2": False, "rsv3": False} | kw
    length = len(payload) if length is None else length
    return Piece(length=length, offset=offset, payload=payload, last=last, **rest)
