"""Frames as bytes on the wire."""

#: Frames of a server: a Text, and a Close 1000.
HELLO = b"\x81\x05Hello"
CLOSE = b"\x88\x02\x03\xe8"
MASK = b"\x37\xfa\x21\x3d"  # the masking key of the examples of RFC 6455 section 5.7


def xor(payload: bytes, mask: bytes = MASK) -> bytes:
    """Mask as RFC 6455 section 5.3 describes it."""
    return bytes(octet ^ mask[i % 4] for i, octet in enumerate(payload))


def masked(head: int, payload: bytes = b"") -> bytes:
    """Return a client's frame of up to 65535 bytes: first octet `head`, masked with MASK."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([head]) + length + MASK + xor(payload)


def long_frame(head: int, payload: bytes) -> bytes:
    """Return a client's frame of any size, with a 64-bit length, masked with MASK."""
    size = len(payload)
    key = (MASK * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return bytes([head, 0xFF]) + size.to_bytes(8, "big") + MASK + mixed.to_bytes(size, "big")
