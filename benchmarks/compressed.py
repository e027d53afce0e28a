"""A compressed message: what the generator sends, and what its echo has to inflate to."""

import zlib
from pathlib import Path

from .build import folder

__all__ = ("check_echoes", "write_message")

#: The end of a message, which is not sent (RFC 7692 section 7.2.1).
TAIL = b"\x00\x00\xff\xff"


def text_of(size: int) -> bytes:
    """Return a text of `size` bytes, as an application might send it: rows of JSON."""
    row, rows = '{"id": %d, "name": "name %d", "price": %d.%02d, "even": %s}', b""
    number = 0
    while len(rows) < size:
        even = "true" if number % 2 == 0 else "false"
        rows += (row % (number, number, number * 7 % 100, number % 100, even)).encode() + b",\n"
        number += 1
    return rows[:size]


def write_message(size: int) -> Path:
    """Write the compressed payload of a text of `size` bytes to a file, and return that."""
    compressor = zlib.compressobj(wbits=-15)
    payload = compressor.compress(text_of(size)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    file = folder() / f"message-{size}"
    file.write_bytes(payload.removesuffix(TAIL))
    return file


def check_echoes(message: Path, size: int) -> str:
    """Return what is wrong with the echoes that the generator wrote, "" if nothing.

    The generator has compared all further echoes with the last of them.
    """
    echoes = message.with_name(f"{message.name}.echo").read_bytes()
    try:
        found = zlib.decompressobj(-15).decompress(echoes)
    except zlib.error as error:
        return f"the echoes do not inflate: {error}"
    text = text_of(size)
    return "" if found and found == text * (len(found) // len(text)) else "an echo is another text"
