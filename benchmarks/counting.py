"""What a peer does per echoed message, counted by a tool that watches its process.

The programs `instructions` and `syscalls` differ in the tool.
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from . import command, machine, tls
from .build import BuildError
from .command import ROLES
from .load import Case, LoadError, generator, run_load
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
    native: ClassVar[bool]
    """Whether it is no measure of what is compiled while it runs."""

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


@dataclass(frozen=True)
class Runs:
    """Runs of a peer in one case, watched by a tool."""

    meter: Meter
    load: Sequence[str]
    """The command of the generator."""
    peer: Peer
    arguments: Sequence[str]
    """To start the peer with."""
    case: Case

    def per_message(self, messages: int) -> Counts:
        """What one more message costs: a short and a long run differ by nothing else."""
        runs = self._of_clients if self.peer.client else self._of_server
        short, long = runs(messages)
        return {key: (long[key] - short.get(key, 0)) / messages for key in long}

    def _of_server(self, messages: int) -> tuple[Counts, Counts]:
        connections, each = WARMUP
        with self._started() as server:
            for _ in range(connections):
                self._run(server, each)
            # What first happens under the tool, or is put off until then, is no part of a message.
            self._count(server, "first", FEW)
            return self._count(server, "short", FEW), self._count(server, "long", FEW + messages)

    def _of_clients(self, messages: int) -> tuple[Counts, Counts]:
        """A client connects once: each run is another's, and its warm-up is part of it."""
        few = math.prod(WARMUP)
        return self._of_client("short", few), self._of_client("long", few + messages)

    def _of_client(self, run: str, messages: int) -> Counts:
        with self._started() as client:
            machine.idle(client.pid)  # It has asked for its connections, and waits for an answer.
            return self._count(client, run, messages)

    def _started(self) -> AbstractContextManager[Server]:
        return serving(
            self.peer,
            self.arguments,
            connections=self.case.connections,
            prefix=self.meter.prefix(self._name),
        )

    @property
    def _name(self) -> str:
        case = self.case
        return f"{self.peer.name}-{case.size}-{case.inflight}-{case.connections}"

    def _count(self, server: Server, run: str, messages: int) -> Counts:
        return self.meter.count(server, f"{self._name}-{run}", lambda: self._run(server, messages))

    def _run(self, server: Server, messages: int) -> None:
        run_load(self.load, server, self.peer, self.case, messages=messages, timeout=120)
        machine.idle(server.pid)  # What ends a connection belongs to it.


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


def as_json(
    kind: type[Meter],
    facts: Mapping[str, str],
    peers: Mapping[Peer, str],
    options: argparse.Namespace,
    results: Mapping[Case, Mapping[Peer, Counts]],
) -> str:
    """What was counted per message, with what is needed to read it."""
    figure = f"{kind.what} per message".replace(" ", "_")
    return json.dumps(
        {
            **command.about(facts, peers, options),
            "role": options.role,
            "messages": options.messages,
            "results": [
                {
                    "peer": peer.name,
                    **asdict(case),
                    figure: sum(found.values()),
                    **({"by_name": found} if kind.named else {}),
                }
                for case, counts in results.items()
                for peer, found in counts.items()
            ],
        },
        indent=1,
    )


def countable(
    kind: type[Meter], peers: dict[Peer, str], options: argparse.Namespace
) -> dict[Peer, str]:
    """Those that the tool is a measure of; the others are left out as `command.started` does."""
    for peer in peers:
        if kind.native and not peer.native:
            reason = (
                f"{peer.name}: {kind.program} is no measure of code that is compiled while it runs"
            )
            if options.peers:
                raise ServerError(reason)
            print(f"left out, {reason}", file=sys.stderr)
    return {peer: about for peer, about in peers.items() if peer.native or not kind.native}


def parse(
    program: str, description: str, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    parser = command.new_parser(program, description, cases="256x1,256x32", connections="1")
    parser.add_argument("--role", choices=ROLES, default="echo", help="who is measured")
    parser.add_argument("--messages", type=int, default=8000, help="by which the runs differ")
    parser.add_argument("--profiles", type=Path, help="keep what the tool writes in this directory")
    parser.add_argument("--json", type=Path, help="write the counts to this file, after each case")
    options = parser.parse_args(arguments)
    if options.messages < 1:
        parser.error("--messages must be at least 1")
    return options


def measure(meter: Meter, options: argparse.Namespace) -> None:
    """Count, peer beside peer, and report each case."""
    kind, role = type(meter), ROLES[options.role]
    facts = machine.describe() | (tls.describe() if options.tls else {})
    results: dict[Case, dict[Peer, Counts]] = {}
    with (
        tls.certificates(options.tls) as certificates,
        generator(certificates) as load,
        command.arguments(role, options.loop, certificates=certificates) as arguments,
    ):
        peers = countable(kind, command.started(options, role, arguments), options)
        print(command.headline(facts | {"loop": options.loop}, peers))
        for case in command.cases(options):
            counts = results[case] = {}
            for peer in peers:
                print(f"{peer.name}, {case}", file=sys.stderr)
                runs = Runs(meter, load, peer, arguments, case)
                counts[peer] = runs.per_message(options.messages)
            print(report(kind, case, counts))
            if options.json:
                options.json.write_text(as_json(kind, facts, peers, options, results) + "\n")


def main(program: str, description: str, kind: type[Meter]) -> None:
    """A program: count what this tool counts."""
    options = parse(program, description)
    if options.profiles:
        options.profiles.mkdir(parents=True, exist_ok=True)
    try:
        require(kind)
        with tempfile.TemporaryDirectory() as temporary:
            measure(kind(options.profiles or Path(temporary)), options)
    except (BuildError, LoadError, ServerError) as error:
        raise SystemExit(str(error)) from None
