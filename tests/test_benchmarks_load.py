"""The load generator of the benchmarks, against servers that do what no server should."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.load import Case, LoadError, generator, run_load
from benchmarks.peers import Peer, Server

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which(os.environ.get("CC", "cc").split()[0]),
    reason="load.c needs Linux and a C compiler",
)

PEER = Peer("test", "", bare=True)


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[Server]:
    """One connection, which `serve` is given."""

    def accept() -> None:
        connection, _ = listener.accept()
        with connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Server(os.getpid(), listener.getsockname()[1], "")
        thread.join(5)


@pytest.fixture(scope="module")
def load() -> Iterator[list[str]]:
    with generator() as command:
        yield command


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def stalling_echo(connection: socket.socket) -> None:
    """Stops for 0.6 s, once, after 0.2 s."""
    stall = time.monotonic() + 0.2
    while data := connection.recv(65536):
        if stall and time.monotonic() > stall:
            time.sleep(0.6)
            stall = 0.0
        connection.sendall(data)


def test_a_rate_is_kept(load: list[str]) -> None:
    with serving(echo) as server:
        sample = run_load(load, server, PEER, Case(16, 64, 1), seconds=0.5, rate=400)
    assert sample.messages == pytest.approx(200, rel=0.25)
    assert sample.held == 0


def test_a_server_that_stalls_is_charged_for_all_that_should_have_come(load: list[str]) -> None:
    with serving(stalling_echo) as server:
        sample = run_load(load, server, PEER, Case(16, 1, 1), seconds=1.0, rate=200)
    # Of 200 messages about 120 should have come in the stall, on average 0.3 s before its end.
    assert sample.held > 60
    assert sample.p50 > 0.05
    assert sample.p99 > 0.4


def test_part_of_a_message_counts_as_that_part(load: list[str]) -> None:
    def half(connection: socket.socket) -> None:
        """Echoes two whole messages, and keeps half of the third until much later."""
        size = 2**16 + 14
        for _ in range(2):
            connection.sendall(_exactly(connection, size))
        data = _exactly(connection, size)
        connection.sendall(data[: size // 2])
        time.sleep(0.5)
        connection.sendall(data[size // 2 :])
        echo(connection)

    with serving(half) as server:
        sample = run_load(load, server, PEER, Case(2**16, 1, 1), seconds=0.2, spin=True)
    # The first one is the warm-up.
    assert sample.messages == pytest.approx(1.5, abs=0.01)


def _exactly(connection: socket.socket, size: int) -> bytes:
    return connection.recv(size, socket.MSG_WAITALL)


def test_a_wrong_octet_is_an_error(load: list[str]) -> None:
    def liar(connection: socket.socket) -> None:
        data = bytearray(connection.recv(65536))
        data[-1] ^= 1
        connection.sendall(data)

    with serving(liar) as server, pytest.raises(LoadError, match="byte 21 of an echo is"):
        run_load(load, server, PEER, Case(16, 1, 1), seconds=0.2)


def test_what_is_heavy_is_not_waited_for(load: list[str]) -> None:
    def slow(connection: socket.socket) -> None:
        """Takes 5 MB in a second, so what is in flight in more than ten."""
        try:
            while data := connection.recv(2**16):
                connection.sendall(data)
                time.sleep(0.0125)
        except ConnectionError as error:
            errors.append(error)

    errors: list[ConnectionError] = []
    start = time.monotonic()
    with serving(slow) as server:
        sample = run_load(load, server, PEER, Case(2**20, 64, 1), seconds=0.3)
    assert sample.messages >= 1
    assert time.monotonic() - start < 5
    assert errors  # It was reset.
