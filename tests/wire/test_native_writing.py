"""Output that is written to a socket."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.native import output

Write = Callable[[int, bytes], int]


@pytest.fixture(params=["write_some", "write", "write_with"])
def write(request: pytest.FixtureRequest, mask: Any) -> Write:
    """`write_some`, or the methods of an output, of the latter with the bytes cut in two."""
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("there all writes go through the transport")

    def write_output(fd: int, data: bytes) -> int:
        out = output(mask, data)
        assert out.write(fd) is (len(out) == 0)
        assert bytes(out) == data[len(data) - len(out) :]
        return len(data) - len(out)

    def write_with(fd: int, data: bytes) -> int:
        out = output(mask, data[:3])
        sent = out.write_with(fd, data[3:])
        assert bytes(out) == data[3 - len(out) : 3]
        assert sent == 0 or len(out) == 0
        return int(3 - len(out) + sent)

    if request.param == "write_some":
        return lambda fd, data: mask.write_some(fd, bytearray(data) + b"more", len(data))
    return write_output if request.param == "write" else write_with


def test_what_is_written_arrives(write: Write, pair: "tuple[socket.socket, ...]") -> None:
    ours, theirs = pair
    assert write(ours.fileno(), b"some bytes") == 10
    assert theirs.recv(100) == b"some bytes"


def test_a_full_socket_takes_what_fits_then_nothing(
    write: Write, pair: "tuple[socket.socket, ...]"
) -> None:
    ours, _ = pair
    data = bytes(8 * 2**20)
    assert 0 < write(ours.fileno(), data) < len(data)
    while write(ours.fileno(), data):
        pass
    assert write(ours.fileno(), data) == 0


def test_a_broken_socket_takes_nothing(write: Write, pair: "tuple[socket.socket, ...]") -> None:
    ours, theirs = pair
    theirs.close()
    assert write(ours.fileno(), b"some bytes") == 0
