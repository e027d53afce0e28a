"""The whole comparison: echo over loopback, every peer in every case, with tables and plots."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import command, page, rounds
from .command import ROLES
from .load import Case
from .peers import Peer
from .rounds import Bench, Result

SIZES = ("16", "256", "8K", "64K", "1M")
MATRIX = ",".join(f"{size}x{inflight}" for size in SIZES for inflight in (1, 32))
QUICK = "256x32,256x1,1Mx1"

FILE = "results.json"

#: Seconds that a measurement takes besides its own: a process starts, connects, and ends.
BESIDES = 0.7


def parse() -> argparse.Namespace:
    parser = command.new_parser("benchmarks", __doc__ or "", cases=MATRIX, connections="1,32,1000")
    rounds.add_options(parser, rounds=7)
    parser.add_argument(
        "--quick", action="store_true", help="the headlines only, in about five minutes"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmark-results"), help="the folder for what is written"
    )
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(cases=QUICK, connections="8", seconds=0.5)
    return rounds.parse_options(parser)


def announce(bench: Bench) -> None:
    options = bench.options
    number = len(command.cases(options)) * len(bench.peers) * options.rounds
    minutes = number * (options.seconds + options.warmup + BESIDES) / 60
    print(
        f"{len(bench.peers)} peers, {number:,} measurements: about {minutes:.0f} minutes or more;"
        f" after each round the results are in {options.out}",
        file=sys.stderr,
    )


def save(bench: Bench, results: Sequence[Result], failures: dict[tuple[Case, Peer], str]) -> None:
    """All at once: who interrupts the writing keeps what was there."""
    file: Path = bench.options.out / FILE
    fresh = file.with_suffix(".new")
    fresh.write_text(rounds.as_json(bench, results, failures) + "\n")
    os.replace(fresh, file)


def main() -> None:
    options = parse()
    # Before anything is measured: it may tell what is missing.
    draw = page.drawing()
    options.out.mkdir(parents=True, exist_ok=True)
    failures: dict[tuple[Case, Peer], str] = {}
    with rounds.prepared(options, ROLES["echo"]) as bench:
        announce(bench)
        for results in rounds.measure(bench, failures):
            save(bench, results, failures)
            page.write([options.out / FILE], options.out / "results.md", draw)
        if bench.core is not None:
            rounds.warn_if_busy(results)
    print(options.out.joinpath("results.md").read_text())


if __name__ == "__main__":
    main()
