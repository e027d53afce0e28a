"""The two twins of the native module."""

import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.builds import TWINS


@pytest.fixture(params=TWINS.values(), ids=list(TWINS))
def mask(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def rng() -> random.Random:
    return random.Random(6455)


@pytest.fixture
def pair() -> "Iterator[tuple[socket.socket, socket.socket]]":
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs
