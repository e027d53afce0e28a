"""The outcome of a run: as text, and as JSON."""

import json
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..._version import __version__
from .case import Case, Grade

__all__ = ("Report", "Result", "is_hopeless")

#: The grades with which a run is not well.
BAD = (Grade.FAILED, Grade.HUNG, Grade.NOT_RUN)
#: How each begins its line, in the order of the summary.
ORDER = (
    Grade.OK,
    Grade.NON_STRICT,
    Grade.INFORMATIONAL,
    Grade.SKIPPED,
    Grade.FAILED,
    Grade.HUNG,
    Grade.NOT_RUN,
)


@dataclass(frozen=True)
class Result:
    """The verdict on one case."""

    case: Case
    grade: Grade
    #: Why, in one sentence; "" where there is nothing to tell.
    reason: str = ""
    #: The frames that were sent (`->`) and seen (`<-`), shortened.
    log: tuple[str, ...] = field(default=(), repr=False)
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report."""
        section = self.case.section
        rfc = section if section.startswith("RFC") else f"RFC 6455 {section}"
        yield f"{self.grade.value:<13} {self.case.id}: {self.case.sentence} ({rfc})"
        if self.reason:
            yield f"{'':13} {self.reason}"
        for line in self.log:
            yield f"{'':15} {line}"

    def as_json(self) -> dict[str, object]:
        """Return the result as values for JSON."""
        case = self.case
        return {
            "id": case.id,
            "autobahn": case.autobahn,
            "group": case.group,
            "sentence": case.sentence,
            "section": case.section,
            "grade": self.grade.value,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "frames": list(self.log),
        }


#: After so many cases that all HUNG the others are not run.
HOPELESS = 24


def is_hopeless(results: Iterable[Result]) -> bool:
    """Tell whether the peer hangs whatever it is sent: all cases so far HUNG, and they are many."""
    so_far = list(results)
    return len(so_far) >= HOPELESS and all(result.grade is Grade.HUNG for result in so_far)


@dataclass(frozen=True)
class Report:
    """What a `server` or a `client` did in all cases. `target` is its URL or its command."""

    peer: str
    target: str
    results: Sequence[Result]
    seconds: float

    def __getitem__(self, name: str) -> Result:
        """Return the result of a case. KeyError if it did not run."""
        for result in self.results:
            if result.case.id == name:
                return result
        raise KeyError(name)

    @property
    def counts(self) -> dict[Grade, int]:
        """How many cases have each grade that occurs."""
        found = Counter(result.grade for result in self.results)
        return {grade: found[grade] for grade in ORDER if found[grade]}

    def bad(self, strict: bool = False) -> list[Result]:
        """Return what FAILED, HUNG, or did not run; with `strict` what is NON-STRICT, too."""
        bad = (*BAD, Grade.NON_STRICT) if strict else BAD
        return [result for result in self.results if result.grade in bad]

    @property
    def is_ok(self) -> bool:
        """True if nothing FAILED, HUNG, or did not run."""
        return not self.bad()

    def text(self, everything: bool = False) -> str:
        """Return a table by groups, and what is not OK, with its frames.

        INFORMATIONAL ones are told without frames. What was SKIPPED, or NOT RUN, is counted alone.
        """
        lines: list[str] = []
        for result in self.results:
            if everything or result.grade in (Grade.NON_STRICT, Grade.FAILED, Grade.HUNG):
                lines += result.lines()
            elif result.grade is Grade.INFORMATIONAL:
                lines += list(result.lines())[:2]
        missing = [result.reason for result in self.results if result.grade is Grade.NOT_RUN]
        for reason, count in Counter(missing).items():
            lines.append(f"{Grade.NOT_RUN.value:<13} {count} cases: {reason}")
        return "\n".join([*lines, *([""] if lines else []), *self._table(), self.summary()])

    def _table(self) -> Iterator[str]:
        groups: dict[str, Counter[Grade]] = {}
        for result in self.results:
            groups.setdefault(result.case.group, Counter())[result.grade] += 1
        grades = [grade for grade in ORDER if grade in self.counts]
        width = max([len(group) for group in groups] or [0])
        yield "  ".join([" " * width, *(grade.value for grade in grades)])
        for group, found in groups.items():
            cells = (str(found[grade] or "-").rjust(len(grade.value)) for grade in grades)
            yield "  ".join([group.ljust(width), *cells])

    def summary(self) -> str:
        """Return one line: how many cases have each grade."""
        counts = ", ".join(f"{count} {grade.value}" for grade, count in self.counts.items())
        cases = "1 case" if len(self.results) == 1 else f"{len(self.results)} cases"
        return f"{cases} in {self.seconds:.1f} s: {counts or 'none'}"

    def as_json(self) -> str:
        """Return the report as JSON, for programs."""
        counts = {grade.value: count for grade, count in self.counts.items()}
        found = {
            "format": 1,
            "aiohttp_rawws": __version__,
            "python": platform.python_version(),
            "peer": self.peer,
            "target": self.target,
            "seconds": round(self.seconds, 3),
            "counts": counts,
            "cases": [result.as_json() for result in self.results],
        }
        return json.dumps(found, indent=1) + "\n"
