"""Echoed messages, peer beside peer: CPU time of the peer for each, and latency."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from . import command, results
from .load import Case, Sample, run_load
from .process import Setting, running
from .roles import KEEP_MEMORY, MALLOC, Peer, keeping_memory

#: A peer that waits for its core for a greater share of the time has doubtful figures.
BUSY = 0.05

Samples = dict[Case, dict[Peer, list[Sample]]]


def sample(peer: Peer, case: Case, setting: Setting, options: argparse.Namespace) -> Sample:
    """Measure once, in a new process, since chance lays out its memory."""
    times = {"warmup": options.warmup, "seconds": options.seconds}
    with running(peer, setting, connections=case.connections) as server:
        return run_load(server, case, **times, spin=not options.sleep)


def measure(
    peers: Sequence[Peer], cases: Sequence[Case], setting: Setting, options: argparse.Namespace
) -> Iterator[Samples]:
    """Measure every peer in every case, and again in every round: a slow minute meets them all.

    Each round begins with another peer. Yields what there is after each round. A peer that fails
    in a case is left out of it.
    """
    samples: Samples = {case: {peer: [] for peer in peers} for case in cases}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        start = number % len(peers)
        for case, found in samples.items():
            for peer in (*peers[start:], *peers[:start]):
                if len(found[peer]) == number:
                    with command.left_out():
                        found[peer].append(sample(peer, case, setting, options))
        yield {
            case: {peer: some for peer, some in found.items() if len(some) > number}
            for case, found in samples.items()
        }


def rows(case: Case, found: dict[Peer, list[Sample]]) -> list[results.Row]:
    """Return the medians of the rounds, and how far to trust them, of each peer in a case."""

    def middle(figure: Callable[[Sample], float]) -> list[float]:
        return [median(map(figure, samples)) for samples in found.values()]

    return results.rows(
        case,
        "cpu_us",
        {
            peer.name: [each.cpu / each.messages * 1e6 for each in samples]
            for peer, samples in found.items()
        },
        messages_per_s=middle(lambda each: each.messages / each.elapsed),
        p50_us=middle(lambda each: each.p50 * 1e6),
        p99_us=middle(lambda each: each.p99 * 1e6),
        p999_us=middle(lambda each: each.p999 * 1e6),
        busy=middle(lambda each: each.cpu / each.elapsed),
        waited=middle(lambda each: each.waited),
        peak_mib=middle(lambda each: each.memory / 2**20),
    )


def parse() -> argparse.Namespace:
    parser = command.new_parser("benchmarks", __doc__)
    command.add_cases(parser, cases="256x32,256x1,1Mx1", connections="8")
    parser.add_argument("--rounds", type=int, default=5, help="of all peers")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a measurement")
    parser.add_argument("--warmup", type=float, default=0.3, help="seconds before it")
    parser.add_argument("--malloc", action="store_true", help="also with memory that glibc keeps")
    parser.add_argument("--sleep", action="store_true", help="let the generator sleep, not poll")
    return parser.parse_args()


def main() -> None:
    options = parse()
    setting = command.setting(options)
    # A proxy's upstream needs the generator's core too.
    options.sleep |= options.role in ("relay", "http") or setting.core is None
    about = {
        "loop": options.loop + ", TLS 1.3" * options.tls + ", deflate" * options.deflate,
        "load": "sleeps" if options.sleep else "polls",
        **({"upstream": f"answers {options.upstream}"} if options.role == "relay" else {}),
        "rounds": f"{options.rounds} of {options.seconds:g} s",
    }
    peers, cases = command.peers(options.role, options.peers), command.cases(options)
    if options.malloc:
        about[MALLOC] = " ".join(f"{name}={value}" for name, value in KEEP_MEMORY.items())
        peers = [twin for peer in peers for twin in (peer, keeping_memory(peer))]
    for number, samples in enumerate(measure(peers, cases, setting, options), 1):
        found = [row for case, each in samples.items() for row in rows(case, each)]
        about |= {p.name: s[0].about for each in samples.values() for p, s in each.items()}
        # An interrupted run keeps the rounds that are complete.
        command.report(options, about, found, show=number == options.rounds)
    if any(row["waited"] > BUSY for row in found):
        print("the machine is busy: measure again, or trust only the minima", file=sys.stderr)


if __name__ == "__main__":
    main()
