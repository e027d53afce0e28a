"""Echo peers for the suite: each module is a program, `python -m tests.autobahn.peers.NAME`.

A `server_*` binds a free port, prints a line of JSON that tells it, and serves until its standard
input ends. A `client_*` echoes in each of the suite's cases; it is told of them in the environment.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from aiohttp import web

# websockets takes 4096 fragments of a message; the suite sends 65537. It asks when it is imported.
os.environ.setdefault("WEBSOCKETS_MAX_FRAGMENTS", str(2**17))

ROOT = Path(__file__).parent.parent.parent.parent
#: The name of each peer, and its package.
PEERS = {
    "ours": "aiohttp_rawws",
    "aiohttp": "aiohttp",
    "websockets": "websockets",
    "picows": "picows",
}


def about(name: str) -> str:
    """The package of a peer and its version."""
    return f"{PEERS[name]} {version(PEERS[name])}"


def command(module: str) -> list[str]:
    return [sys.executable, "-m", f"{__name__}.{module}"]


@contextmanager
def serving(module: str, folder: Path, **environment: str) -> Iterator[str]:
    """Run a server until the block is left; its URL.

    What it says of all that the suite does to it goes to a file in `folder`. Raises RuntimeError
    if it does not start.
    """
    words = folder / f"{module}.txt"
    with (
        open(words, "w") as errors,
        subprocess.Popen(
            command(module),
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                process.wait()
                raise RuntimeError(f"{module} did not start:\n{words.read_text()}")
            yield f"ws://127.0.0.1:{json.loads(line)['port']}/"
        finally:
            process.kill()


def serve(start: Callable[[socket.socket], Awaitable[object]]) -> None:
    """Be a server: run what `start` makes of a listening socket."""

    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        server = await start(listener)
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        del server  # until here it must not be collected

    asyncio.run(run())


def serve_application(app: web.Application) -> None:
    """Be a server: run an application of aiohttp."""

    async def start(listener: socket.socket) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        return runner

    serve(start)


def attend(
    count: Callable[[str], Awaitable[int]], echo: Callable[[str], Awaitable[object]]
) -> None:
    """A client's way through the suite.

    `count` gives the number that is the one message at a URL; `echo` echoes what comes from a URL
    until the connection ends, however it does.
    """

    async def run() -> None:
        suite, agent = os.environ["AUTOBAHN_URL"], os.environ["AUTOBAHN_AGENT"]
        for case in range(1, await count(f"{suite}/getCaseCount") + 1):
            await echo(f"{suite}/runCase?case={case}&agent={agent}")

    asyncio.run(run())
