"""Rounds of measurements, peer beside peer: CPU time of its process per echoed message."""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from . import command, machine, tls
from .build import BuildError
from .load import Case, LoadError, Sample, generator, run_load
from .peers import Peer, ServerError, is_ours, serving
from .report import ratios, table

BUSY = 0.05

#: The handler that everybody writes, beside which the rivals stand.
OURS = "rawws"

#: The cases to look at first: bytes, messages in flight.
HEADLINES = ((256, 32), (256, 1), (2**20, 1))


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


@dataclass(frozen=True)
class Bench:
    """What is measured, and with what."""

    options: argparse.Namespace
    facts: dict[str, str]
    load: Sequence[str]
    """The command of the generator."""
    arguments: Sequence[str]
    """To start each peer with."""
    peers: dict[Peer, str]
    """With version and build."""
    core: int | None
    """The peers', where the generator has one of its own."""

    @property
    def about(self) -> dict[str, Any]:
        """What must be known to read the figures, for JSON."""
        options = self.options
        return {
            **command.about(self.facts, self.peers, options),
            "sleep": options.sleep,
            "seconds": options.seconds,
            "warmup": options.warmup,
        }

    def sample(self, peer: Peer, case: Case, *, rate: float = 0.0) -> Sample:
        """One measurement, in a new process, since chance lays out its memory."""
        reset = case.heavy and not rate
        with serving(
            peer, self.arguments, connections=case.connections, core=self.core, reset=reset
        ) as server:
            return run_load(
                self.load,
                server,
                peer,
                case,
                seconds=self.options.seconds,
                warmup=self.options.warmup,
                rate=rate,
                spin=not self.options.sleep,
            )


@contextmanager
def prepared(options: argparse.Namespace, role: command.Role) -> Iterator[Bench]:
    """Built and pinned; what cannot be measured ends the program with its reason."""
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
            yield Bench(options, facts, load, arguments, peers, core)
    except (BuildError, LoadError, ServerError) as error:
        raise SystemExit(str(error)) from None


def measure(
    bench: Bench, failures: dict[tuple[Case, Peer], str] | None = None
) -> Iterator[list[Result]]:
    """All peers in one case after the other, again in every round: a slow minute meets all of them.

    Each round begins with another peer. Yields after each what there is up to then. What fails
    ends it, or is noted in `failures`, where that is given, and not tried again.
    """
    cases, peers, rounds = command.cases(bench.options), list(bench.peers), bench.options.rounds
    samples: dict[tuple[Case, Peer], list[Sample]] = {(c, p): [] for c in cases for p in peers}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        start = number % len(peers)
        for case, peer in itertools.product(cases, (*peers[start:], *peers[:start])):
            if failures and (case, peer) in failures:
                continue
            try:
                samples[case, peer].append(bench.sample(peer, case))
            except (LoadError, ServerError) as error:
                if failures is None:
                    raise
                failures[case, peer] = str(error)
                print(f"failed, {case}: {error}", file=sys.stderr)
        yield [Result(peer, case, tuple(found)) for (case, peer), found in samples.items() if found]


def headline_cases(results: Sequence[Result]) -> list[Case]:
    """Those of HEADLINES that were measured, each with the middle number of connections."""
    cases = sorted({result.case for result in results}, key=lambda case: case.connections)
    found = []
    for wanted in HEADLINES:
        same = [case for case in cases if (case.size, case.inflight) == wanted]
        found += same[len(same) // 2 : len(same) // 2 + 1]
    return found


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
    bench: Bench, results: Sequence[Result], failures: Mapping[tuple[Case, Peer], str] | None = None
) -> str:
    """Every sample, times in seconds, with what is needed to read it."""
    return json.dumps(
        {
            **bench.about,
            "results": [
                {
                    "peer": result.peer.name,
                    **asdict(result.case),
                    "server_cpu_us_per_message": median(result.costs),
                    "rounds": [asdict(sample) for sample in result.samples],
                }
                for result in results
            ],
            "failures": [
                {"peer": peer.name, **asdict(case), "reason": reason}
                for (case, peer), reason in (failures or {}).items()
            ],
        },
        indent=1,
    )


def from_json(document: Mapping[str, Any]) -> list[Result]:
    """What `as_json` made; of the peers only what their names tell."""
    return [
        Result(
            Peer(found["peer"], "", ours=is_ours(found["peer"])),
            Case(*(found[field.name] for field in fields(Case))),
            tuple(Sample(**sample) for sample in found["rounds"]),
        )
        for found in document["results"]
    ]


def add_options(parser: argparse.ArgumentParser, *, rounds: int = 5, sleep: bool = False) -> None:
    """How long to measure, and how."""
    parser.add_argument("--rounds", type=int, default=rounds, help="of all peers")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--warmup", type=float, default=0.3, help="seconds before each measurement")
    parser.add_argument(
        "--sleep",
        action="store_true",
        default=sleep,
        help="let the load generator sleep instead of polling",
    )


def parse_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def parse(program: str, description: str, role: command.Role) -> argparse.Namespace:
    parser = command.new_parser(
        program, description, cases=role.cases, connections=role.connections
    )
    # An upstream needs the generator's core too.
    add_options(parser, sleep=role.upstream is not None)
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    return parse_options(parser)


def main(program: str, description: str, role: command.Role) -> None:
    """A program: measure the peers in this role, and report."""
    options = parse(program, description, role)
    with prepared(options, role) as bench:
        *_, results = measure(bench)
    print(command.headline(bench.facts | {"loop": options.loop}, bench.peers))
    print(report(results))
    if bench.core is not None:
        warn_if_busy(results)
    if options.json:
        options.json.write_text(as_json(bench, results) + "\n")
