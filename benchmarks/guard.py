"""Fail if a message costs us over 5 % more instructions than recorded.

Counts do not depend on how busy the machine is, but on what runs. Where Python, a package or the
compiler is not the recorded one, a loss is told and does not fail.
"""

import argparse
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import command, instructions
from .build import built, compiler, folder
from .load import Case
from .process import Setting
from .results import table

RECORDED = Path(__file__).with_name("recorded.json")

#: The share of what is recorded by which a count may grow.
LIMIT = 0.05

RECORD_ANEW = "record anew: python -m benchmarks.guard --record"

#: Packages whose code runs for a message. The gate installs these versions of them.
PACKAGES = ("aiohttp", "uvloop")

# Role, peer, size, in flight, and messages by which the runs differ: so many that a garbage
# collection in either run, up to a million instructions, is lost in them. None is bigger than a
# segment of the loopback interface: bigger ones come and go in as many parts as chance has it.
WATCHED = (
    ("echo", "rawws", 256, 1, 4000),
    ("echo", "rawws", 256, 32, 8000),
    ("echo", "rawws", 60_000, 1, 2000),
    ("echo", "rawws-layers", 256, 32, 8000),
    ("echo", "rawws-python", 256, 32, 2000),
    ("relay", "rawws", 256, 32, 80_000),
    ("connect", "rawws", 256, 1, 1000),
)

Counts = dict[str, float]
"""Instructions per message, by what is watched."""


def environment() -> dict[str, str]:
    """Return what the counts depend on besides our code."""
    sources = sorted((RECORDED.parent.parent / "aiohttp_rawws").rglob("*.c"))
    cython = re.search(r"by Cython ([\w.]+)", sources[0].read_text()) if sources else None
    told = subprocess.run([*compiler(), "--version"], capture_output=True, text=True, check=True)
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "cython": cython[1] if cython else "unknown",
        "compiler": told.stdout.partition("\n")[0],
        "machine": platform.machine(),
    }


def count(role: str, name: str, size: int, inflight: int, messages: int) -> tuple[str, float]:
    (peer,), case = command.peers(role, [name]), Case(size, inflight, connections=1)
    _, found = instructions.count(peer, case, Setting(), messages, folder())
    return f"{role} {name} {size}x{inflight}", round(found)


def counted() -> Counts:
    """Count everything that is watched, as many at a time as there are cores."""
    for source in ("load.c", "connect.c", "echo.c"):
        built(source)  # before there are threads
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(pool.map(lambda watched: count(*watched), WATCHED))


def comparison(recorded: Counts, now: Counts) -> str:
    lines = [["instructions/msg", "recorded", "now", "change"]]
    for name, count in now.items():
        change = count / recorded[name] - 1
        marked = f"{change:+.1%}" + " LOSS" * (change > LIMIT)
        lines.append([name, f"{recorded[name]:,.0f}", f"{count:,.0f}", marked])
    return table(lines)


def verdict(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether the guard lets this pass, and what to say about it."""
    before, then, here = recorded["instructions"], recorded["environment"], now["environment"]
    changes = [count / before[name] - 1 for name, count in now["instructions"].items()]
    if max(changes) <= LIMIT:
        gain = f"More than {LIMIT:.0%} was gained; to guard that, {RECORD_ANEW}"
        return True, gain if min(changes) < -LIMIT else ""
    others = [
        f"{name}: {then.get(name)} then, {here.get(name)} now"
        for name in {**then, **here}
        if then.get(name) != here.get(name)
    ]
    if others:
        reason = "\n  ".join(["Recorded elsewhere, so this is told and does not fail:", *others])
        return True, f"{reason}\nCount the commit before on this machine too; then {RECORD_ANEW}"
    return False, (
        f"A message costs over {LIMIT:.0%} more than recorded, and nothing but our code differs.\n"
        "To see where: python -m benchmarks.instructions ROLE --peers PEER --cases CASE\n"
        "--profiles DIR, here and on the commit before, and callgrind_annotate on both.\n"
        f"If it is worth its price, {RECORD_ANEW}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--record", action="store_true", help=f"write {RECORDED.name} anew")
    does.add_argument("--requirements", action="store_true", help="print its packages, for pip")
    does.add_argument("--judge", type=Path, help="judge such a file instead of counting")
    options = parser.parse_args()
    recorded = json.loads(RECORDED.read_text())
    if options.requirements:
        print(*(f"{name}=={recorded['environment'][name]}" for name in PACKAGES))
        return
    if options.judge:
        now = json.loads(options.judge.read_text())
    else:
        now = {"environment": environment(), "instructions": counted()}
    if options.record:
        RECORDED.write_text(json.dumps(now, indent=2) + "\n")
        return
    print(comparison(recorded["instructions"], now["instructions"]))
    passed, reason = verdict(recorded, now)
    print(reason)
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
