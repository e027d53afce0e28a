"""The state that the connections of one event loop share."""

import asyncio
import os
from weakref import WeakKeyDictionary

from ..wire.native import ReadBuffer, key_at

__all__ = ("Cork", "Corked", "MaskingKeys", "cork_of")

#: Masking keys are drawn so many at a time.
KEYS = 1024


class MaskingKeys:
    """Masking keys, unpredictable and new each time (RFC 6455 section 5.3).

    They are drawn from the system's generator many at a time, because that is a system call.
    """

    __slots__ = ("_drawn", "_used")

    def __init__(self) -> None:
        self._drawn = bytearray()
        self._used = 0

    def next(self) -> bytes:
        """Return a key that was never returned before."""
        if self._used == len(self._drawn):
            self._drawn = bytearray(os.urandom(4 * KEYS))
            self._used = 0
        start = self._used
        self._used = start + 4
        return key_at(self._drawn, start)


class Corked:
    """An output that holds back bytes while the cork is active. A link of the cork's chain."""

    __slots__ = ("corked", "next_corked")

    def __init__(self) -> None:
        self.corked = False
        self.next_corked: Corked | None = None

    def flush(self) -> None:
        """Hand over the bytes that were held back."""
        raise NotImplementedError


class Cork:
    """The read buffer, the masking keys and the outputs that are held back, of one event loop.

    `active` is True while a connection wakes its handler inside the read callback, so that the
    loop runs then.
    """

    __slots__ = ("active", "buffer", "first", "keys", "orphaned")

    def __init__(self) -> None:
        self.buffer = ReadBuffer()
        self.keys = MaskingKeys()
        self.active = False
        self.first: Corked | None = None
        #: The connections belong to the process that this one was forked from.
        self.orphaned = False

    def hold(self, output: Corked) -> None:
        """Hold an output back until `release`."""
        output.corked = True
        output.next_corked = self.first
        self.first = output

    def release(self) -> None:
        """Let go all bytes that were sent since the cork became active."""
        try:
            while (output := self.first) is not None:
                self.first = output.next_corked
                output.next_corked = None
                output.corked = False
                output.flush()
        finally:
            self.active = False


corks: "WeakKeyDictionary[asyncio.AbstractEventLoop, Cork]" = WeakKeyDictionary()


def cork_of(loop: asyncio.AbstractEventLoop) -> Cork:
    """Return the cork of an event loop."""
    cork = corks.get(loop)
    if cork is None:
        cork = corks[loop] = Cork()
    return cork


def orphan() -> None:
    """Leave the connections to the process that this one was forked from."""
    for cork in corks.values():
        cork.orphaned = True
        cork.active = False
        cork.first = None
    corks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=orphan)
