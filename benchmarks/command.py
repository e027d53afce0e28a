"""What all programs have in common: roles, options, and which of the peers can be measured here."""

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .load import Case, size_of
from .peers import CLIENTS, PROXIES, SERVERS, UPSTREAM, Peer, ServerError, serving


@dataclass(frozen=True)
class Role:
    """What peers are measured as, and with what if nobody says otherwise."""

    peers: Sequence[Peer]
    cases: str
    connections: str
    upstream: Peer | None = None
    """The server that they pass everything on to."""


ROLES = {
    "echo": Role(SERVERS, cases="256x1,256x32", connections="8"),
    "relay": Role(PROXIES, cases="256x1,256x32,1Mx1", connections="1,8", upstream=UPSTREAM),
    "client": Role(CLIENTS, cases="256x1,256x32", connections="8"),
}


def peers_parser(program: str, description: str) -> argparse.ArgumentParser:
    """A parser of the options that say who is measured."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--peers", type=lambda text: text.split(","), help="all that start if not given"
    )
    parser.add_argument(
        "--loop", choices=("uvloop", "asyncio"), default="uvloop", help="of the peers"
    )
    return parser


def new_parser(
    program: str, description: str, *, cases: str, connections: str
) -> argparse.ArgumentParser:
    """A parser of the options that say who is measured and with what."""
    parser = peers_parser(program, description)
    parser.add_argument(
        "--tls",
        action="store_true",
        help="between the load and the peers, not between a proxy and its upstream",
    )
    parser.add_argument(
        "--cases",
        type=_cases,
        default=cases,
        help="bytes of payload (256, 8K, 1M) x messages in flight on each connection (1)",
    )
    parser.add_argument(
        "--connections", type=_counts, default=connections, help="each case with so many"
    )
    return parser


def cases(options: argparse.Namespace) -> list[Case]:
    """Every combination of the cases and connections asked for."""
    return [
        Case(size, inflight, connections)
        for (size, inflight), connections in itertools.product(options.cases, options.connections)
    ]


def chosen(options: argparse.Namespace, role: Role) -> Sequence[Peer]:
    """The peers asked for; `ServerError` if one is unknown."""
    peers = {peer.name: peer for peer in role.peers}
    unknown = [name for name in options.peers or () if name not in peers]
    if unknown:
        raise ServerError(f"no peer {unknown[0]!r}; there are {', '.join(peers)}")
    return [peers[name] for name in options.peers or peers]


@contextmanager
def arguments(
    role: Role, loop: str, core: int | None = None, certificates: Path | None = None
) -> Iterator[list[str]]:
    """What to start each peer with, while its upstream runs, if it needs one, on `core`."""
    given = [f"--loop={loop}", *([f"--tls={certificates}"] if certificates else [])]
    if role.upstream is None:
        yield given
        return
    with serving(role.upstream, core=core) as upstream:
        yield [*given, f"--upstream={upstream.port}"]


def started(options: argparse.Namespace, role: Role, arguments: Sequence[str]) -> dict[Peer, str]:
    """The peers that start, with version and build.

    One that does not is left out, which is told; `ServerError` if it was asked for by name.
    """
    found = {}
    for peer in chosen(options, role):
        try:
            with serving(peer, arguments) as server:
                found[peer] = server.about
        except ServerError as error:
            if options.peers:
                raise
            print(f"left out, {error}", file=sys.stderr)
    return found


def about(
    facts: Mapping[str, str], peers: Mapping[Peer, str], options: argparse.Namespace
) -> dict[str, Any]:
    """What must be known to read any figure, for JSON."""
    return {
        "machine": facts,
        "peers": {peer.name: told for peer, told in peers.items()},
        "loop": options.loop,
    }


def headline(facts: dict[str, str], peers: dict[Peer, str]) -> str:
    lines = [*facts.items(), *((peer.name, about) for peer, about in peers.items())]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines) + "\n"


def _cases(text: str) -> list[tuple[int, int]]:
    cases = []
    for part in text.split(","):
        size, _, inflight = part.partition("x")
        cases.append((size_of(size), max(_counts(inflight or "1"))))
    if min(size for size, _ in cases) < 0:
        raise argparse.ArgumentTypeError("a payload has at least 0 bytes")
    return cases


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return counts
