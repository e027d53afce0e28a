"""From what was seen to a verdict: a pure function."""

from collections.abc import Callable, Iterable

from .case import Case, Ending, Event, Grade, quoted
from .seen import Seen

__all__ = ("could_become", "judge", "matches")

Verdict = tuple[Grade, str]


def judge(case: Case, seen: Seen, peer: str) -> Verdict:
    """Return the verdict on a `server` or `client`, and a sentence that gives the reason."""
    if seen.skipped:
        return Grade.SKIPPED, seen.skipped
    if seen.dead:
        return Grade.FAILED, f"a new connection after it: {seen.dead}"
    if seen.status != "101" or case.answer.refused:
        return judge_opening(case, seen, peer)
    if "101" not in case.request.ok and peer == "server":
        if "101" in case.request.non_strict:
            return Grade.NON_STRICT, "the server opens the connection"
        return Grade.FAILED, "the server opens the connection"
    if seen.deaf:
        return Grade.HUNG, "the peer does not read"
    if case.informational:
        return informed(case, seen)
    if seen.faults:
        return Grade.FAILED, seen.faults[0]
    return JUDGES[case.ending](case, seen, peer)


def judge_opening(case: Case, seen: Seen, peer: str) -> Verdict:
    """Judge a handshake that did not open the connection, or should not have."""
    if peer == "client":
        return judge_refused_answer(seen) if case.answer.refused else no_opening(seen)
    request = case.request
    if not seen.status:
        return Grade.HUNG, "the request is not answered"
    for grade, allowed in ((Grade.OK, request.ok), (Grade.NON_STRICT, request.non_strict)):
        if seen.status in allowed or f"{seen.status[0]}xx" in allowed:
            if request.needs and seen.status != "end" and seen.faults:
                return Grade.FAILED, seen.faults[0]
            return grade, answered_with(seen)
    return no_opening(seen)


def no_opening(seen: Seen) -> Verdict:
    if seen.faults:
        return Grade.FAILED, seen.faults[0]
    if not seen.status:
        return Grade.HUNG, "no opening handshake"
    return Grade.FAILED, f"the opening handshake failed: {answered_with(seen)}"


def answered_with(seen: Seen) -> str:
    if seen.status == "end":
        return "TCP was ended in place of an answer"
    return f"the answer: {seen.status}"


def judge_refused_answer(seen: Seen) -> Verdict:
    if seen.events:
        return Grade.FAILED, f"the client takes the answer, and sends {shown(seen.events)}"
    if seen.close is not None:
        return Grade.NON_STRICT, "the client takes the answer, and closes"
    if seen.end is None:
        return Grade.HUNG, "the client does not end the connection"
    return Grade.OK, "the client ends the connection"


def informed(case: Case, seen: Seen) -> Verdict:
    did = [f"{shown(seen.events)} came" if seen.events else ""]
    if seen.close is not None:
        did.append("it closed" if seen.code is None else f"it closed with {seen.code}")
    elif seen.end is not None:
        did.append("it ended TCP without a Close")
    else:
        did.append("it left the connection open")
    return Grade.INFORMATIONAL, ", ".join(each for each in did if each)


def goes_on(case: Case, seen: Seen, peer: str) -> Verdict:
    grade = grade_of_events(case, seen)
    if seen.lost:
        has_hung = not seen.events and seen.end is None and not seen.closed_first
        return (Grade.HUNG if has_hung else Grade.FAILED), seen.lost
    if seen.closed_first:
        return Grade.FAILED, f"the peer closes{with_code(seen)} instead of going on"
    if grade is None:
        if seen.end is None and could_become(case, seen.events):
            return Grade.HUNG, f"{expected(case)} did not come; {shown(seen.events)} came"
        if seen.end is not None and could_become(case, seen.events):
            return Grade.FAILED, f"the peer ends TCP; {expected(case)} did not come"
        return Grade.FAILED, f"{shown(seen.events)} came instead of {expected(case)}"
    return closed(case, seen, peer, grade)


def closed(case: Case, seen: Seen, peer: str, grade: Grade) -> Verdict:
    """Judge the answer to a Close that the check sent."""
    if seen.close is None:
        if seen.end is None:
            return Grade.HUNG, "the Close is not answered"
        return Grade.FAILED, "the peer ends TCP without a Close in answer to ours"
    return worst(grade, case, seen, peer)


