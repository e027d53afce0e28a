"""User instructions of a peer per echoed message, counted by valgrind's callgrind."""

import re
import subprocess
from collections.abc import Callable

from . import counting
from .counting import Counts, Meter
from .peers import Server, ServerError


class Callgrind(Meter):
    program = "valgrind"
    what = "instructions"
    named = False
    digits = 0
    native = True

    def prefix(self, name: str) -> list[str]:
        """Start without counting, which is many times faster."""
        file = self.folder / f"{name}.callgrind"
        command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={file}.%p"]
        # What is no Python runs below it; the compiler that builds it is of no interest.
        command += ["--trace-children=yes", "--trace-children-skip=*cc*,*clang*"]
        return [*command, "--instr-atstart=no"]

    def count(self, server: Server, name: str, work: Callable[[], object]) -> Counts:
        self._tell(server, "instrumentation on")
        self._tell(server, "zero")
        work()
        self._tell(server, "dump")
        dumps = self.folder.glob(f"*.callgrind.{server.pid}.*")
        written = max(dumps, key=lambda file: file.stat().st_mtime_ns)
        match = re.search(r"^totals: (\d+)", written.read_text(), re.MULTILINE)
        if not match:
            raise ServerError(f"no total in callgrind's file {written}")
        return {self.what: int(match[1])}

    def _tell(self, server: Server, order: str) -> None:
        """Have callgrind do something within the server's process."""
        command = ["vgdb", f"--pid={server.pid}", *order.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"{' '.join(command)} failed: {done.stderr.strip()}")


if __name__ == "__main__":
    counting.main("benchmarks.instructions", __doc__ or "", Callgrind)
