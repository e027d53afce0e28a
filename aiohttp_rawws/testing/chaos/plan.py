"""What is to be done to each frame of one direction: a function of the seed and the frames."""

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...wire.header import Header
from .rules import Rule

__all__ = ("MAX_WHOLE", "Plan", "Planner")

#: A frame of a bigger payload is never held as a whole: it passes in parts, and is neither
#: duplicated nor reordered.
MAX_WHOLE = 2**20

#: How many random numbers each rule takes for each frame, whatever it does: so a frame that comes
#: later gets the same ones.
DRAWS = 5


@dataclass(slots=True)
class Plan:
    """What is to be done to one frame. Octets and bits are counted from the frame's first."""

    #: The faults, each with its detail.
    done: list[tuple[str, str]] = field(default_factory=list)
    delay: float = 0.0
    stall: float = 0.0
    reset: bool = False
    drop: bool = False
    #: How many octets pass before the stream ends.
    end_at: int | None = None
    flips: list[int] = field(default_factory=list)
    copies: int = 1
    #: How long the next frame is waited for, in seconds, if it is to pass first.
    hold: float | None = None
    #: Where the writes are cut, and the seconds between them.
    cuts: set[int] = field(default_factory=set)
    gap: float = 0.0

    @property
    def is_last(self) -> bool:
        """True if nothing behind this frame passes."""
        return self.reset or self.end_at is not None or self.stall == math.inf


class Planner:
    """Makes a plan for each frame of one direction of one connection."""

    def __init__(
        self, rules: Iterable[Rule], *, seed: int, connection: int, direction: str
    ) -> None:
        self.connection = connection
        self.direction = direction
        #: How many frames there were.
        self.number = 0
        self._rules = [rule for rule in rules if rule.concerns(connection, direction)]
        #: How many frames each rule has meant.
        self._meant = [0] * len(self._rules)
        # A text as seed makes the same numbers on each Python.
        self._random = random.Random(f"{seed} {connection} {direction}")
        self._was_held = False

    @property
    def has_rules(self) -> bool:
        return bool(self._rules)

    def plan(self, header: Header) -> Plan | None:
        """Return what is to be done to the next frame, None for nothing."""
        self.number += 1
        plan = Plan()
        for rule, draws in self._chosen(header):
            # What ends the way of the frame leaves nothing to be done.
            if not (plan.is_last or plan.drop):
                self._add(plan, rule, header, draws)
        self._was_held = plan.hold is not None
        return plan if plan.done else None

    def _chosen(self, header: Header) -> Iterator[tuple[Rule, list[float]]]:
        """Yield the rules that choose this frame, and the random numbers that are left to them."""
        for index, rule in enumerate(self._rules):
            chance, *draws = [self._random.random() for _ in range(DRAWS)]
            if rule.means(header):
                self._meant[index] += 1
                if chance < rule.chance or self._meant[index] == rule.nth:
                    yield rule, draws

    def _add(self, plan: Plan, rule: Rule, header: Header, draws: list[float]) -> None:
        detail = EFFECTS[rule.fault](plan, rule, header, draws)
        # A frame is not held while one before it waits for it.
        if rule.fault == "reorder" and self._was_held:
            plan.hold = detail = None
        if detail is not None:
            plan.done.append((rule.fault, detail))


# -- the faults ------------------------------------------------------------------------------------
# Each adds itself to a plan and returns its detail, or None if it cannot be done to this frame.


def latency(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str:
    seconds = jittered(rule, draws)
    plan.delay += seconds
    return f"{seconds:.3f} s"


def stall(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str:
    seconds = jittered(rule, draws)
    plan.stall += seconds
    return "for ever" if seconds == math.inf else f"{seconds:.3f} s"


def reset(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str:
    plan.reset = True
    return ""


def truncate(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str:
    plan.end_at = inside(header.total, draws[0])
    return f"after {plan.end_at} of {header.total} octets"


def drop(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str:
    plan.drop = True
    return ""


def corrupt(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str | None:
    if not header.length:
        return None
    octet, bit = int(draws[0] * header.length), int(draws[1] * 8)
    plan.flips.append((header.size + octet) * 8 + bit)
    return f"bit {bit} of octet {octet} of the payload"


def corrupt_header(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str:
    octet, bit = int(draws[0] * header.bare_size), int(draws[1] * 8)
    plan.flips.append(octet * 8 + bit)
    return f"bit {bit} of octet {octet}"


def duplicate(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str | None:
    if header.length > MAX_WHOLE:
        return None
    plan.copies += 1
    return ""


def reorder(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str | None:
    if header.length > MAX_WHOLE:
        return None
    plan.hold = jittered(rule, draws)
    return ""


def split(plan: Plan, rule: Rule, header: Header, draws: list[float]) -> str:
    # One to three cuts.
    cuts = {inside(header.total, draw) for draw in draws[1 : 2 + int(draws[0] * 3)]}
    plan.cuts |= cuts
    plan.gap = max(plan.gap, rule.seconds)
    return f"at {', '.join(map(str, sorted(cuts)))}"


EFFECTS = {
    each.__name__: each
    for each in (
        latency,
        stall,
        reset,
        truncate,
        drop,
        corrupt,
        corrupt_header,
        duplicate,
        reorder,
        split,
    )
}


def jittered(rule: Rule, draws: list[float]) -> float:
    return rule.seconds + rule.jitter * (2 * draws[0] - 1)


def inside(total: int, draw: float) -> int:
    """Return an offset at which something is before it and behind it."""
    return 1 + int(draw * (total - 1))
