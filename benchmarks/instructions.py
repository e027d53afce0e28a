"""User instructions of the server or proxy per echoed message, counted by valgrind's callgrind."""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import command, machine, tls
from .build import BuildError
from .command import ROLES
from .load import Case, LoadError, generator, run_load
from .peers import Peer, ServerError, serving
from .report import ratios, table

# Enough for caches to fill and for the interpreter to specialise what runs often.
WARMUP = 2000


def instructions(
    load: Sequence[str],
    peer: Peer,
    arguments: Sequence[str],
    case: Case,
    messages: int,
    profile: Path,
) -> int:
    """What the server's process executes from its start to its end with this many messages.

    `profile` is where callgrind's own file is written, with the process's number behind its name.
    """
    prefix = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={profile}.%p"]
    # What is no Python runs below it; the compiler that builds it is of no interest.
    prefix += ["--trace-children=yes", "--trace-children-skip=*cc*,*clang*"]
    with serving(peer, arguments, connections=case.connections, prefix=prefix) as server:
        run_load(load, server, peer, case, messages=messages, timeout=120)
    written = Path(f"{profile}.{server.pid}")
    match = re.search(r"^(?:summary|totals): (\d+)", written.read_text(), re.MULTILINE)
    if not match:
        raise ServerError(f"{peer.name}: no total in callgrind's file {written}")
    return int(match[1])


def per_message(
    load: Sequence[str],
    peer: Peer,
    arguments: Sequence[str],
    case: Case,
    options: argparse.Namespace,
    folder: Path,
) -> float:
    """What one more message costs: start, handshake and end do not depend on their number."""

    def run(messages: int) -> int:
        name = f"{peer.name}-{case.size}-{case.inflight}-{case.connections}-{messages}.callgrind"
        return instructions(load, peer, arguments, case, messages, folder / name)

    more: int = options.messages
    return (run(WARMUP + more) - run(WARMUP)) / more


def countable(peers: dict[Peer, str], options: argparse.Namespace) -> dict[Peer, str]:
    """Those whose instructions valgrind counts; the others are left out as `started` does."""
    for peer in peers:
        if not peer.native:
            reason = f"{peer.name}: valgrind is no measure of code that is compiled while it runs"
            if options.peers:
                raise ServerError(reason)
            print(f"left out, {reason}", file=sys.stderr)
    return {peer: about for peer, about in peers.items() if peer.native}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.new_parser(
        "benchmarks.instructions", __doc__ or "", cases="256x1,256x32", connections="1"
    )
    parser.add_argument("--role", choices=ROLES, default="echo", help="who is measured")
    parser.add_argument("--messages", type=int, default=8000, help="by which the runs differ")
    parser.add_argument(
        "--profiles",
        type=Path,
        help="keep callgrind's files in this directory, for callgrind_annotate",
    )
    options = parser.parse_args(arguments)
    if options.messages < 1:
        parser.error("--messages must be at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if shutil.which("valgrind") is None:
        raise SystemExit(
            "valgrind was not found: install it (apt-get install valgrind, dnf install valgrind)"
        )
    if options.profiles:
        options.profiles.mkdir(parents=True, exist_ok=True)
    role = ROLES[options.role]
    try:
        with (
            tls.certificates(options.tls) as certificates,
            generator(certificates) as load,
            tempfile.TemporaryDirectory() as temporary,
            command.arguments(role, options.loop, certificates=certificates) as arguments,
        ):
            folder = options.profiles or Path(temporary)
            peers = countable(command.started(options, role, arguments), options)
            facts = machine.describe() | (tls.describe() if options.tls else {})
            print(command.headline(facts | {"loop": options.loop}, peers))
            for case in command.cases(options):
                counts = {}
                for peer in peers:
                    print(f"{peer.name}, {case}", file=sys.stderr)
                    counts[peer] = [per_message(load, peer, arguments, case, options, folder)]
                rows = [[peer.name, f"{count:,.0f}"] for peer, (count,) in counts.items()]
                print(f"== {case}\n\n{table(['peer', 'instructions/msg'], rows)}")
                if any(peer.ours for peer in counts):
                    print(ratios("instructions", counts))
    except (BuildError, LoadError, ServerError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
