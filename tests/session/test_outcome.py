"""The outcome of a handler, by the exception that it raises."""

import asyncio
import builtins
import sys
from typing import Any

import pytest

from aiohttp_rawws import EndOfStream, FrameTooBig, ProtocolError, SessionClosed, Violation
from aiohttp_rawws.session.outcome import Outcome, outcome_of

VIOLATION = ProtocolError(Violation.UNMASKED, 1002, "no mask")
END = EndOfStream("the peer ended its stream")
CLOSED = SessionClosed("the connection is closed")
CANCELLED = asyncio.CancelledError()
BUG = ValueError("broken")

OUTCOMES: list[tuple[Any, Outcome]] = [
    (None, Outcome.RETURNED),
    (CANCELLED, Outcome.CANCELLED),
    (END, Outcome.ENDED),
    (VIOLATION, Outcome.VIOLATED),
    (FrameTooBig(2, 1), Outcome.VIOLATED),
    (BUG, Outcome.FAILED),
    (EOFError(), Outcome.FAILED),
    (ConnectionResetError(), Outcome.FAILED),
    (KeyboardInterrupt(), Outcome.INTERRUPTED),
    ([END], Outcome.ENDED),
    ([END, END], Outcome.ENDED),
    ([[END], END], Outcome.ENDED),
    ([[[[END]]], CANCELLED], Outcome.ENDED),
    ([CANCELLED, [CANCELLED]], Outcome.CANCELLED),
    ([END, VIOLATION], Outcome.VIOLATED),
    ([CANCELLED, [VIOLATION, [VIOLATION]]], Outcome.VIOLATED),
    ([END, [VIOLATION, [BUG]], CANCELLED], Outcome.FAILED),
    ([BUG, SystemExit()], Outcome.INTERRUPTED),
]


def grouped(tree: Any) -> Any:
    """Lists as exception groups."""
    if not isinstance(tree, list):
        return tree
    groups = pytest.importorskip("exceptiongroup") if sys.version_info < (3, 11) else builtins
    return groups.BaseExceptionGroup("", [grouped(each) for each in tree])


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(("tree", "outcome"), OUTCOMES, ids=repr)
def test_the_outcome_of_an_error(tree: Any, outcome: Outcome, ended: bool) -> None:
    assert outcome_of(grouped(tree), ended) is outcome


@pytest.mark.parametrize("tree", [CLOSED, [CLOSED], [END, [CLOSED]], [CANCELLED, CLOSED]], ids=repr)
def test_a_closed_session_is_no_fault_once_its_peer_has_ended_it(tree: Any) -> None:
    assert outcome_of(grouped(tree), True) is Outcome.ENDED
    assert outcome_of(grouped(tree), False) is Outcome.FAILED


def test_what_still_arrives() -> None:
    orderly = [outcome for outcome in Outcome if outcome.is_orderly]
    assert orderly == [Outcome.RETURNED, Outcome.CANCELLED, Outcome.ENDED]
