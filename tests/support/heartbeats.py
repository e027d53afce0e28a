"""Constants and clocks for the tests of the heartbeat."""

import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.wire import Wire

LONG = 3600
#: Much longer than a loop takes to get to something, much shorter than a test may take.
SHORT = 0.05
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@contextlib.asynccontextmanager
async def ends_between(least: float, most: float) -> AsyncIterator[None]:
    """Check that the block takes `least` to `most` seconds, with two more for a busy machine."""
    start = time.monotonic()
    yield
    assert least - 0.01 < time.monotonic() - start < most + 2


async def read_some(wire: Wire, size: int) -> int:
    """Read up to `size` bytes from the socket of a wire, past its paused transport."""
    with socket.socket(fileno=socket.dup(wire.writer.get_extra_info("socket").fileno())) as sock:
        sock.setblocking(False)
        try:
            return len(sock.recv(size))
        except BlockingIOError:
            return 0


async def next_ping(wire: Wire) -> bytes:
    """Return the payload of the next frame, which must be a Ping."""
    head, payload = await wire.read_frame()
    assert head == 0x89
    return payload
