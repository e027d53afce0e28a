"""What both programs have in common: their options, and which of the peers can be measured here."""

import argparse
import itertools
import sys
from collections.abc import Sequence

from .load import Case
from .peers import PEERS, Peer, ServerError, serving


def new_parser(program: str, description: str, *, connections: int) -> argparse.ArgumentParser:
    """A parser of the options that say who is measured and with what."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--peers", type=_peers, help=f"any of {','.join(PEERS)}; all that start if not given"
    )
    parser.add_argument(
        "--loop", choices=("uvloop", "asyncio"), default="uvloop", help="of the server"
    )
    parser.add_argument(
        "--size", type=_numbers, default="256", help="bytes of payload; 256,4096 for two"
    )
    parser.add_argument(
        "--inflight", type=_counts, default="1,32", help="messages in flight on each connection"
    )
    parser.add_argument(
        "--connections", type=_counts, default=str(connections), help="likewise 1,8"
    )
    return parser


def cases(options: argparse.Namespace) -> list[Case]:
    """Every combination of the sizes, messages in flight and connections asked for."""
    return list(
        itertools.starmap(
            Case, itertools.product(options.size, options.inflight, options.connections)
        )
    )


def started(options: argparse.Namespace) -> dict[Peer, str]:
    """The peers that start, with version and build.

    One that does not is left out, which is told; `ServerError` if it was asked for by name.
    """
    found = {}
    for peer in options.peers or PEERS.values():
        try:
            with serving(peer, options.loop) as server:
                found[peer] = server.about
        except ServerError as error:
            if options.peers:
                raise
            print(f"left out, {error}", file=sys.stderr)
    return found


def headline(facts: dict[str, str], peers: dict[Peer, str]) -> str:
    lines = [*facts.items(), *((peer.name, about) for peer, about in peers.items())]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines) + "\n"


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 0:
        raise argparse.ArgumentTypeError(f"{min(numbers)} is negative")
    return numbers


def _counts(text: str) -> list[int]:
    counts = _numbers(text)
    if 0 in counts:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return counts


def _peers(text: str) -> Sequence[Peer]:
    unknown = [name for name in text.split(",") if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    return [PEERS[name] for name in text.split(",")]
