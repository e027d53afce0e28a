"""permessage-deflate: bombs are stopped while they are inflated."""

import subprocess
import sys
import zlib

import pytest

from aiohttp_rawws import Frame, FrameTooBig
from tests.support.deflate import bomb, broken, deflated, reader, text, traced


@pytest.fixture(scope="session")
def gigabyte() -> bytes:
    payload = bomb(2**30)
    assert len(payload) < 1.1 * 2**20
    return payload


@pytest.mark.parametrize("cut", [0, 500, 2**19])
def test_a_bomb_is_stopped_while_it_is_inflated(gigabyte: bytes, cut: int) -> None:
    inflater = reader(max_size=2**20)
    with traced() as peak, pytest.raises(FrameTooBig) as caught:
        inflater.decode(text(gigabyte[:cut], fin=False))
        inflater.decode(Frame.continuation(gigabyte[cut:]))
    # The message twice, as zlib's blocks and as bytes, and its payload three times.
    assert peak() < 6 * 2**20
    assert broken(caught, 1009)
    assert (caught.value.size, caught.value.limit) == (2**20 + 1, 2**20)
    assert "inflates to more than max_size (1048576 bytes)" in str(caught.value)


MEASURE = """
import resource, sys
from aiohttp_rawws import Frame, FrameTooBig
from aiohttp_rawws.layers import PermessageDeflate

frame = Frame(1, sys.stdin.buffer.read(), rsv1=True)
inflater = PermessageDeflate(is_client=False, max_size=2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    inflater.decode(frame)
except FrameTooBig:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_a_bomb_takes_a_process_little_memory(gigabyte: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], input=gigabyte, capture_output=True)
    assert int(done.stdout) < 6 * 1024, done.stderr


def test_max_size_is_that_of_a_message() -> None:
    payload = deflated(bytes(1000))
    inflater = reader(max_size=1000)
    for _ in range(3):
        assert inflater.decode(text(payload)).payload == bytes(1000)
    with pytest.raises(FrameTooBig):
        inflater.decode(text(deflated(bytes(1001))))
    inflater = reader(max_size=1000)
    # Exactly as much as fits; the next byte does not.
    first = zlib.compressobj(wbits=-15)
    part = first.compress(bytes(1000)) + first.flush(zlib.Z_SYNC_FLUSH)
    assert inflater.decode(text(part, fin=False)).payload == bytes(1000)
    assert inflater.decode(Frame.continuation(b"", fin=False)).payload == b""
    part = first.compress(b"x") + first.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(FrameTooBig):
        inflater.decode(Frame.continuation(part[:-4]))


def test_max_size_can_be_set() -> None:
    inflater = reader(max_size=10)
    inflater.max_size = 1000
    assert inflater.decode(text(deflated(bytes(1000)))).payload == bytes(1000)
