"""What the suite's reports say of each case."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRADES = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED")
MISSING = "MISSING"


@dataclass(frozen=True)
class Verdict:
    """Of one case with one agent."""

    case: str
    behavior: str
    """What came of the frames: one of `GRADES`, or `MISSING` if the case did not run."""
    behavior_close: str
    """What came of the closing: OK, INFORMATIONAL, FAILED BY CLIENT, WRONG CODE, UNCLEAN, FAILED.
    """
    close_code: int | None
    """The code in the peer's Close; None without a Close, and in an empty one."""
    reason: str
    """Why it is not OK, in the suite's words."""
    ended_by_peer: bool
    """Whether the peer ended the TCP connection, of its own accord or in time after a Close."""

    @property
    def grade(self) -> str:
        """One word for both: a closing that failed is a case that failed."""
        return "FAILED" if self.behavior_close in ("UNCLEAN", "FAILED") else self.behavior

    @property
    def plain(self) -> bool:
        """Whether there is nothing to tell of."""
        return self.grade == "OK" and self.behavior_close in ("OK", "INFORMATIONAL")


def missing(case: str) -> Verdict:
    return Verdict(case, MISSING, MISSING, None, "did not run", False)


def load(folder: Path, agent: str, cases: Iterable[str]) -> list[Verdict]:
    """The verdicts on `cases`, in order; some may be `MISSING`."""
    found = {}
    for path in folder.glob("*_case_*.json"):
        report = json.loads(path.read_text())
        if report["agent"] == agent:
            found[report["id"]] = _verdict(report)
    return [found.get(case) or missing(case) for case in sorted(cases, key=in_order)]


def _verdict(report: Mapping[str, object]) -> Verdict:
    code = report["remoteCloseCode"]
    behavior = str(report["behavior"])
    return Verdict(
        case=str(report["id"]),
        behavior=behavior,
        behavior_close=str(report["behaviorClose"]),
        close_code=code if isinstance(code, int) else None,
        reason=str(report["resultClose" if behavior == "OK" else "result"]),
        ended_by_peer=not report["droppedByMe"],
    )


def in_order(case: str) -> list[int]:
    return [int(number) for number in case.split(".")]


def group_of(case: str) -> int:
    return int(case.split(".")[0])


def by_group(verdicts: Sequence[Verdict]) -> dict[int, list[Verdict]]:
    groups: dict[int, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(group_of(verdict.case), []).append(verdict)
    return groups


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many of each grade, group by group, and each that is not plainly OK."""
    columns = (*GRADES, MISSING)
    lines: list[tuple[str, ...]] = [("group", "cases", *columns)]
    for name, group in [*by_group(verdicts).items(), ("all", verdicts)]:
        counts = Counter(verdict.grade for verdict in group)
        lines.append((str(name), str(len(group)), *(str(counts[grade]) for grade in columns)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    parts = ["  ".join(map(str.rjust, line, widths)) for line in lines]
    for verdict in verdicts:
        if not verdict.plain:
            parts.append(
                f"{verdict.case:8} {verdict.behavior} / {verdict.behavior_close},"
                f" close code {verdict.close_code}: {verdict.reason}"
            )
    return "\n".join(parts)
