"""The folder of results: what the document is made of.

Each run leaves there a folder with the suite's reports (`index.html` to read), and `run.json` that
tells what ran. Runs with one peer add up, as long as all versions are the same.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from . import verdicts
from .suite import VERSION
from .transparent import Counts
from .verdicts import Verdict


@dataclass(frozen=True)
class Record:
    """A peer in a role: `server` or `client`."""

    role: str
    agent: str
    about: Mapping[str, str]
    """What was measured and with what: peer, suite, python, date."""
    verdicts: Sequence[Verdict]


def circumstances(peer: str) -> dict[str, str]:
    return {
        "peer": peer,
        "suite": VERSION,
        "python": sys.version.split()[0],
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def reports(results: Path, role: str, agent: str) -> Path:
    """The folder for the suite's reports."""
    return results / f"{role}-{agent}"


def store(results: Path, role: str, agent: str, peer: str, cases: Sequence[str]) -> None:
    """Tell what ran; the reports are in their folder already."""
    path = reports(results, role, agent) / "run.json"
    about = circumstances(peer)
    earlier = json.loads(path.read_text()) if path.exists() else {"about": {}, "cases": []}
    # What another version did does not count.
    same = {**earlier["about"], "date": about["date"]} == about
    everything = {*cases, *(earlier["cases"] if same else ())}
    run = {
        "role": role,
        "agent": agent,
        "about": about,
        "cases": sorted(everything, key=verdicts.in_order),
    }
    path.write_text(json.dumps(run, indent=1) + "\n")


def load(results: Path) -> list[Record]:
    records = []
    for path in sorted(results.glob("*/run.json")):
        run = json.loads(path.read_text())
        found = verdicts.load(path.parent, run["agent"], run["cases"])
        records.append(Record(run["role"], run["agent"], run["about"], found))
    return records


@dataclass(frozen=True)
class Transparency:
    """What came of the comparison for a server behind the proxy."""

    agent: str
    about: Mapping[str, str]
    counts: Counts


def store_transparency(results: Path, agent: str, peer: str, counts: Counts) -> None:
    found = {"agent": agent, "about": circumstances(peer), "counts": asdict(counts)}
    (results / f"transparent-{agent}.json").write_text(json.dumps(found, indent=1) + "\n")


def load_transparency(results: Path) -> list[Transparency]:
    found = [json.loads(path.read_text()) for path in sorted(results.glob("transparent-*.json"))]
    return [Transparency(one["agent"], one["about"], Counts(**one["counts"])) for one in found]
