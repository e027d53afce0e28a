"""What a server or proxy does per echoed message, counted by a tool that watches its process.

The programs `instructions` and `syscalls` differ in the tool.
"""

import argparse
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from . import command, machine
from .build import BuildError, built
from .command import ROLES
from .load import Case, LoadError, run_load
from .peers import Peer, Server, ServerError, serving
from .report import ratios, table

#: Connections, and messages on each, before anything is counted: enough for caches to fill, and
#: for the interpreter to specialise what runs for each message and for each connection.
WARMUP = (20, 50)

#: Of the short run, which costs what start and end of a connection cost.
FEW = 100

#: What every peer does less often per message has no column of its own.
RARE = 0.005

Counts = Mapping[str, float]
"""How often what was done, by name."""


class Meter(ABC):
    """A tool that counts; it writes its files to `folder`."""

    program: ClassVar[str]
    """The command, and the package that it comes with."""
    what: ClassVar[str]
    """What is counted, in the plural."""
    named: ClassVar[bool]
    """Whether several things are counted, each under its name."""
    digits: ClassVar[int]
    """How many are worth showing behind the point."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def prefix(self, name: str) -> list[str]:
        """The command to run a server under; its files begin with `name`."""

    @abstractmethod
    def count(self, server: Server, name: str, work: Callable[[], object]) -> Counts:
        """What the server does while `work` runs; `ServerError` if that cannot be told."""


def require(meter: type[Meter]) -> None:
    if shutil.which(meter.program) is None:
        raise ServerError(
            f"{meter.program} was not found: install it"
            f" (apt-get install {meter.program}, dnf install {meter.program})"
        )


def per_message(
    meter: Meter, load: Path, peer: Peer, arguments: Sequence[str], case: Case, messages: int
) -> Counts:
    """What one more message costs: a short and a long run differ by nothing else."""
    name = f"{peer.name}-{case.size}-{case.inflight}-{case.connections}"
    with serving(peer, arguments, prefix=meter.prefix(name)) as server:

        def run(messages: int) -> None:
            run_load(load, server, peer, case, messages=messages, timeout=120)
            machine.idle(server.pid)  # What ends a connection belongs to it.

        connections, each = WARMUP
        for _ in range(connections):
            run(each)
        # What first happens under the tool, or is put off until then, is no part of a message.
        meter.count(server, f"{name}-first", lambda: run(FEW))
        short = meter.count(server, f"{name}-short", lambda: run(FEW))
        long = meter.count(server, f"{name}-long", lambda: run(FEW + messages))
    return {key: (long[key] - short.get(key, 0)) / messages for key in long}


def columns(counts: Iterable[Counts]) -> list[str]:
    """The names that deserve a column, the most frequent first."""
    greatest: dict[str, float] = {}
    for found in counts:
        for name, count in found.items():
            greatest[name] = max(count, greatest.get(name, 0))
    names = sorted(greatest, key=greatest.__getitem__, reverse=True)
    return [name for name in names if greatest[name] >= RARE]


def report(meter: type[Meter], case: Case, counts: Mapping[Peer, Counts]) -> str:
    """How much each peer does of what, in all, and how many times ours that is."""
    names = columns(counts.values()) if meter.named else []
    totals = {peer: [sum(found.values())] for peer, found in counts.items()}
    rows = []
    for peer, found in counts.items():
        cells = [*(found.get(name, 0) for name in names), *totals[peer]]
        rows.append([peer.name, *(f"{cell:,.{meter.digits}f}" for cell in cells)])
    text = f"== {case}\n\n{table(['peer', *names, f'{meter.what}/msg'], rows)}"
    if any(peer.ours for peer in counts):
        text += f"\n{ratios(meter.what, totals)}"
    return text


def parse(
    program: str, description: str, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    parser = command.new_parser(program, description, cases="256x1,256x32", connections="1")
    parser.add_argument("--role", choices=ROLES, default="echo", help="who is measured")
    parser.add_argument("--messages", type=int, default=8000, help="by which the runs differ")
    parser.add_argument("--profiles", type=Path, help="keep what the tool writes in this directory")
    options = parser.parse_args(arguments)
    if options.messages < 1:
        parser.error("--messages must be at least 1")
    return options


def main(program: str, description: str, kind: type[Meter]) -> None:
    """A program: count, peer beside peer, and report."""
    options = parse(program, description)
    if options.profiles:
        options.profiles.mkdir(parents=True, exist_ok=True)
    role = ROLES[options.role]
    try:
        require(kind)
        with (
            built("load.c") as load,
            tempfile.TemporaryDirectory() as temporary,
            command.arguments(role, options.loop) as arguments,
        ):
            meter = kind(options.profiles or Path(temporary))
            peers = command.started(options, role, arguments)
            print(command.headline(machine.describe() | {"loop": options.loop}, peers))
            for case in command.cases(options):
                counts = {}
                for peer in peers:
                    print(f"{peer.name}, {case}", file=sys.stderr)
                    counts[peer] = per_message(meter, load, peer, arguments, case, options.messages)
                print(report(kind, case, counts))
    except (BuildError, LoadError, ServerError) as error:
        raise SystemExit(str(error)) from None
