"""Ports for programs that are started."""

import random
import socket

__all__ = ("free_port",)

#: Below those that the system gives to connections: one of these may be taken at any time.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has."""
    while True:
        # Each process of the tests has a seed of its own here, whatever theirs is.
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
