"""Masking (RFC 6455 section 5.3), the memory of frames, writing: the interpreted twin.

`native.pyx` is the compiled twin: the same names, the same meaning to the byte. Only what must
own memory to be fast stands here; everything above is one source for both builds. Offsets are
slices here, which end with the data; there each one is checked.
"""

import os
from collections.abc import Callable
from contextvars import Context
from struct import Struct
from typing import Any

from .allocator import keep_freed

#: How many bytes one read may bring: whole segments of the loopback interface, so that what a relay
#: passes on does not end in a small one. 256 KiB are 212 bytes more, and cost it a fifth more.
READ_SIZE = 4 * 65483

#: Headers, by the length of the length (RFC 6455 section 5.2).
SHORT = Struct("!BB").pack
LONGER = Struct("!BBH").pack
LONGEST = Struct("!BBQ").pack

#: Called for each frame, so not to be looked up.
four_octets = Struct("4s").unpack_from
number_of = int.from_bytes

#: Masks a bytearray in place, in C. See `use_mask`.
mask_in_place: "Callable[[bytes, bytearray], None] | None" = None


def use_mask(function: "Callable[[bytes, bytearray], None]") -> None:
    """Have `function(key, data)` mask bytearrays in place, if it masks as RFC 6455 has it."""
    global mask_in_place
    sample = bytearray(range(250))
    function(b"mask", sample)
    if sample == xor(bytearray(range(250)), b"mask"):
        mask_in_place = function


def masked(data: bytearray, key: bytes) -> bytes:
    """Return the data masked. The bytearray itself may be changed."""
    if mask_in_place is None:
        return xor(data, key)
    mask_in_place(key, data)
    return bytes(data)


def mask(data: bytearray, key: bytes) -> None:
    """Mask the data in place."""
    if mask_in_place is not None:
        mask_in_place(key, data)
        return
    # Numbers as big as the data would take its size several times.
    for start in range(0, len(data), READ_SIZE):
        data[start : start + READ_SIZE] = xor(data[start : start + READ_SIZE], key)


def xor(data: bytearray, key: bytes) -> bytes:
    """Return the data masked, in Python: as one number, which is the quickest there."""
    size = len(data)
    pad = key * (size >> 2)
    if size & 3:
        pad += key[: size & 3]
    return (number_of(data, "little") ^ number_of(pad, "little")).to_bytes(size, "little")


def key_at(data: bytearray, start: int) -> bytes:
    """Return the masking key that stands at `start`."""
    key: bytes = four_octets(data, start)[0]
    return key


def rotate(key: bytes, offset: int) -> bytes:
    """Return the key for a payload from `offset` on. Octet i has key octet i modulo 4."""
    offset &= 3
    return key[offset:] + key[:offset]


def copy_out(data: bytearray, start: int, end: int, key: "bytes | None") -> bytes:
    """Return a copy of `data[start:end]`, unmasked if there is a key."""
    piece = data[start:end]
    return bytes(piece) if key is None else masked(piece, key)


class Output(bytearray):
    """The octets that wait to be written to a socket."""

    __slots__ = ()

    def put(self, data: bytes, key: "bytes | None") -> None:
        """Append bytes, masked if there is a key."""
        self += data if key is None else masked(bytearray(data), key)

    def put_some(self, data: bytearray, size: int) -> None:
        """Append `data[:size]`."""
        self += memoryview(data)[:size]

    def put_header(self, head: int, length: int, key: "bytes | None") -> None:
        """Append a frame's header, its length in the shortest form (section 5.2)."""
        masked = 0 if key is None else 0x80
        if length <= 125:
            self += SHORT(head, masked | length)
        elif length <= 0xFFFF:
            self += LONGER(head, masked | 126, length)
        else:
            self += LONGEST(head, masked | 127, length)
        if key is not None:
            self += key

    def put_frame(self, head: int, payload: bytes, key: "bytes | None") -> None:
        """Append a whole frame."""
        self.put_header(head, len(payload), key)
        self += payload if key is None else masked(bytearray(payload), key)

    def take(self) -> bytes:
        """Remove all that waits and return it."""
        data = bytes(self)
        self.clear()
        return data

    def write(self, fd: int) -> bool:
        """Write what fits now, and remove it, in one system call. Return True if that was all."""
        del self[: write_some(fd, self, len(self))]
        return not self

    def write_with(self, fd: int, payload: bytes) -> int:
        """Write with a payload behind it. Return how many bytes of the payload were written."""
        try:
            sent = os.writev(fd, (self, payload))
        except OSError:
            return 0
        before = len(self)
        del self[:sent]
        return max(sent - before, 0)


