"""Whether a message costs us no more instructions than recorded: a loss of over 5 % fails.

Counts do not depend on how busy the machine is, but on what runs: where Python, a package or the
compiler is not the recorded one, a loss is told and does not fail.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from . import command, counting
from .build import BuildError, compiler
from .command import ROLES
from .instructions import Callgrind
from .load import Case, LoadError, generator
from .peers import ROOT, ServerError
from .report import table

RECORDED = Path(__file__).with_name("recorded.json")

#: The share of what is recorded by which a count may grow.
LIMIT = 0.05

RECORD_ANEW = "record anew: python -m benchmarks.guard --record"

#: Packages whose code runs for a message; the gate installs these versions of them.
PACKAGES = ("aiohttp", "uvloop")


class GuardError(Exception):
    """There is nothing to compare with."""


@dataclass(frozen=True)
class Watched:
    role: str
    peer: str
    size: int
    inflight: int
    messages: int
    """By which the runs differ."""

    def __str__(self) -> str:
        return f"{self.role} {self.peer} {self.size}x{self.inflight}"


# So many messages that a garbage collection in either run, of up to a million instructions, is
# lost in them. None is bigger than a segment of the loopback interface: in how many parts bigger
# ones come and go is chance, and so is what that costs.
WATCHED = (
    Watched("echo", "rawws", 256, 1, 4000),
    Watched("echo", "rawws", 256, 32, 8000),
    Watched("echo", "rawws", 60_000, 1, 2000),
    Watched("echo", "rawws-layers", 256, 32, 8000),
    Watched("echo", "rawws-python", 256, 32, 2000),
    Watched("relay", "rawws", 256, 32, 80_000),
)


@dataclass(frozen=True)
class Record:
    """Instructions per message by what is watched, and what they depend on besides our code."""

    environment: Mapping[str, str]
    instructions: Mapping[str, float]

    @classmethod
    def read(cls, text: str) -> "Record":
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise GuardError(f"{RECORDED.name} is no record ({error}); {RECORD_ANEW}") from None

    def write(self) -> str:
        return json.dumps({name: dict(value) for name, value in vars(self).items()}, indent=2)


def environment() -> dict[str, str]:
    line = (ROOT / "aiohttp_rawws" / "connection.c").read_text().splitlines()[0]
    cython = re.search(r"Cython ([\w.]+)", line)
    about_cc = subprocess.run(
        [*compiler(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "cython": cython[1] if cython else "unknown",
        "compiler": about_cc.partition("\n")[0],
        "machine": platform.machine(),
    }


def instructions(watched: Watched, load: Sequence[str], folder: Path) -> float:
    role = ROLES[watched.role]
    (peer,) = [peer for peer in role.peers if peer.name == watched.peer]
    case = Case(watched.size, watched.inflight, connections=1)
    with command.arguments(role, "uvloop") as arguments:
        runs = counting.Runs(Callgrind(folder), load, peer, arguments, case)
        return round(sum(runs.per_message(watched.messages).values()))


def counted() -> Record:
    """Count everything that is watched, as many at a time as there are cores."""
    counting.require(Callgrind)
    with (
        generator() as load,
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        found = pool.map(lambda each: instructions(each, load, Path(folder)), WATCHED)
        return Record(environment(), {str(w): n for w, n in zip(WATCHED, found, strict=True)})


def changes(recorded: Record, now: Record) -> dict[str, float]:
    """By what share of the recorded count each one has grown."""
    if recorded.instructions.keys() != now.instructions.keys():
        raise GuardError(f"{RECORDED.name} is of other cases than are watched; {RECORD_ANEW}")
    return {
        name: count / recorded.instructions[name] - 1 for name, count in now.instructions.items()
    }


def differences(recorded: Record, now: Record) -> list[str]:
    """What is not as it was when the counts were recorded."""
    names = {**recorded.environment, **now.environment}
    pairs = {name: (recorded.environment.get(name), now.environment.get(name)) for name in names}
    return [f"{name}: {was} then, {is_} now" for name, (was, is_) in pairs.items() if was != is_]


def comparison(recorded: Record, now: Record) -> str:
    rows = [
        [
            name,
            f"{recorded.instructions[name]:,.0f}",
            f"{now.instructions[name]:,.0f}",
            f"{change:+.1%}" + (" LOSS" if change > LIMIT else ""),
        ]
        for name, change in changes(recorded, now).items()
    ]
    return table(["instructions/msg", "recorded", "now", "change"], rows)


def verdict(recorded: Record, now: Record) -> tuple[bool, str]:
    """Whether the guard lets this pass, and what to say about it."""
    grown = changes(recorded, now).values()
    others = differences(recorded, now)
    if max(grown) <= LIMIT:
        gain = f"more than {LIMIT:.0%} was gained; to guard that, {RECORD_ANEW}"
        return True, gain if min(grown) < -LIMIT else ""
    if others:
        reason = "\n  ".join(["Recorded elsewhere, so this is told and does not fail:", *others])
        return True, f"{reason}\nCount the commit before on this machine too; then {RECORD_ANEW}"
    return False, (
        f"A message costs over {LIMIT:.0%} more than recorded, and nothing but our code differs.\n"
        "To see where: python -m benchmarks.instructions --role ROLE --peers PEER --cases CASE\n"
        "--profiles DIR, here and on the commit before, and callgrind_annotate on both.\n"
        f"If it is worth its price, {RECORD_ANEW}"
    )


def requirements(recorded: Record) -> str:
    return " ".join(f"{name}=={recorded.environment[name]}" for name in PACKAGES)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--record", action="store_true", help=f"write {RECORDED.name} anew")
    does.add_argument(
        "--requirements",
        action="store_true",
        help="print the packages of the record, for pip to install",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    try:
        if options.record:
            RECORDED.write_text(counted().write() + "\n")
            return
        recorded = Record.read(RECORDED.read_text() if RECORDED.exists() else "")
        if options.requirements:
            print(requirements(recorded))
            return
        now = counted()
        print(comparison(recorded, now))
        passed, reason = verdict(recorded, now)
    except (BuildError, GuardError, LoadError, ServerError) as error:
        raise SystemExit(str(error)) from None
    if reason:
        print(reason)
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
