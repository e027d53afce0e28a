"""A proxy in a process of its own, so that its CPU time can be measured.

`python -m demo.ingress.process MODULE UPSTREAM` serves what `make_app(upstream)` of
that module gives, on a free port of 127.0.0.1, which it prints. It ends with its input, so that it
cannot outlive whoever started it.
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

#: Where the event loops come from, here and in the proxies.
LOOPS = importlib.import_module("uvloop" if importlib.util.find_spec("uvloop") else "asyncio")

#: How long a proxy may take to start, in seconds.
START_TIMEOUT = 20.0


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs: where it listens, and its process."""

    url: URL
    pid: int

    def cpu_seconds(self) -> float | None:
        """The CPU time it has used, user and system; None where the system is not Linux."""
        if sys.platform != "linux":
            return None
        # The clock of a process, as clock_getcpuclockid(3) makes it of the number.
        return time.clock_gettime(~self.pid << 3 | 2)


@contextlib.asynccontextmanager
async def running(module: str, upstream: URL) -> AsyncIterator[Proxy]:
    """Run the proxy of a module in front of `upstream` for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __spec__.name,
        module,
        str(upstream),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        # Ctrl-C is for whoever started it.
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
    # What goes wrong in a proxy is what the probes are to find out.
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
