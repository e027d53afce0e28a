"""The load generators in C: running them, and what they tell."""

import json
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import Any

from . import machine
from .build import built
from .compressed import check_echoes, write_message
from .process import PeerError, Running

UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}

#: Seconds after which a run has failed.
PATIENCE = 300


@dataclass(frozen=True)
class Case:
    """`inflight` messages of `size` bytes of payload are under way on each of `connections`."""

    size: int
    inflight: int
    connections: int

    def __str__(self) -> str:
        size = f"{self.size} B"
        for letter, unit in UNITS.items():
            if self.size and self.size % unit == 0:
                size = f"{self.size // unit} {letter}iB"
        many = self.connections > 1
        where = f"each of {self.connections:,} connections" if many else "1 connection"
        return f"{size}, {self.inflight} in flight on {where}"


@dataclass(frozen=True)
class Sample:
    """One run; times in seconds."""

    messages: float
    """A part of a message counts as that part."""
    elapsed: float
    cpu: float
    """CPU time of the peer, all its threads, user and system."""
    p50: float
    p99: float
    p999: float
    waited: float
    """The share of the time that the peer was ready to run but its core had other work."""
    memory: int
    """The most bytes that the peer had resident since it started."""
    about: str
    """The peer's version and build."""


def command(server: Running, case: Case, **options: Any) -> list[str]:
    """Return the command of the generator."""
    options |= {"pid": server.pid, "bare": server.peer.bare, "tls": server.tls, **asdict(case)}
    if server.listener:
        options["listener"] = server.listener.fileno()
    else:
        options["port"] = server.port
    given = {name: int(value) if value is True else value for name, value in options.items()}
    return [built(server.peer.load), *(f"{name}={value}" for name, value in given.items() if value)]


def run_load(server: Running, case: Case, **options: Any) -> Sample:
    """Load a peer for `warmup` and then `seconds`, or with so many `messages`.

    With `spin` the generator polls instead of sleeping. Raises PeerError if a wrong byte comes
    back, or no message.
    """
    if server.deflate:
        options["deflated"] = write_message(case.size)
    start, waited = time.monotonic(), machine.waited(server.pid)
    inherited = [server.listener.fileno()] if server.listener else []
    started = ["timeout", f"{PATIENCE}", *command(server, case, **options)]
    done = subprocess.run(started, capture_output=True, text=True, pass_fds=inherited)
    if done.returncode:
        raise PeerError(f"{server.peer.name}: {done.stderr.strip() or 'no end of the load'}")
    if server.deflate and (wrong := check_echoes(options["deflated"], case.size)):
        raise PeerError(f"{server.peer.name}: {wrong}")
    sample = Sample(
        **json.loads(done.stdout),
        waited=(machine.waited(server.pid) - waited) / (time.monotonic() - start),
        memory=machine.memory(server.pid, "VmHWM"),
        about=server.about,
    )
    if not sample.p50:
        raise PeerError(f"{server.peer.name}: no echo of {case}; measure for longer")
    return sample
