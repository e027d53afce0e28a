"""The peers that are measured: each module is a program, `python -m benchmarks.peers.NAME KIND`.

A program serves on a free port, or connects as a client, says so with a line of JSON, and ends
when its standard input does: so it cannot outlive the program that started it.
"""

import argparse
import asyncio
import functools
import json
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import web

TLS: TypeAlias = "ssl.SSLContext | None"
Start = Callable[[socket.socket, TLS], Awaitable[object]]
Echo = Callable[[str], Awaitable[object]]


@functools.cache
def options() -> argparse.Namespace:
    """The options of this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", help="of server, proxy or client")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="asyncio")
    parser.add_argument("--upstream", type=int, help="the port a proxy or client connects to")
    parser.add_argument("--connections", type=int, default=0, help="how many a client opens")
    parser.add_argument("--deflate", action="store_true", help="compress messages")
    parser.add_argument("--tls", type=Path, help="a file with a key and its certificate")
    return parser.parse_args()


def on_aiofastnet() -> bool:
    """Return True if the loop gets the transports of aiofastnet."""
    return str(options().kind).endswith("-aiofastnet")


def upstream(path: str = "/", scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{options().upstream}{path}"


def announce(port: int, version: str, build: str = "", **more: Any) -> None:
    if on_aiofastnet():
        build += f", aiofastnet {metadata.version('aiofastnet')}"
    print(json.dumps({"port": port, "version": version, "build": build, **more}), flush=True)


def serve(start: Start, version: str, build: str = "") -> None:
    """Run the server that `start` makes of a listening socket."""

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.setblocking(False)
        tls = None
        if options().tls:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(options().tls)
        server = await start(listener, tls)
        announce(listener.getsockname()[1], version, build)
        await _forever(server)

    _run(main())


def serve_application(app: web.Application, version: str, build: str = "") -> None:
    """Run an application of aiohttp."""

    async def start(listener: socket.socket, tls: TLS) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls).start()
        return runner

    serve(start, version, build)


def connect(echo: Echo, version: str, build: str = "") -> None:
    """Have `echo` connect to the load generator, as often as asked for."""

    async def main() -> None:
        # The generator answers only from now on: nobody may wait for it before.
        announce(options().upstream, version, build)
        await asyncio.gather(*(echo(upstream()) for _ in range(options().connections)))
        await _forever()

    _run(main())


async def _forever(kept: object = None) -> None:
    await asyncio.get_running_loop().create_future()


def _run(main: Coroutine[Any, Any, None]) -> None:
    if options().loop == "uvloop":
        # Imported only here: asyncio's own loop can be measured without uvloop.
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    if on_aiofastnet():
        import aiofastnet

        aiofastnet.patch_loop(loop)
    asyncio.set_event_loop(loop)
    loop.add_reader(sys.stdin, os._exit, 0)  # at once: what it leaves behind is not measured
    loop.run_until_complete(main)
