"""Do the verdicts of `python -m aiohttp_rawws check` agree with those of the suite?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import verdicts
from .verdicts import MISSING, Verdict

#: What the check has a name of its own for: the suite does not tell it from FAILED.
SAME = {"HUNG": "FAILED", "SKIPPED": "UNIMPLEMENTED"}


@dataclass(frozen=True)
class Agreement:
    """Of the cases that ran in both."""

    equal: int
    """How many have the same verdict in all runs."""
    varying: Mapping[str, str]
    """A line for each case with more than one verdict, of which both have one: by chance."""
    different: Mapping[str, str]
    """A line for each case where neither ever says what the other one says."""


def grade_of(verdict: Verdict) -> str:
    """Return the suite's verdict as one grade of the check.

    A wrong code in the Close, or a server that leaves it to the client to end TCP, is told by the
    suite beside the verdict; the check calls it NON-STRICT.
    """
    if verdict.grade == "OK" and verdict.behavior_close in ("WRONG CODE", "FAILED BY CLIENT"):
        return "NON-STRICT"
    return verdict.grade


def compare(suite: Sequence[Sequence[Verdict]], check: Sequence[Mapping[str, object]]) -> Agreement:
    """Compare runs of the suite with runs of the check on the same peer."""
    equal = 0
    varying: dict[str, str] = {}
    different: dict[str, str] = {}
    theirs: dict[str, list[tuple[str, str]]] = {}
    for verdict in (verdict for run in suite for verdict in run):
        if verdict.grade != MISSING:
            theirs.setdefault(verdict.case, []).append((grade_of(verdict), verdict.reason))
    ours: dict[str, list[tuple[str, str]]] = {}
    for run in check:
        for case, found in grades(run).items():
            ours.setdefault(case, []).append(found)
    for case in theirs.keys() & ours.keys():
        wanted = {grade for grade, _ in theirs[case]}
        told = {SAME.get(grade, grade) for grade, _ in ours[case]}
        if wanted == told and len(told) == 1:
            equal += 1
            continue
        line = f"{case} suite: {words(theirs[case])}; check: {words(ours[case])}"
        (varying if wanted & told else different)[case] = line
    return Agreement(equal, in_order(varying), in_order(different))


def words(found: Sequence[tuple[str, str]]) -> str:
    """Return each grade once, with its first reason."""
    reasons = dict(reversed(found))
    return " or ".join(
        f"{grade} ({reason})" if reason else grade for grade, reason in reasons.items()
    )


def in_order(lines: Mapping[str, str]) -> dict[str, str]:
    return {case: lines[case] for case in sorted(lines, key=verdicts.in_order)}


def grades(run: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """Return grade and reason of each case of a run that the suite has, too."""
    cases = run["cases"]
    assert isinstance(cases, list)
    return {
        case["autobahn"]: (case["grade"], case["reason"])
        for case in cases
        if case["autobahn"] and case["grade"] != "NOT RUN"
    }


def load(folder: Path) -> tuple[str, str, list[Verdict]]:
    """Return role, peer and verdicts of a folder of the suite's results."""
    run = json.loads((folder / "run.json").read_text())
    found = verdicts.load(folder, run["agent"], run["cases"])
    return run["role"], run["about"]["peer"], found
