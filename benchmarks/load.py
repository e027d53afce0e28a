"""The load generator, load.c: building it, running it, and what it tells."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from .build import built
from .machine import memory
from .peers import Peer, Server
from .tls import SUITE

UNITS = {"K": 2**10, "M": 2**20}
# Bytes in flight. More than that is not waited for when a measurement is over.
HEAVY = 32 * 2**20


class LoadError(Exception):
    """What came back was no echo."""


def size_of(text: str) -> int:
    """Bytes, as `256`, `8K` or `1M`."""
    unit = UNITS.get(text[-1:].upper(), 1)
    return int(text[:-1] if unit > 1 else text) * unit


def size_text(size: int) -> str:
    """`256 B`, `8 KiB`, `1 MiB`."""
    for letter, unit in reversed(UNITS.items()):
        if size and size % unit == 0:
            return f"{size // unit} {letter}iB"
    return f"{size} B"


def connections_text(number: int) -> str:
    """`1 connection`, `1,000 connections`."""
    return f"{number:,} connection{'s' if number > 1 else ''}"


@dataclass(frozen=True)
class Case:
    """`inflight` messages of `size` bytes of payload are under way on each of `connections`."""

    size: int
    inflight: int
    connections: int

    def __str__(self) -> str:
        each = "each of " if self.connections > 1 else ""
        where = f"{each}{connections_text(self.connections)}"
        return f"{size_text(self.size)}, {self.inflight} in flight on {where}"

    @property
    def load(self) -> str:
        """The case where a rate is given, and `inflight` is but a bound."""
        return f"{size_text(self.size)} over {connections_text(self.connections)}"

    @property
    def heavy(self) -> bool:
        """Whether so much is in flight that a measurement ends by resetting the connections."""
        return self.size * self.inflight * self.connections > HEAVY


@dataclass(frozen=True)
class Sample:
    """One run; times in seconds, bytes of payload in one direction."""

    messages: float
    """A part of a message counts as that part."""
    bytes: int
    reads: int
    """How often the generator read, and so on for `writes`."""
    writes: int
    elapsed: float
    server_cpu: float
    server_wait: float
    """How long the server was ready to run but its core had other work."""
    load_cpu: float
    p50: float
    p99: float
    p999: float
    held: int
    """Messages that a `rate` had planned but that had to wait, so much was in flight."""
    delay99: float
    """The 99th percentile of how late the generator came to send what did not have to wait."""
    server_memory: int
    """The most bytes that the server's process had resident, since it started."""


@contextmanager
def generator(certificates: Path | None = None) -> Iterator[list[str]]:
    """The command of the load generator, built; over TLS where there are certificates for it."""
    if certificates is None:
        with built("load.c") as program:
            yield [str(program)]
    else:
        with built("load.c", "-DTLS", "-lssl", "-lcrypto") as program:
            yield [str(program), f"--tls={certificates}", f"--suite={SUITE}"]


def run_load(
    load: Sequence[str],
    server: Server,
    peer: Peer,
    case: Case,
    *,
    seconds: float = 1.0,
    warmup: float = 0.0,
    messages: int = 0,
    rate: float = 0.0,
    spin: bool = False,
    timeout: float = 10.0,
) -> Sample:
    """Load `server` for `warmup` and then `seconds`, or with `messages` where that is given.

    `load` is the generator's command. With `rate` so many messages per second are sent, whatever
    comes back; latency then counts from the time that was planned for each, and `case.inflight` is
    but a bound. With `spin` the generator polls instead of sleeping; with a `rate` it always does.
    `LoadError` when a wrong byte comes back, none for `timeout` seconds, or no whole message.
    """
    command = [*load, f"--pid={server.pid}", f"--timeout={timeout}"]
    listener = [server.listener.fileno()] if server.listener else []
    command += [f"--listener={listener[0]}"] if listener else [f"--port={server.port}"]
    command += [f"--{field.name}={getattr(case, field.name)}" for field in fields(case)]
    command += (
        [f"--messages={messages}"] if messages else [f"--warmup={warmup}", f"--seconds={seconds}"]
    )
    command += ["--bare"] if peer.bare else []
    command += ["--spin"] if spin else []
    command += [f"--rate={rate}"] if rate else []
    command += ["--drop"] if case.heavy and not (messages or rate) else []
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, pass_fds=listener
    )
    if finished.returncode:
        raise LoadError(f"{peer.name}: {finished.stderr.strip() or finished.returncode}")
    sample = Sample(**json.loads(finished.stdout), server_memory=memory(server.pid, "VmHWM"))
    if not sample.p50:
        raise LoadError(f"{peer.name}: no echo of {case} within {seconds} s; measure for longer")
    return sample
