"""User instructions of a peer per echoed message, counted by valgrind's callgrind."""

import re
import subprocess
import sys
from pathlib import Path

from . import command, machine, results
from .build import folder
from .load import Case, run_load
from .process import PeerError, Running, Setting, running
from .roles import Peer

#: Connections, and messages on each, before anything is counted: enough for caches to fill, and
#: for the interpreter to specialise what runs for each message and for each connection.
WARMUP = (20, 50)

#: Messages of the short run, which costs what the start and the end of a connection cost.
FEW = 100


def count(
    peer: Peer, case: Case, setting: Setting, messages: int, profiles: Path
) -> tuple[str, float]:
    """Return the peer's version, and the instructions of one more message.

    A short and a long run differ by so many messages, and by nothing else. Callgrind's files go to
    the folder `profiles`.
    """
    if peer.client or peer.program.endswith(".js"):
        raise PeerError(f"{peer.name}: clients, and what Node compiles, are not counted")
    file = f"{profiles}/{peer.name}-{case.size}x{case.inflight}.callgrind.%p"
    prefix = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={file}"]
    # nginx runs below a program of Python. To start without counting is many times faster.
    prefix += ["--trace-children=yes", "--instr-atstart=no"]

    def load(server: Running, messages: int) -> None:
        run_load(server, case, messages=messages)
        machine.idle(server.pid)  # What ends a connection belongs to it.

    def counted(server: Running, messages: int) -> int:
        _tell(server, "instrumentation", "on")
        _tell(server, "zero")
        load(server, messages)
        _tell(server, "dump")
        dumps = profiles.glob(f"*.callgrind.{server.pid}.*")
        written = max(dumps, key=lambda file: file.stat().st_mtime_ns).read_text()
        return sum(map(int, re.findall(r"^totals: (\d+)", written, re.MULTILINE)))

    with running(peer, setting, prefix=prefix) as server:
        for _ in range(WARMUP[0]):
            load(server, WARMUP[1])
        counted(server, FEW)  # What happens first under callgrind is no part of a message.
        short, long = counted(server, FEW), counted(server, FEW + messages)
        return server.about, (long - short) / messages


def _tell(server: Running, *order: str) -> None:
    """Have callgrind do something within the peer's process."""
    command = ["vgdb", f"--pid={server.pid}", *order]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PeerError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def main() -> None:
    parser = command.new_parser("benchmarks.instructions", __doc__)
    command.add_cases(parser, cases="256x1,256x32", connections="1")
    parser.add_argument("--messages", type=int, default=8000, help="by which two runs differ")
    parser.add_argument("--profiles", type=Path, help="keep callgrind's files in this folder")
    options = parser.parse_args()
    setting = Setting(options.loop, options.tls, upstream=options.upstream)
    profiles = options.profiles or folder()
    profiles.mkdir(exist_ok=True)
    rows, about = [], {"loop": options.loop}
    for case in command.cases(options):
        counts = {}
        for peer in command.peers(options.role, options.peers):
            print(f"{peer.name}, {case}", file=sys.stderr)
            with command.left_out():
                found = count(peer, case, setting, options.messages, profiles)
                about[peer.name], counts[peer.name] = found[0], [found[1]]
        rows += results.rows(case, "instructions", counts)
    command.report(options, about, rows)


if __name__ == "__main__":
    main()
