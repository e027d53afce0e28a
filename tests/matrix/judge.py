"""What an observation comes to: the few words of a cell. docs/matrix.md explains them."""

from .cases import CLIENTS, SERVERS, Case, case
from .observing import Observation

__all__ = ("judge",)

#: From how many seconds on a time is told, and what it is rounded to from `LONG` on.
LATE = 3.0
LONG = 8.0
NEAREST = 5
#: From how many MiB on memory is told, and what it is rounded to.
MUCH = 75.0
ABOUT = 50
#: Up to which part of its time a Close has to come, for the end behind it to be waited for.
EARLY = 0.2
#: What is left of the time when the script ends the connection itself.
MARGIN = 0.5


def judge(seen: Observation) -> str:
    """Return the words for what was seen."""
    if not seen.runs:
        return "crashed"
    words = outcome(case(seen.preset, seen.kind), seen)
    if not seen.serves:
        words += ", blocked"
    if seen.grown is not None and seen.grown >= MUCH:
        words += f", +{ABOUT * round(seen.grown / ABOUT)} MiB"
    return words


def outcome(tried: Case, seen: Observation) -> str:
    if seen.kind == SERVERS and seen.status != 101:
        return without_handshake(tried, seen)
    if tried.told:
        return told(seen)
    if seen.kind == CLIENTS and not seen.opened:
        return unopened(tried, seen)
    if tried.pinging and not seen.pinged:
        return "no Ping"
    if not tried.deflate or seen.deflated:
        return on_the_wire(tried, seen)
    if tried.in_handshake:
        return "no deflate"
    return f"no deflate: {on_the_wire(tried, seen)}"


def without_handshake(tried: Case, seen: Observation) -> str:
    """Return the words for a server that did not answer 101."""
    if seen.early:
        return "frames before the answer"
    if seen.status:
        return f"refused {seen.status}" + after(seen.end_at if seen.end else 0)
    if tried.told:
        return "goes on"
    return ended(tried, seen) or idle(tried, seen)


def unopened(tried: Case, seen: Observation) -> str:
    """Return the words for a client that did not open the connection."""
    if not is_told(seen):
        return idle(tried, seen)
    more = f", {seen.connections} requests" if seen.connections > 1 else ""
    return f"refused{after(seen.told_at)}{more}"


def is_told(seen: Observation) -> bool:
    """Return True if the application was told of the end before the script ended."""
    tried = case(seen.preset, seen.kind)
    limit = seen.over_at if tried.told and tried.lasting else seen.bound
    return seen.told not in (None, "still open") and seen.told_at < limit - MARGIN


def told(seen: Observation) -> str:
    """Return the words for what the application was told of the connection's end."""
    if seen.told is None or not is_told(seen):
        return f"not told in {seen.bound:.0f} s"
    if seen.told.startswith("closed "):
        word = seen.told.removeprefix("closed ").partition(",")[0]
    else:
        word = seen.told.partition(":")[0].partition(" ")[0]
    return word + after(seen.told_at)


def on_the_wire(tried: Case, seen: Observation) -> str:
    if tried.mode == "close":
        return "no Close" if seen.close is None else ended(tried, seen) or idle(tried, seen)
    if seen.echoed:
        return "accepted" if tried.must_fail else "ok"
    echo = "echo, " if tried.must_fail and len(seen.data) > tried.right_first else ""
    if seen.close is None:
        return echo + (ended(tried, seen) or idle(tried, seen))
    code = f"Close {seen.close}" if seen.close else "Close"
    is_watched = seen.kind == SERVERS and not tried.lasting and seen.close_at <= EARLY * seen.bound
    lasts = ", no FIN" if is_watched and seen.end is None else ""
    late = "" if tried.name == "late-pong" else after(seen.close_at)
    return f"{echo}{code}{late}{lasts}"


def ended(tried: Case, seen: Observation) -> str:
    """Return the words for the end of the stream, "" without one."""
    at = seen.end_at
    if tried.name == "late-pong":
        # The script was busy with being late, and has read the end when it was done.
        at = 0.0
    return f"{seen.end}{after(at)}" if seen.end else ""


def idle(tried: Case, seen: Observation) -> str:
    """Return the words for a peer that did nothing as long as it was watched."""
    return f"open after {seen.bound:.0f} s" if tried.lasting else f"hung, {seen.bound:.0f} s"


def after(seconds: float) -> str:
    """Return how late something was, as far as that is the peer's doing, not the machine's."""
    if seconds < LATE:
        return ""
    nearest = NEAREST if seconds >= LONG else 1
    return f" after {nearest * round(seconds / nearest)} s"
