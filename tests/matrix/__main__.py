"""`python -m tests.matrix`: try all presets on all peers, and write the page."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp_rawws.testing.presets import PRESETS, preset

from .cases import Bounds
from .document import document
from .peers import PEERS, Peer
from .records import Matrix, load
from .run import Filled, fill


def parser() -> argparse.ArgumentParser:
    defaults = Bounds()
    found = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    names = ", ".join(dict.fromkeys(peer.name for peer in PEERS))
    found.add_argument("--peers", nargs="+", metavar="NAME", help=f"some of {names}")
    found.add_argument("--presets", nargs="+", metavar="NAME", help="some presets, by their names")
    found.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="write matrix.json and matrix.md there; cells that were not tried are kept",
    )
    found.add_argument(
        "--observations", type=Path, metavar="FILE", help="write what was seen, as lines of JSON"
    )
    found.add_argument(
        "--page", action="store_true", help="try nothing: write matrix.md from matrix.json"
    )
    found.add_argument("--prompt", type=float, default=defaults.prompt, metavar="SECONDS")
    found.add_argument("--patient", type=float, default=defaults.patient, metavar="SECONDS")
    return found


def chosen(names: "Sequence[str] | None") -> list[Peer]:
    """Return the peers that can start. Those that cannot are told of on stderr."""
    wanted = [peer for peer in PEERS if names is None or peer.name in names]
    found = []
    for peer in wanted:
        missing = peer.missing()
        if missing is None:
            found.append(peer)
        else:
            print(f"{peer.kind}: {peer.name} is not installed: {missing}", file=sys.stderr)
    return found


def write(options: argparse.Namespace, filled: Filled, bounds: Bounds) -> None:
    file = None if options.out is None else options.out / "matrix.json"
    matrix = load(file) if file is not None and file.exists() else Matrix()
    if filled.observations:
        matrix.take(filled, bounds)
    matrix.only(PRESETS)
    if file is None:
        print(document(matrix))
        return
    matrix.save(file)
    (options.out / "matrix.md").write_text(document(matrix))


def main(argv: "Sequence[str] | None" = None) -> int:
    """Do as the command line has it; return the exit status."""
    arguments = parser()
    options = arguments.parse_args(argv)
    known = {peer.name for peer in PEERS}
    for name in options.peers or ():
        if name not in known:
            arguments.error(f"there is no peer {name!r}: use {', '.join(sorted(known))}")
    try:
        names = {preset(name).name for name in options.presets} if options.presets else None
    except ValueError as error:
        arguments.error(str(error))
    bounds = Bounds(prompt=options.prompt, patient=options.patient)
    filled = Filled()
    started = time.monotonic()
    if not options.page:
        progress = lambda line: print(line, file=sys.stderr)  # noqa: E731
        filled = asyncio.run(fill(chosen(options.peers), names, bounds=bounds, progress=progress))
    if options.observations is not None:
        lines = [json.dumps(seen.as_json()) for seen in filled.observations]
        options.observations.write_text("\n".join([*lines, ""]))
    write(options, filled, bounds)
    for failure in filled.failures:
        print(failure, file=sys.stderr)
    count = len(filled.observations)
    print(f"{count} cells in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 1 if filled.failures else 0


if __name__ == "__main__":
    sys.exit(main())
