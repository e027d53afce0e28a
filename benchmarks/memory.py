"""Resident memory of a server for each idle connection, peer beside peer."""

import resource
import subprocess
import sys
import time

from . import command, load, machine, results
from .process import PeerError, Running, Setting, running


def resident(pid: int) -> int:
    """Return the resident bytes of a process, once they have not changed for half a second."""
    last, same = -1, 0
    while same < 5:
        now = machine.memory(pid, "VmRSS")
        last, same = now, same + 1 if now == last else 0
        time.sleep(0.1)
    return last


def grown(server: Running, case: load.Case) -> float:
    """Return the bytes for each open connection."""
    # The first one pays for what is loaded only then.
    load.run_load(server, load.Case(case.size, 1, 1), messages=1)
    before = resident(server.pid)
    started = load.command(server, case, messages=1, hold=True)
    pipe = subprocess.PIPE
    with subprocess.Popen(started, stdin=pipe, stdout=pipe, text=True) as generator:
        if not generator.stdout or not generator.stdout.readline():
            raise PeerError(f"{server.peer.name}: a connection failed; is ulimit -Hn too low?")
        return (resident(server.pid) - before) / case.connections


def main() -> None:
    parser = command.new_parser("benchmarks.memory", __doc__)
    parser.add_argument("--connections", type=int, default=10_000, help="idle at the same time")
    options = parser.parse_args()
    # The peers inherit this: as many descriptors as may be.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    setting, case = Setting(options.loop), load.Case(256, 1, options.connections)
    costs, about = {}, {"loop": options.loop}
    for peer in command.peers("echo", options.peers):
        print(peer.name, file=sys.stderr)
        with command.left_out(), running(peer, setting) as server:
            about[peer.name] = server.about
            costs[peer.name] = [grown(server, case)]
    command.report(options, about, results.rows(case, "idle_bytes", costs))


if __name__ == "__main__":
    main()
