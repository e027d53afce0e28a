"""Whether a proxy can be told from the server behind it, case by case.

The suite fuzzes a server directly, and again through the proxy. What is legal must come to the
same: the same verdict on the frames, the same on the closing, the same code in the server's Close.
What is illegal a relay does not pass on: the connection is dropped, without a Close.

Some verdicts hang on the millisecond (which of two things the server did first). So a case that is
not as it should be runs again, both ways, a few times: it is as it should be once all that came
through the proxy has been seen without it too. A case that needed that is reported as varying.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .suite import Selection
from .verdicts import MISSING, Verdict, in_order

#: The cases in which the suite sends what breaks RFC 6455 at the level of frames, and what that is.
#: All others are legal there: bad UTF-8 in a Text message (6.*) is no matter of frames, and what
#: follows a Close (7.1.*) is not looked at by anybody.
ILLEGAL = {
    "2.5": "a Ping of 126 bytes",
    "3.*": "reserved bits, no extension negotiated",
    "4.*": "reserved opcodes",
    "5.1": "a fragmented Ping",
    "5.2": "a fragmented Pong",
    "5.9": "a continuation, nothing to continue",
    "5.10": "the same in other segments",
    "5.11": "the same byte by byte",
    "5.12": "a continuation without FIN, nothing to continue",
    "5.13": "the same in other segments",
    "5.14": "the same byte by byte",
    "5.15": "a continuation behind a message that was complete",
    "5.16": "a continuation without FIN, nothing to continue, then a message",
    "5.17": "a continuation, nothing to continue, then a message",
    "5.18": "a second Text frame inside a message",
    "7.3.2": "a Close with a payload of one byte",
    "7.3.6": "a Close with a payload of 126 bytes",
    "7.5.1": "a Close whose reason is not UTF-8",
    "7.9.*": "a Close with a code that may not be sent",
    "7.13.*": "a Close with a code above 4999",
}

Outcome = tuple[str, str, "int | None"]
#: Runs the given cases: the verdicts without the proxy, and through it.
Both = Callable[[Selection], tuple[Sequence[Verdict], Sequence[Verdict]]]


def is_illegal(case: str) -> bool:
    return any(fnmatchcase(case, pattern) for pattern in ILLEGAL)


def outcome(verdict: Verdict) -> Outcome:
    return verdict.behavior, verdict.behavior_close, verdict.close_code


def dropped(verdict: Verdict) -> bool:
    """Whether the peer ended the connection without a Close, before the suite lost patience."""
    return verdict.behavior != MISSING and verdict.ended_by_peer and verdict.close_code is None


@dataclass
class Comparison:
    """All that was seen of one case."""

    case: str
    direct: list[Outcome] = field(default_factory=list)
    proxied: list[Outcome] = field(default_factory=list)
    drops: list[bool] = field(default_factory=list)
    """Through the proxy, round by round."""

    def add(self, direct: Verdict, proxied: Verdict) -> None:
        self.direct.append(outcome(direct))
        self.proxied.append(outcome(proxied))
        self.drops.append(dropped(proxied))

    @property
    def good(self) -> bool:
        if is_illegal(self.case):
            return self.drops[-1]
        return MISSING not in {seen[0] for seen in self.direct + self.proxied} and set(
            self.proxied
        ) <= set(self.direct)

    @property
    def rounds(self) -> int:
        return len(self.direct)

    def __str__(self) -> str:
        wanted = "a drop" if is_illegal(self.case) else f"as directly: {_seen(self.direct)}"
        return f"{self.case}: {_seen(self.proxied)}; wanted {wanted}"


def _seen(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(
        f"{behavior}/{closing}/{code} ({outcomes.count((behavior, closing, code))})"
        for behavior, closing, code in dict.fromkeys(outcomes)
    )


def compare(both: Both, chosen: Selection, rounds: int) -> list[Comparison]:
    """What each case came to, in order; those that are not good have been tried `rounds` times."""
    found: dict[str, Comparison] = {}
    for _ in range(rounds):
        for direct, proxied in zip(*both(chosen), strict=True):
            found.setdefault(direct.case, Comparison(direct.case)).add(direct, proxied)
        again = [case for case, comparison in found.items() if not comparison.good]
        if not again:
            break
        chosen = Selection(again)
    return sorted(found.values(), key=lambda comparison: in_order(comparison.case))


@dataclass(frozen=True)
class Counts:
    """How many cases came to what, of one server."""

    equal: int
    dropped: int
    varying: "Mapping[str, str]"
    """Good too, but not at once; what was seen of each."""
    different: "Mapping[str, str]"
    """Not good; what was seen of each."""


def count(comparisons: Sequence[Comparison]) -> Counts:
    good = [comparison for comparison in comparisons if comparison.good]
    illegal = sum(is_illegal(comparison.case) for comparison in good)
    return Counts(
        equal=len(good) - illegal,
        dropped=illegal,
        varying={one.case: str(one) for one in good if one.rounds > 1},
        different={one.case: str(one) for one in comparisons if not one.good},
    )
