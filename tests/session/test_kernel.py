"""What the kernel tells of each kind of socket, and of a closed one."""

import errno
import os
import socket
import sys
from collections.abc import Iterator

import pytest

from aiohttp_rawws.session.kernel import (
    acknowledged,
    error_of,
    has_ended,
    is_gone,
    probe,
    reset_on_close,
    unsent,
)

PAIRS = ["tcp", "tcp6", "unix", "datagrams"]


def pair_of(kind: str) -> tuple[socket.socket, socket.socket]:
    if kind == "unix":
        return socket.socketpair()
    if kind == "datagrams":
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    family = socket.AF_INET6 if kind == "tcp6" else socket.AF_INET
    host = "::1" if kind == "tcp6" else "127.0.0.1"
    with socket.create_server((host, 0), family=family) as listener:
        one = socket.create_connection(listener.getsockname()[:2])
        return one, listener.accept()[0]


@pytest.fixture
def pair(kind: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    try:
        one, other = pair_of(kind)
    except OSError as error:  # pragma: no cover - a machine without IPv6
        pytest.skip(str(error))
    with one, other:
        yield one, other


def tells_nothing(sock: "socket.socket | None") -> None:
    assert (unsent(sock), acknowledged(sock), error_of(sock)) == (0, None, 0)
    assert not has_ended(sock)
    assert not is_gone(sock)
    reset_on_close(sock)
    probe(sock)


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells")


@LINUX
@pytest.mark.parametrize("kind", ["tcp", "tcp6"])
def test_what_a_peer_has_acknowledged(pair: tuple[socket.socket, socket.socket]) -> None:
    one, _ = pair
    before = acknowledged(one)
    assert before is not None
    one.sendall(bytes(1000))
    while unsent(one):
        pass
    assert acknowledged(one) == before + 1000


@pytest.mark.parametrize("kind", ["unix", "datagrams"])
def test_nobody_acknowledges_on_a_unix_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    assert acknowledged(pair[0]) is None


@LINUX
@pytest.mark.parametrize("kind", ["unix"])
def test_what_a_peer_on_a_unix_socket_has_not_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    assert unsent(one) == 0
    one.sendall(bytes(1000))
    assert unsent(one) >= 1000
    other.recv(2000)
    assert unsent(one) == 0


@LINUX
@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
def test_an_end_behind_what_is_not_read(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    assert not has_ended(one)
    other.sendall(b"unread")
    assert not has_ended(one)
    other.shutdown(socket.SHUT_WR)
    assert has_ended(one)
    assert not is_gone(one)


@LINUX
@pytest.mark.parametrize("kind", ["tcp", "tcp6"])
def test_a_reset_behind_what_is_not_read(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    other.sendall(b"unread")
    reset_on_close(other)
    other.close()
    assert has_ended(one)
    assert is_gone(one)
    assert error_of(one) == errno.ECONNRESET
    assert error_of(one) == 0


@pytest.mark.parametrize("kind", ["unix"])
def test_a_unix_socket_tells_of_its_close(pair: tuple[socket.socket, socket.socket]) -> None:
    """As TCP does not: there it may be that of one half."""
    one, other = pair
    other.close()
    assert is_gone(one)
    assert error_of(one) == 0


@pytest.mark.parametrize("kind", PAIRS)
def test_a_probe_where_there_is_one(kind: str, pair: tuple[socket.socket, socket.socket]) -> None:
    one, _ = pair
    probe(one)
    kept = one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert bool(kept) is kind.startswith("tcp")


@pytest.mark.parametrize("kind", PAIRS)
def test_a_reset_where_there_is_one(kind: str, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    reset_on_close(one)
    one.close()
    other.settimeout(5)
    if kind.startswith("tcp"):
        with pytest.raises(ConnectionResetError):
            other.recv(1)
    elif kind == "unix":
        assert other.recv(1) == b""


@pytest.mark.parametrize("kind", PAIRS)
def test_a_socket_that_is_closed_tells_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    one, _ = pair
    one.close()
    tells_nothing(one)


def test_a_transport_that_has_lost_its_socket() -> None:
    tells_nothing(None)


def test_a_descriptor_that_is_no_socket() -> None:
    """Where a socket is asked that somebody else has closed, and its number is used again."""
    reader, writer = os.pipe()
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    os.dup2(reader, sock.fileno())
    try:
        tells_nothing(sock)
    finally:
        os.close(reader)
        os.close(writer)
        os.close(sock.detach())
