"""All cases, and their selection."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache

from . import (
    cases_closing,
    cases_deflate,
    cases_framing,
    cases_load,
    cases_opening,
    cases_utf8,
)
from .case import Case

__all__ = ("all_cases", "select")

GROUNDS = (cases_framing, cases_utf8, cases_closing, cases_opening, cases_load, cases_deflate)


@cache
def all_cases() -> tuple[Case, ...]:
    """Return all cases, for servers and for clients. What a client may die of comes last."""
    found = [case for ground in GROUNDS for case in ground.cases()]
    return tuple(sorted(found, key=lambda case: case.answer.refused))


def select(peer: str, patterns: str | Sequence[str] = (), performance: bool = False) -> list[Case]:
    """Return the cases for a `server` or a `client`, those of some patterns alone.

    ValueError for a pattern that selects none. Without patterns `performance` adds group 9.
    """
    cases = [case for case in all_cases() if peer in case.peers]
    patterns = (patterns,) if isinstance(patterns, str) else patterns
    if not patterns:
        return [case for case in cases if performance or not case.performance]
    for pattern in patterns:
        if not any(fnmatchcase(case.id, pattern) for case in cases):
            raise ValueError(f"no case for a {peer} is called {pattern!r}")
    return list(chosen(cases, patterns))


def chosen(cases: Sequence[Case], patterns: Sequence[str]) -> Iterator[Case]:
    for case in cases:
        if any(fnmatchcase(case.id, pattern) for pattern in patterns):
            yield case