def write_some(fd: int, data: bytearray, size: int) -> int:
    """Write to a socket what fits now of `data[:size]`, in one system call. Return its size.

    0 if it is full, or broken.
    """
    try:
        return os.write(fd, memoryview(data)[:size])
    except OSError:
        # The transport is tried next: it meets the same error, and reports it.
        return 0


def run_in(context: Context, callback: "Callable[[Any], object]", argument: Any) -> None:
    """Call a function in a context. RuntimeError if the context is entered already."""
    context.run(callback, argument)


#: Makes a NamedTuple of its fields, by its class. Its own constructor is Python code around this.
new_tuple = tuple.__new__


class ReadBuffer:
    """The memory of reads before they are parsed: one for all the connections of a thread.

    It may be shared because each read is parsed before the next one begins.
    """

    __slots__ = ("data", "view")

    def __init__(self) -> None:
        self.data = bytearray(READ_SIZE)
        self.view = memoryview(self.data)


#: The allocator keeps the memory of freed payloads up to this size.
kept = READ_SIZE


class Payload:
    """The payload of one frame while it arrives in more than one read.

    Reads go straight into its memory (`view`, then `wrote`). `take` returns what has arrived,
    unmasked. Memory follows the bytes, never the length a peer declared:
    what is set aside for more is at most what has arrived before, or 4 KiB.
    """

    __slots__ = ("_arrived", "_capacity", "_chunks", "_key", "filled", "missing")

    def __init__(self, length: int, key: "bytes | None") -> None:
        self.missing = length
        self.filled = 0
        self._arrived = 0
        self._capacity = 0
        self._key = key
        self._chunks: list[bytearray] = []

    def append(self, data: bytearray, start: int, end: int) -> None:
        """Add bytes that were read elsewhere."""
        self._chunks.append(bytearray(memoryview(data)[start:end]))
        self._capacity += end - start
        self._note(end - start)

    def view(self) -> memoryview:
        """Return the memory for the next bytes. It is never empty while `missing` is not 0."""
        if self.filled == self._capacity:
            room = max(self.filled, min(self._arrived, READ_SIZE), 4096)
            size = min(self.missing, room)
            self._chunks.append(bytearray(size))
            self._capacity += size
        chunk = self._chunks[-1]
        start = len(chunk) - (self._capacity - self.filled)
        return memoryview(chunk)[start : start + READ_SIZE]

    def wrote(self, count: int) -> None:
        """Note that `count` bytes stand where `view` said."""
        self._note(count)

    def _note(self, count: int) -> None:
        self.filled += count
        self.missing -= count
        self._arrived += count

    def take(self) -> bytes:
        """Return what has arrived since the last call."""
        global kept
        spare = self._capacity - self.filled
        if spare:
            self._chunks[-1] = self._chunks[-1][: len(self._chunks[-1]) - spare]
        if self._key is not None:
            for chunk in self._chunks:
                mask(chunk, self._key)
                self._key = rotate(self._key, len(chunk))
        if self.filled > kept:
            kept = keep_freed(self.filled)
        payload = b"".join(self._chunks)
        self._chunks = []
        self._capacity = self.filled = 0
        return payload
