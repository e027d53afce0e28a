"""The load generator, load.c: building it, running it, and what it tells."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from .build import built
from .peers import Peer, Server
from .tls import SUITE


class LoadError(Exception):
    """What came back was no echo."""


@dataclass(frozen=True)
class Case:
    """`inflight` messages of `size` bytes of payload are under way on each of `connections`."""

    size: int
    inflight: int
    connections: int

    def __str__(self) -> str:
        return (
            f"{self.size} B, {self.inflight} in flight on each of {self.connections} connection(s)"
        )


@dataclass(frozen=True)
class Sample:
    """One run; times in seconds, bytes of payload in one direction."""

    messages: int
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
    spin: bool = False,
    timeout: float = 10.0,
) -> Sample:
    """Load `server` for `warmup` and then `seconds`, or with `messages` where that is given.

    `load` is the generator's command. With `spin` it polls instead of sleeping. `LoadError` when a
    wrong byte comes back, none for `timeout` seconds, or no whole message in time.
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
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, pass_fds=listener
    )
    if finished.returncode:
        raise LoadError(f"{peer.name}: {finished.stderr.strip() or finished.returncode}")
    sample = Sample(**json.loads(finished.stdout), server_memory=most_resident(server.pid))
    if not sample.messages:
        raise LoadError(f"{peer.name}: no echo of {case} within {seconds} s; measure for longer")
    return sample


def most_resident(pid: int) -> int:
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
