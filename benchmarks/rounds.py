"""Rounds of measurements, peer beside peer: CPU time of its process per echoed message."""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import command, machine, tls
from .build import BuildError
from .load import Case, LoadError, Sample, generator, run_load
from .peers import Peer, ServerError, serving
from .report import ratios, table

BUSY = 0.05


@dataclass(frozen=True)
class Result:
    """One peer in one case, a sample for each round in order."""

    peer: Peer
    case: Case
    samples: tuple[Sample, ...]

    @property
    def costs(self) -> list[float]:
        """Microseconds of the server's CPU time per message."""
        return [sample.server_cpu / sample.messages * 1e6 for sample in self.samples]

    def median_of(self, figure: str) -> float:
        return float(median(getattr(sample, figure) for sample in self.samples))

    def per_second(self, figure: str) -> float:
        return float(median(getattr(sample, figure) / sample.elapsed for sample in self.samples))


def measure(
    load: Sequence[str],
    peers: Sequence[Peer],
    arguments: Sequence[str],
    options: argparse.Namespace,
    core: int | None,
) -> list[Result]:
    """All peers in one case after the other, again in every round: a slow minute meets all of them.

    Each time in a new process, since chance lays out its memory, and beginning with another peer.
    `core` is the peers' where the generator has one of its own.
    """
    cases = command.cases(options)
    samples: dict[tuple[Case, Peer], list[Sample]] = {(c, p): [] for c in cases for p in peers}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        start = number % len(peers)
        for case, peer in itertools.product(cases, (*peers[start:], *peers[:start])):
            with serving(peer, arguments, connections=case.connections, core=core) as server:
                sample = run_load(
                    load,
                    server,
                    peer,
                    case,
                    seconds=options.seconds,
                    warmup=options.warmup,
                    spin=not options.sleep,
                )
            samples[case, peer].append(sample)
    return [Result(peer, case, tuple(found)) for (case, peer), found in samples.items()]


HEAD = (
    *("peer", "CPU us/msg", "minimum", "spread", "msg/CPU s", "MB/CPU s", "msg/s", "MB/s"),
    *("p50 us", "p99 us", "p99.9 us", "server", "load", "msg/read", "MiB"),
)


def figures(result: Result) -> list[str]:
    """The columns of HEAD."""
    costs = result.costs
    middle = median(costs)
    return [
        result.peer.name,
        f"{middle:.2f}",
        f"{min(costs):.2f}",
        f"{(max(costs) - min(costs)) / middle:.0%}",
        f"{1e6 / middle:,.0f}",
        f"{result.case.size / middle:,.1f}",
        f"{result.per_second('messages'):,.0f}",
        f"{result.per_second('bytes') / 1e6:.1f}",
        *(f"{result.median_of(share) * 1e6:.0f}" for share in ("p50", "p99", "p999")),
        *(f"{result.per_second(process):.0%}" for process in ("server_cpu", "load_cpu")),
        f"{result.median_of('messages') / result.median_of('reads'):.2f}",
        f"{result.median_of('server_memory') / 2**20:.0f}",
    ]


def report(results: Sequence[Result]) -> str:
    parts = []
    for case in dict.fromkeys(result.case for result in results):
        group = [result for result in results if result.case == case]
        costs = {result.peer: result.costs for result in group}
        parts += [f"== {case}", "", table(HEAD, [figures(result) for result in group])]
        if any(peer.ours for peer in costs):
            parts.append(ratios("CPU time", costs))
    return "\n".join(parts)


def warn_if_busy(results: Sequence[Result]) -> None:
    """A core that works for others in between costs the server its caches."""
    share = max(result.per_second("server_wait") for result in results)
    if share > BUSY:
        print(
            f"the machine is busy: a server waited {share:.0%} of the time for its core;"
            " trust the minimum at most, and measure again when it is quiet",
            file=sys.stderr,
        )


def as_json(
    facts: dict[str, str],
    peers: dict[Peer, str],
    options: argparse.Namespace,
    results: Sequence[Result],
) -> str:
    """Every sample, times in seconds, with what is needed to read it."""
    return json.dumps(
        {
            "machine": facts,
            "peers": {peer.name: about for peer, about in peers.items()},
            "loop": options.loop,
            "sleep": options.sleep,
            "results": [
                {
                    "peer": result.peer.name,
                    **asdict(result.case),
                    "server_cpu_us_per_message": median(result.costs),
                    "rounds": [asdict(sample) for sample in result.samples],
                }
                for result in results
            ],
        },
        indent=1,
    )


def parse(program: str, description: str, role: command.Role) -> argparse.Namespace:
    parser = command.new_parser(
        program, description, cases=role.cases, connections=role.connections
    )
    parser.add_argument("--rounds", type=int, default=5, help="of all peers")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--warmup", type=float, default=0.3, help="seconds before each measurement")
    parser.add_argument(
        "--sleep",
        action="store_true",
        # An upstream needs the generator's core too.
        default=role.upstream is not None,
        help="let the load generator sleep instead of polling",
    )
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main(program: str, description: str, role: command.Role) -> None:
    """A program: measure the peers in this role, and report."""
    options = parse(program, description, role)
    facts = machine.describe() | (tls.describe() if options.tls else {})
    cores = machine.two_cores()
    core, spare = cores or (None, None)
    if spare is not None:
        # The generator inherits this core; each peer is moved to the other.
        os.sched_setaffinity(0, {spare})
    else:
        options.sleep = True
        print("one core only: the peers share it with the load generator", file=sys.stderr)
    try:
        with (
            tls.certificates(options.tls) as certificates,
            generator(certificates) as load,
            command.arguments(role, options.loop, spare, certificates) as arguments,
        ):
            peers = command.started(options, role, arguments)
            results = measure(load, list(peers), arguments, options, core)
    except (BuildError, LoadError, ServerError) as error:
        raise SystemExit(str(error)) from None
    print(command.headline(facts | {"loop": options.loop}, peers))
    print(report(results))
    if cores:
        warn_if_busy(results)
    if options.json:
        options.json.write_text(as_json(facts, peers, options, results) + "\n")
