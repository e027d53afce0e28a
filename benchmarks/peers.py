"""Who is measured, and how one of them is started as a process of its own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
NO_EXTENSIONS = "AIOHTTP_RAWWS_NO_EXTENSIONS"


@dataclass(frozen=True)
class Peer:
    name: str
    module: str
    """The server, proxy or client, a module of this package."""
    ours: bool = False
    interpreted: bool = False
    """Whether our extensions are left out."""
    bare: bool = False
    """Whether bytes are echoed without a handshake and without frames."""
    client: bool = False
    """Whether it connects to the load generator, which is otherwise the client."""
    native: bool = True
    """Whether it is compiled before it runs, so that valgrind counts what it does."""


UPSTREAM = Peer("c-epoll", "servers.c_epoll")

SERVERS = (
    Peer("rawws", "servers.rawws", ours=True),
    Peer("rawws-batches", "servers.rawws_batches", ours=True),
    Peer("rawws-layers", "servers.rawws_layers", ours=True),
    Peer("rawws-python", "servers.rawws", ours=True, interpreted=True),
    Peer("aiohttp", "servers.aiohttp_websocket"),
    Peer("picows", "servers.picows_listener"),
    Peer("websockets", "servers.websockets_connection"),
    Peer("npm-ws", "servers.npm_ws", native=False),
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

CLIENTS = (
    Peer("rawws", "clients.rawws", client=True, ours=True),
    Peer("rawws-layers", "clients.rawws_layers", client=True, ours=True),
    Peer("rawws-python", "clients.rawws", client=True, ours=True, interpreted=True),
    Peer("aiohttp", "clients.aiohttp_websocket", client=True),
    Peer("picows", "clients.picows_listener", client=True),
    Peer("websockets", "clients.websockets_connection", client=True),
    Peer("npm-ws", "clients.npm_ws", client=True, native=False),
    Peer("tcp", "clients.tcp", client=True, bare=True),
)


def is_ours(name: str) -> bool:
    """Whether a peer that is known by its name only is one of ours."""
    return name.startswith("rawws")


class ServerError(Exception):
    """A peer that did not start, or did not end as it should."""


@dataclass(frozen=True)
class Server:
    pid: int
    port: int
    about: str
    """Version and build, for people."""
    listener: socket.socket | None = None
    """Where a client connects, to be listened to by the load generator."""


@contextmanager
def serving(
    peer: Peer,
    arguments: Sequence[str] = (),
    *,
    connections: int = 0,
    core: int | None = None,
    prefix: Sequence[str] = (),
    reset: bool = False,
) -> Iterator[Server]:
    """Run the server of `peer` until the block is left; a client opens so many connections.

    `arguments` are those of `servers.parse`, `core` is the one to keep it on, `prefix` a command
    to run it under. Raises `ServerError`; shows what the server wrote to stderr while it served.
    With `reset` its connections will be reset under load: of what it then complains, and whether
    it still ends, is told only if the block fails.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024) if peer.client else None
    with listener or nullcontext(), tempfile.TemporaryFile("w+") as errors:
        if listener:
            port = listener.getsockname()[1]
            arguments = [*arguments, f"--upstream={port}", f"--connections={connections}"]
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
                yield replace(_announced(peer, process, errors), listener=listener)
            except BaseException:
                reset = False
                raise
            finally:
                _end(process, patience=5 if reset else 30)
                if (text := _text(errors)) and not reset:
                    print(f"{peer.name} wrote:\n{text}", file=sys.stderr)
        if process.returncode and not reset:
            raise ServerError(f"{peer.name}: its process ended with status {process.returncode}")


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
        raise ServerError(f"{peer.name} did not start: {reason}")
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
