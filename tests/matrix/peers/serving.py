"""What the servers share: each echoes messages, and tells what its handler saw.

A server binds a free port, prints `{"port": ..., "version": ...}`, then a line for each connection
that its handler is done with, and serves until its standard input ends. The path of a request is
`/MODE/CELL`. In the mode `echo` the handler echoes; in `close` it closes after a moment.
`MATRIX_HEARTBEAT` in the environment are the seconds between two pings.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version

from aiohttp import web

#: How long a handler waits before it closes, in seconds.
MOMENT = 0.5
#: The seconds between two pings, None for the library's default.
HEARTBEAT = float(os.environ["MATRIX_HEARTBEAT"]) if "MATRIX_HEARTBEAT" in os.environ else None


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


def words(error: BaseException) -> str:
    """Return an error on a line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200].rstrip(": ")


class Visit:
    """One connection, as its handler sees it."""

    def __init__(self, path: str) -> None:
        self.mode, _, self.cell = path.lstrip("/").partition("/")
        #: True if the handler has to close.
        self.closing = self.mode == "close"

    def over(self, end: str) -> None:
        """Tell how the connection ended for the handler."""
        say(cell=self.cell, end=end)


@contextlib.asynccontextmanager
async def visit(path: str) -> AsyncIterator[Visit]:
    """Run a handler. An exception of its library is an end, too, and goes on."""
    visiting = Visit(path)
    try:
        yield visiting
    except BaseException as error:
        visiting.over(words(error))
        raise


def serve(package: str, start: Callable[[socket.socket], Awaitable[object]]) -> None:
    """Be a server: run what `start` makes of a listening socket."""
    # Each broken connection is an error to a log. The runner wants to know what else happens.
    logging.disable()

    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        server = await start(listener)
        say(port=listener.getsockname()[1], version=version(package))
        await asyncio.to_thread(sys.stdin.read)
        del server  # until here it must not be collected

    asyncio.run(run())


def serve_application(package: str, app: web.Application) -> None:
    """Be a server: run an application of aiohttp."""

    async def start(listener: socket.socket) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        return runner

    serve(package, start)
