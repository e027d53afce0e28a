"""Latency beside each rival at half of the load that this rival can take, over loopback.

The load is an open loop: each message has its time, and its latency counts from that time.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import Any

from . import command
from .command import ROLES
from .load import Case, LoadError, Sample
from .peers import UPSTREAM, Peer
from .report import ratio, table
from .rounds import Bench, add_options, parse_options, prepared

PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}

#: Messages in flight on each connection before the schedule has to wait.
BOUND = 1024


@dataclass(frozen=True)
class Pair:
    """A rival and ours under the same load, a sample of each for each round in order."""

    rival: str
    ours: str
    case: Case
    rate: float
    """Messages per second over all connections."""
    theirs: tuple[Sample, ...]
    samples: tuple[Sample, ...]


def top(bench: Bench, peer: Peer, case: Case) -> float:
    """Messages per second at most: as many as come through with `case` in flight."""
    samples = [bench.sample(peer, case) for _ in range(bench.options.rounds)]
    return max(sample.messages / sample.elapsed for sample in samples)


def measure(bench: Bench, rival: Peer, ours: Peer, case: Case) -> Pair:
    """Both in turn, another first in each round."""
    rate = top(bench, rival, case) / 2
    samples: dict[Peer, list[Sample]] = {rival: [], ours: []}
    bounded = replace(case, inflight=BOUND)
    for number in range(bench.options.rounds):
        for peer in (rival, ours) if number % 2 else (ours, rival):
            samples[peer].append(bench.sample(peer, bounded, rate=rate))
    return Pair(rival.name, ours.name, bounded, rate, tuple(samples[rival]), tuple(samples[ours]))


HEAD = (
    *("rival", "msg/s", "peer"),
    *(f"{name} us" for name in PERCENTILES.values()),
    *(f"{name}, ours = 1" for name in PERCENTILES.values()),
    *("server", "held", "sent late us"),
)


def figures(pair: Pair) -> list[list[str]]:
    """The columns of HEAD: the rival, and ours below it."""
    both = {pair.rival: pair.theirs, pair.ours: pair.samples}
    return [
        [
            pair.rival,
            f"{pair.rate:,.0f}",
            name,
            *(f"{median(of(share, samples)) * 1e6:,.0f}" for share in PERCENTILES),
            *(ratio(of(share, samples), of(share, pair.samples)) for share in PERCENTILES),
            f"{median(sample.server_cpu / sample.elapsed for sample in samples):.0%}",
            f"{sum(of('held', samples)) / pair.rate / sum(of('elapsed', samples)):.1%}",
            f"{median(of('delay99', samples)) * 1e6:.0f}",
        ]
        for name, samples in both.items()
    ]


def of(figure: str, samples: Iterable[Sample]) -> list[float]:
    return [getattr(sample, figure) for sample in samples]


def report(pairs: Sequence[Pair]) -> str:
    parts = []
    for case in dict.fromkeys(pair.case for pair in pairs):
        rows = [row for pair in pairs if pair.case == case for row in figures(pair)]
        parts += [f"== {case.load}", "", table(HEAD, rows)]
    return "\n".join(parts)


def as_json(bench: Bench, pairs: Sequence[Pair]) -> str:
    """Every sample, times in seconds, with what is needed to read it."""
    return json.dumps(
        {
            **bench.about,
            "results": [
                {
                    "peer": name,
                    "rival": pair.rival,
                    **asdict(pair.case),
                    "rate": pair.rate,
                    "rounds": [asdict(sample) for sample in samples],
                }
                for pair in pairs
                for name, samples in ((pair.rival, pair.theirs), (pair.ours, pair.samples))
            ],
        },
        indent=1,
    )


def from_json(document: Mapping[str, Any]) -> list[Pair]:
    """What `as_json` made: each rival is followed by ours."""
    found = document["results"]
    return [
        Pair(
            theirs["peer"],
            ours["peer"],
            Case(*(ours[field.name] for field in fields(Case))),
            ours["rate"],
            tuple(Sample(**sample) for sample in theirs["rounds"]),
            tuple(Sample(**sample) for sample in ours["rounds"]),
        )
        for theirs, ours in zip(found[::2], found[1::2], strict=True)
    ]


def parse() -> argparse.Namespace:
    parser = command.new_parser(
        "benchmarks.latency", __doc__ or "", cases="256x32", connections="8,32"
    )
    add_options(parser)
    parser.add_argument("--ours", default="rawws", help="who is measured beside each peer")
    parser.add_argument(
        "--json", type=Path, help="write every sample to this file, after each rival"
    )
    options = parse_options(parser)
    if options.peers:
        options.peers = list(dict.fromkeys([options.ours, *options.peers]))
    return options


def main() -> None:
    options = parse()
    pairs = []
    with prepared(options, ROLES["echo"]) as bench:
        if bench.core is None:
            raise LoadError("a load at a given rate needs a core of its own: here is only one")
        ours = next((peer for peer in bench.peers if peer.name == options.ours), None)
        if ours is None:
            raise LoadError(f"{options.ours!r} is not among the peers that start")
        rivals = [peer for peer in bench.peers if not peer.ours and peer != UPSTREAM]
        for case in command.cases(options):
            for rival in rivals:
                print(f"{rival.name}: {case}", file=sys.stderr)
                pairs.append(measure(bench, rival, ours, case))
                if options.json:
                    options.json.write_text(as_json(bench, pairs) + "\n")
    print(command.headline(bench.facts | {"loop": options.loop}, bench.peers))
    print(report(pairs))


if __name__ == "__main__":
    main()