def worst(grade: Grade, case: Case, seen: Seen, peer: str) -> Verdict:
    """Look at the code, and at who ends TCP."""
    reasons = [departure(case, seen)] if grade is Grade.NON_STRICT else []
    if seen.code is not None and seen.code not in case.codes:
        codes = " or ".join(map(str, case.codes))
        reason = f"the Close has {seen.code}, not {codes}"
        if case.strict_code:
            return Grade.FAILED, reason
        reasons.append(reason)
    if peer == "server" and seen.end is None:
        reasons.append("the server leaves it to the client to end TCP")
    if reasons:
        return Grade.NON_STRICT, "; ".join(reasons)
    return Grade.OK, ""


def departure(case: Case, seen: Seen) -> str:
    """Tell how far the events are from what is best."""
    late = [payload.decode() for kind, payload in seen.events if kind == "open"]
    if len(late) > 1:
        return f"the peer still has the connection open: {late[-1]}"
    return f"{expected(case)} did not come before"


def replies(case: Case, seen: Seen, peer: str) -> Verdict:
    return answered(case, seen, lambda grade: closed(case, seen, peer, grade))


def rejects(case: Case, seen: Seen, peer: str) -> Verdict:
    return answered(case, seen, lambda grade: worst(grade, case, seen, peer))


def answered(case: Case, seen: Seen, then: Callable[[Grade], Verdict]) -> Verdict:
    """Judge what came to a Close that the case has sent. `then` judges the Close itself."""
    grade = grade_of_events(case, seen)
    if seen.close is None and seen.end is None:
        return Grade.HUNG, "the Close is not answered"
    if grade is None:
        return Grade.FAILED, f"{shown(seen.events)} came besides the Close"
    return then(grade)


def fails(case: Case, seen: Seen, peer: str) -> Verdict:
    grade = grade_of_events(case, seen)
    if not seen.is_over:
        if case.taken is not None and tuple(seen.events) == case.taken:
            return Grade.NON_STRICT, "the peer takes it"
        if seen.answers:
            return Grade.FAILED, "the peer goes on: it answers a Ping"
        if not could_become(case, seen.events):
            return Grade.FAILED, f"the peer goes on: {shown(seen.events)} came"
        return Grade.HUNG, "the peer neither fails the connection nor answers a Ping"
    if grade is None:
        return Grade.FAILED, f"{shown(seen.events)} came before the connection failed"
    if seen.close is not None and not seen.closed_first:
        return Grade.FAILED, "the peer goes on: it answers our Close"
    return worst(grade, case, seen, peer)


def ends(case: Case, seen: Seen, peer: str) -> Verdict:
    if seen.end is None:
        return Grade.HUNG, "the peer does not end TCP"
    grade = grade_of_events(case, seen)
    if grade is None:
        return Grade.FAILED, f"{shown(seen.events)} came instead of {expected(case)}"
    if grade is Grade.NON_STRICT:
        return grade, f"the peer ends TCP; {expected(case)} did not come"
    return Grade.OK, ""


def either(case: Case, seen: Seen, peer: str) -> Verdict:
    if seen.closed_first or (seen.end is not None and seen.close is None):
        if not could_become(case, seen.events) and grade_of_events(case, seen) is None:
            return Grade.FAILED, f"{shown(seen.events)} came before the connection failed"
        if seen.close is None:
            return Grade.NON_STRICT, "the peer ends TCP without a Close"
        return Grade.OK, f"the peer closes{with_code(seen)}"
    return goes_on(case, seen, peer)


def gone(case: Case, seen: Seen, peer: str) -> Verdict:
    return Grade.OK, ""


JUDGES = {
    Ending.GOES_ON: goes_on,
    Ending.FAILS: fails,
    Ending.REPLIES: replies,
    Ending.REJECTS: rejects,
    Ending.ENDS: ends,
    Ending.EITHER: either,
    Ending.GONE: gone,
}


def grade_of_events(case: Case, seen: Seen) -> Grade | None:
    events = seen.events_but(case.pongs_optional)
    if events in case.ok:
        return Grade.OK
    return Grade.NON_STRICT if events in case.non_strict else None


def matches(case: Case, seen: Seen) -> bool:
    """Tell whether all has come that the peer has to do before the end."""
    return seen.events_but(case.pongs_optional) in case.ok


def could_become(case: Case, events: Iterable[Event]) -> bool:
    """Tell whether the events are the beginning of some that are allowed."""
    so_far = tuple(event for event in events if not (case.pongs_optional and event[0] == "pong"))
    return any(each[: len(so_far)] == so_far for each in (*case.ok, *case.non_strict))


def expected(case: Case) -> str:
    return shown(case.ok[0])


def shown(events: Iterable[Event]) -> str:
    """Return events as a sentence has them."""
    words = [f"{kind} {quoted(payload)}" if payload else kind for kind, payload in events]
    if not words:
        return "nothing"
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def with_code(seen: Seen) -> str:
    return "" if seen.code is None else f" with {seen.code}"
