"""Who is measured, and how one of them is started as a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
NO_EXTENSIONS = "AIOHTTP_RAWWS_NO_EXTENSIONS"


@dataclass(frozen=True)
class Peer:
    name: str
    module: str
    """The server or proxy, a module of this package."""
    ours: bool = False
    interpreted: bool = False
    """Whether our extensions are left out."""
    bare: bool = False
    """Whether bytes are echoed without a handshake and without frames."""


UPSTREAM = Peer("c-epoll", "servers.c_epoll")

SERVERS = (
    Peer("rawws", "servers.rawws", ours=True),
    Peer("rawws-batches", "servers.rawws_batches", ours=True),
    Peer("rawws-layers", "servers.rawws_layers", ours=True),
    Peer("rawws-python", "servers.rawws", ours=True, interpreted=True),
    Peer("aiohttp", "servers.aiohttp_websocket"),
    Peer("picows", "servers.picows_listener"),
    Peer("websockets", "servers.websockets_connection"),
    Peer("tcp", "servers.tcp", bare=True),
    UPSTREAM,
)

PROXIES = (
    Peer("rawws", "proxies.rawws", ours=True),
    Peer("rawws-tap", "proxies.rawws_tap", ours=True),
    Peer("rawws-remask", "proxies.rawws_remask", ours=True),
    Peer("rawws-python", "proxies.rawws", ours=True, interpreted=True),
    Peer("usual", "proxies.usual"),
    Peer("tcp", "proxies.tcp"),
    Peer("nginx", "proxies.nginx"),
)


def is_ours(name: str) -> bool:
    """Whether a peer that is known by its name only is one of ours."""
    return name.startswith("rawws")


class ServerError(Exception):
    """A server that did not start, or did not end as it should."""


@dataclass(frozen=True)
class Server:
    pid: int
    port: int
    about: str
    """Version and build, for people."""


@contextmanager
def serving(
    peer: Peer,
    arguments: Sequence[str] = (),
    *,
    core: int | None = None,
    prefix: Sequence[str] = (),
    reset: bool = False,
) -> Iterator[Server]:
    """Run the server of `peer` until the block is left.

    `arguments` are those of `servers.parse`, `core` is the one to keep it on, `prefix` a command
    to run it under. Raises `ServerError`; shows what the server wrote to stderr while it served.
    With `reset` its connections will be reset under load: of what it then complains, and whether
    it still ends, is told only if the block fails.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", f"benchmarks.{peer.module}", *arguments],
            cwd=ROOT,
            env=_environment(peer),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            try:
                if core is not None:
                    os.sched_setaffinity(process.pid, {core})
                yield _announced(peer, process, errors)
            except BaseException:
                reset = False
                raise
            finally:
                _end(process, patience=5 if reset else 30)
                if (text := _text(errors)) and not reset:
                    print(f"{peer.name} wrote:\n{text}", file=sys.stderr)
        if process.returncode and not reset:
            raise ServerError(f"{peer.name}: its server ended with status {process.returncode}")


def _environment(peer: Peer) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != NO_EXTENSIONS}
    # Hashes, and with them the work of dictionaries, are then the same in every run.
    environment["PYTHONHASHSEED"] = "0"
    if peer.interpreted:
        environment[NO_EXTENSIONS] = "1"
    return environment


def _announced(peer: Peer, process: subprocess.Popen[str], errors: IO[str]) -> Server:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait()
        reason = (_text(errors) or f"exit status {process.returncode}").splitlines()[-1]
        errors.truncate(0)
        raise ServerError(f"{peer.name}: its server did not start: {reason}")
    ready = json.loads(line)
    about = f"{ready['version']} ({ready['build']})" if ready["build"] else ready["version"]
    return Server(ready["pid"], ready["port"], about)


def _end(process: subprocess.Popen[str], patience: float) -> None:
    if process.stdin:
        process.stdin.close()  # This is what the server waits for.
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()


def _text(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read().strip()
