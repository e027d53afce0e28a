"""Running a peer as a process of its own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .build import built, certificate
from .roles import ANSWERS, KEEP_MEMORY, UPSTREAMS, Peer

FOLDER = Path(__file__).parent
NO_EXTENSIONS = "AIOHTTP_RAWWS_NO_EXTENSIONS"


class PeerError(Exception):
    """A peer did not start, or did not echo."""


@dataclass(frozen=True)
class Setting:
    """What all processes of a run have in common."""

    loop: str = "uvloop"
    tls: bool = False
    deflate: bool = False
    """Messages are compressed."""
    core: int | None = None
    """The core of the peers."""
    spare: int | None = None
    """The core of the load generator and of a proxy's upstream."""
    upstream: str = "batches"
    """What proxies of frames pass everything on to: a name of UPSTREAMS."""


@dataclass(frozen=True)
class Running:
    peer: Peer
    pid: int
    port: int
    about: str
    """Version and build, for people."""
    tls: bool
    deflate: bool = False
    listener: socket.socket | None = None
    """Where a client connects: the load generator accepts from it."""


@contextmanager
def running(
    peer: Peer, setting: Setting, *, connections: int = 0, prefix: Sequence[str] = ()
) -> Iterator[Running]:
    """Run `peer`, and the upstream of a proxy, until the block is left.

    A client opens so many `connections`. `prefix` is a command to run the peer under. What the
    peer writes to stderr is shown at the end. Raises PeerError if it does not start.
    """
    command = [*prefix, *_command(peer), f"--loop={setting.loop}"]
    # Hashes, and with them the work of dictionaries, are the same in every run.
    environment = os.environ | {"PYTHONHASHSEED": "0", NO_EXTENSIONS: "1" * peer.interpreted}
    if peer.keeps_memory:
        environment |= KEEP_MEMORY
    listener = None
    with ExitStack() as stack:
        if setting.tls:
            if peer.client or peer.proxy or peer.program.endswith(".c"):
                raise PeerError(f"{peer.name} is measured without TLS")
            command.append(f"--tls={certificate()}")
        if setting.deflate:
            command.append("--deflate")
        if peer.client:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            command.append(f"--upstream={listener.getsockname()[1]}")
            command.append(f"--connections={connections}")
        if peer.proxy:
            behind = ANSWERS if peer.load == "request.c" else UPSTREAMS[setting.upstream]
            upstream = running(behind, replace(setting, core=setting.spare))
            command.append(f"--upstream={stack.enter_context(upstream).port}")
        errors = stack.enter_context(tempfile.TemporaryFile("w+"))
        pipe = subprocess.PIPE
        # It ends when its standard input does, which leaving the block closes.
        process = stack.enter_context(
            subprocess.Popen(
                ["env", *command],
                cwd=FOLDER.parent,
                env=environment,
                stdin=pipe,
                stdout=pipe,
                stderr=errors,
                text=True,
            )
        )
        if setting.core is not None:
            os.sched_setaffinity(process.pid, {setting.core})
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            process.wait()
            errors.seek(0)
            raise PeerError(f"{peer.name} did not start: {['', *errors][-1].strip()}")
        ready = json.loads(line)
        about = f"{ready['version']} ({ready['build']})" if ready["build"] else ready["version"]
        pid = ready.get("pid", process.pid)
        try:
            yield Running(peer, pid, ready["port"], about, setting.tls, setting.deflate, listener)
        finally:
            errors.seek(0)
            sys.stderr.write(errors.read())


def _command(peer: Peer) -> list[str]:
    if peer.program.endswith(".c"):
        return [built(peer.program), peer.kind]
    if peer.program.endswith(".js"):
        if not (FOLDER / "npm" / "node_modules").exists():
            raise PeerError(f"{peer.name} needs npm install --prefix benchmarks/npm")
        return ["node", str(FOLDER / "npm" / peer.program), peer.kind]
    return [sys.executable, "-m", f"benchmarks.peers.{peer.program}", peer.kind]
