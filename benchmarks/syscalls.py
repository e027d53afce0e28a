"""System calls of a peer per echoed message, by name, counted by strace."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import counting
from .counting import Counts, Meter
from .peers import Server, ServerError

# % time, seconds, usecs/call, calls, errors (may be blank), name
ROW = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.MULTILINE)


def calls(summary: str) -> Counts:
    """How often each system call was made, of the table that `strace -c` writes."""
    return {name: int(count) for count, name in ROW.findall(summary) if name != "total"}


class Strace(Meter):
    program = "strace"
    what = "system calls"
    named = True
    digits = 3
    native = False

    def prefix(self, name: str) -> list[str]:
        return []

    def count(self, server: Server, name: str, work: Callable[[], object]) -> Counts:
        file = self.folder / f"{name}.strace"
        with attached(server.pid, file):
            work()
        return calls(file.read_text())


@contextmanager
def attached(pid: int, file: Path) -> Iterator[None]:
    """Have strace count what a process and its threads call while the block runs."""
    command = ["strace", "-f", "-c", "-o", str(file), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        try:
            line = strace.stderr.readline()
            if " attached" not in line:
                raise ServerError(f"strace cannot watch process {pid}: {line.strip()}")
            yield
        finally:
            strace.send_signal(signal.SIGINT)


if __name__ == "__main__":
    counting.main("benchmarks.syscalls", __doc__ or "", Strace)
