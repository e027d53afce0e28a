"""The peers of the benchmarks: each module is an echo server, `python -m benchmarks.servers.NAME`.

A server binds a free port of the loopback interface, prints a line of JSON that tells the port and
what runs, and serves until its standard input ends: so it cannot outlive what started it.
"""

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable

Start = Callable[[socket.socket], Awaitable[object]]


def run(start: Start, version: str, build: str = "") -> None:
    """Serve what `start` makes of the listening socket it is given.

    `version` tells the package and its version, `build` which of its builds runs.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="asyncio")
    loop = _new_loop(parser.parse_args().loop)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_serve(start, version, build))
    finally:
        loop.close()


def _new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "uvloop":
        # Imported only here: whoever measures on asyncio needs no uvloop.
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


async def _serve(start: Start, version: str, build: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    server = await start(listener)
    ready = {"port": listener.getsockname()[1], "version": version, "build": build}
    print(json.dumps(ready), flush=True)
    await _end_of_input()
    del server  # It had to be referenced while it served.


async def _end_of_input() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin)
