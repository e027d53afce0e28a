"""The load generator, load.c: running it, and what it tells."""

import json
import re
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

from .peers import Peer, Server


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


def run_load(
    program: Path,
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

    With `spin` the generator polls instead of sleeping. `LoadError` when a wrong byte comes back,
    none for `timeout` seconds, or no whole message in time.
    """
    command = [str(program), f"--port={server.port}", f"--pid={server.pid}", f"--timeout={timeout}"]
    command += [f"--{field.name}={getattr(case, field.name)}" for field in fields(case)]
    command += (
        [f"--messages={messages}"] if messages else [f"--warmup={warmup}", f"--seconds={seconds}"]
    )
    command += ["--bare"] if peer.bare else []
    command += ["--spin"] if spin else []
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise LoadError(f"{peer.name}: {finished.stderr.strip() or finished.returncode}")
    sample = Sample(**json.loads(finished.stdout), server_memory=most_resident(server.pid))
    if not sample.messages:
        raise LoadError(f"{peer.name}: no echo of {case} within {seconds} s; measure for longer")
    return sample


def most_resident(pid: int) -> int:
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
