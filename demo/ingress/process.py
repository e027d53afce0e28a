"""A proxy as a process of its own, whose CPU time can be measured.

`python -m demo.ingress.process MODULE UPSTREAM` serves `make_app(upstream)` of that module on a
free port of 127.0.0.1, and prints the port. It ends with its standard input, so that it does not
outlive the process that started it.
"""

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from yarl import URL

__all__ = ("LOOPS", "Proxy", "running")

ROOT = Path(__file__).parent.parent.parent

#: The module of the event loops, here and in the proxies.
LOOPS = importlib.import_module("uvloop" if importlib.util.find_spec("uvloop") else "asyncio")

#: The time for a proxy to start, in seconds.
START_TIMEOUT = 20.0


@dataclass(frozen=True)
class Proxy:
    """A running proxy: the address where it listens, and its process."""

    url: URL
    pid: int

    def cpu_seconds(self) -> float | None:
        """Return the CPU time it has used, user and system, or None if not on Linux."""
        if sys.platform != "linux":
            return None
        # The clock of a process, as clock_getcpuclockid(3) makes it from the process id.
        return time.clock_gettime(~self.pid << 3 | 2)


@contextlib.asynccontextmanager
async def running(module: str, upstream: URL) -> AsyncIterator[Proxy]:
    """Run the proxy of a module in front of `upstream` during the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __spec__.name,
        module,
        str(upstream),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        # Ctrl+C ends only the process that started it.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
        if not port:
            raise RuntimeError(f"{module} did not start")
        yield Proxy(URL(f"http://127.0.0.1:{int(port)}"), process.pid)
    finally:
        process.stdin.close()
        await process.wait()


def serve(module: str, upstream: str) -> None:
    threading.Thread(target=end_with_input, daemon=True).start()
    # The probes tell what goes wrong in a proxy.
    logging.disable()
    app = importlib.import_module(module).make_app(URL(upstream))
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    web.run_app(app, sock=listener, print=None, access_log=None, loop=LOOPS.new_event_loop())


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve(*sys.argv[1:])
