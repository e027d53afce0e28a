"""A peer's process: started, spoken to by lines of JSON, measured and ended."""

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

from .cases import HEARTBEAT
from .peers import ROOT, Peer

__all__ = ("NotStarted", "Process")

#: How long a peer may take to start, in seconds. Chromium takes some.
START = 60.0
#: How much of what it says on stderr is kept, in characters.
STDERR = 4000
MEBIBYTE = 2**20


class NotStarted(Exception):
    """A peer's process said nothing in time."""


class Process:
    """The process of a peer, from `start` to `stop`."""

    def __init__(self, peer: Peer, *, pinging: bool = False) -> None:
        self.peer = peer
        self.pinging = pinging
        self.version = ""
        self.port = 0
        self.stderr = ""
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        #: What the process said of each cell: the line, and when it came.
        self._said: dict[str, tuple[dict[str, Any], float]] = {}
        self._news = asyncio.Condition()

    async def start(self) -> "Process":
        """Start it, and wait until it is ready. Raises NotStarted."""
        environment = self.peer.environment()
        if self.pinging:
            environment["MATRIX_HEARTBEAT"] = str(HEARTBEAT)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self.peer.command(),
            cwd=ROOT,
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            limit=MEBIBYTE,
        )
        assert self._process.stdout is not None
        self._tasks.append(asyncio.create_task(self._read_stderr()))
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), START)
            ready = json.loads(line)
        except (asyncio.TimeoutError, ValueError):
            await self.stop()
            raise NotStarted(f"{self.peer.name} did not start: {self.stderr}") from None
        self.version = ready["version"]
        self.port = ready.get("port", 0)
        self._tasks.append(asyncio.create_task(self._read_stdout()))
        return self

    async def _read_stdout(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                async with self._news:
                    self._said.setdefault(str(said.get("cell")), (said, time.monotonic()))
                    self._news.notify_all()

    async def _read_stderr(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(65536):
            self.stderr = (self.stderr + data.decode(errors="replace"))[-STDERR:]

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return None if self._process is None else self._process.returncode

    def url(self, mode: str, cell: str) -> str:
        """Return the URL of a server for one cell."""
        return f"ws://127.0.0.1:{self.port}/{mode}/{cell}"

    async def ask(self, **line: Any) -> None:
        """Tell a client to make a connection."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            await self._process.stdin.drain()

    async def said(self, cell: str, timeout: float) -> tuple[dict[str, Any], float] | None:
        """Return what the process says of a cell and when, None if nothing within `timeout`."""
        async with self._news:
            waiting = self._news.wait_for(lambda: cell in self._said)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(waiting, timeout)
        return self._said.get(cell)

    # -- memory ----------------------------------------------------------------------------

    def reset_peak(self) -> float | None:
        """Forget the peak of its memory; return what it has now, in MiB. None if unknown."""
        if self._process is None or not self.peer.one_process:
            return None
        with contextlib.suppress(OSError):
            Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
            return self._memory("VmRSS")
        return None

    def peak(self) -> float | None:
        """Return the most memory that it had since `reset_peak`, in MiB."""
        with contextlib.suppress(OSError):
            return self._memory("VmHWM")
        return None

    def _memory(self, name: str) -> float | None:
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
        return int(found[0]) / 1024 if found else None

    # -- ending ----------------------------------------------------------------------------

    async def stop(self) -> None:
        """End it."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            # Chromium ends its own processes if it is asked first.
            patience = 0.0 if self.peer.one_process else 10.0
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), patience)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
