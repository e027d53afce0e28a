"""The peers of the benchmarks: each module is an echo server, `python -m benchmarks.servers.NAME`.

A server binds a free port of the loopback interface, prints a line of JSON that tells the port and
what runs, and serves until its standard input ends: so it cannot outlive what started it.
"""

import argparse
import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from ..tls import server_context

Start = Callable[[socket.socket], Awaitable[AbstractAsyncContextManager[Any]]]


def parse() -> argparse.Namespace:
    """The options of this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="asyncio")
    parser.add_argument(
        "--upstream", type=int, help="a proxy's or client's: the port to connect to"
    )
    parser.add_argument("--connections", type=int, default=0, help="how many a client opens")
    parser.add_argument("--tls", type=Path, help="the folder with the certificates to use")
    return parser.parse_args()


def tls() -> ssl.SSLContext | None:
    """What to serve with, None for bare TCP."""
    folder = parse().tls
    return server_context(folder) if folder else None


def run(start: Start, version: str, build: str = "") -> None:
    """Serve what `start` makes of the listening socket it is given.

    `version` tells the package and its version, `build` which of its builds runs.
    """
    run_loop(_serve(start, version, build))


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end on the loop that was asked for."""
    loop = _new_loop(parse().loop)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


def run_application(app: web.Application, version: str, build: str = "") -> None:
    """Serve an application of aiohttp."""

    async def start(listener: socket.socket) -> AbstractAsyncContextManager[None]:
        return _running(app, listener)

    run(start, version, build)


def listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    return listener


def run_program(command: Sequence[str], port: int, version: str, inherited: int = -1) -> None:
    """Have a program of another kind serve `port`, maybe on a descriptor that it inherits."""
    descriptors = [inherited] if inherited >= 0 else []
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=descriptors) as process:
        try:
            while not _accepts(port):
                if process.poll() is not None:
                    raise SystemExit(f"{command[0]} ended with status {process.returncode}")
                time.sleep(0.01)
            announce(port, process.pid, version)
            sys.stdin.read()
        finally:
            process.terminate()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def announce(port: int, pid: int, version: str, build: str = "") -> None:
    ready = {"port": port, "pid": pid, "version": version, "build": build}
    print(json.dumps(ready), flush=True)


@asynccontextmanager
async def _running(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=tls()).start()
        yield
    finally:
        await runner.cleanup()


def _new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "uvloop":
        # Imported only here: whoever measures on asyncio needs no uvloop.
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


async def _serve(start: Start, version: str, build: str) -> None:
    listener = listen()
    async with await start(listener):
        announce(listener.getsockname()[1], os.getpid(), version, build)
        await end_of_input()


async def end_of_input() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin)
