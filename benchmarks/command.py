"""What the programs have in common: options, cores, peers that fail, and output."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

from . import machine, results
from .load import UNITS, Case
from .process import PeerError, Setting
from .roles import ROLES, UPSTREAMS, Peer


def new_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every program has."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--peers", type=lambda text: text.split(","), help="all if not given")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="of peers")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def add_cases(parser: argparse.ArgumentParser, cases: str, connections: str) -> None:
    parser.add_argument("role", choices=ROLES, help="what is measured")
    parser.add_argument("--cases", type=loads, default=cases, help="payload x messages in flight")
    parser.add_argument("--connections", type=numbers, default=connections, help="of each case")
    parser.add_argument("--tls", action="store_true", help="only for echo and messages")
    parser.add_argument("--deflate", action="store_true", help="only for messages: compress them")
    parser.add_argument(
        "--upstream", choices=UPSTREAMS, default="batches", help="of relay: what one write answers"
    )


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def loads(text: str) -> list[tuple[int, int]]:
    """Return payload and messages in flight of each part of `256x1,8Kx32,1M`."""
    found = []
    for part in text.split(","):
        size, _, inflight = part.partition("x")
        unit = UNITS.get(size[-1:].upper(), 1)
        found.append((int(size[:-1] if unit > 1 else size) * unit, int(inflight or 1)))
    return found


def cases(options: argparse.Namespace) -> list[Case]:
    """Return each load on each number of connections."""
    both = product(options.cases, options.connections)
    return [Case(size, inflight, number) for (size, inflight), number in both]


def peers(role: str, names: Sequence[str] | None) -> list[Peer]:
    """Return the peers asked for, or all of the role."""
    known = {peer.name: peer for peer in ROLES[role]}
    if unknown := [name for name in names or () if name not in known]:
        raise SystemExit(f"no peer {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def setting(options: argparse.Namespace) -> Setting:
    """Give the peers a core, and this process and the load that it starts another."""
    cores = sorted(os.sched_getaffinity(0))
    if options.deflate and options.role != "messages":
        raise SystemExit("--deflate is for the role messages")
    given = Setting(options.loop, options.tls, options.deflate, upstream=options.upstream)
    if len(cores) == 1:
        print("one core only: the peers share it with the load generator", file=sys.stderr)
        return given
    os.sched_setaffinity(0, {cores[0]})
    return replace(given, core=cores[-1], spare=cores[0])


@contextmanager
def left_out() -> Iterator[None]:
    """Go on without a peer that fails: it may not be installed here."""
    try:
        yield
    except PeerError as error:
        print(f"left out: {error}", file=sys.stderr)


def report(
    options: argparse.Namespace,
    about: Mapping[str, str],
    rows: Sequence[results.Row],
    show: bool = True,
) -> None:
    """Show what was measured, and write it to the file that was asked for."""
    if not rows:
        raise SystemExit("nothing could be measured")
    about = {**machine.describe(), **about}
    if show:
        results.show(about, rows)
    if options.json:
        results.write(options.json, about, rows)
