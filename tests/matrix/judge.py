"""What an observation comes to: the few words of a cell. docs/matrix.md explains them."""

from .cases import CLIENTS, SERVERS, Case, case
from .observing import Observation

__all__ = ("judge",)

#: From how many seconds on a time is told, and from how many MiB on the memory.
LATE = 2.0
MUCH = 32.0


def judge(seen: Observation) -> str:
    """Return the words for what was seen."""
    if not seen.runs:
        return "crashed"
    words = outcome(case(seen.preset, seen.kind), seen)
    if not seen.serves:
        words += ", blocked"
    if seen.grown is not None and seen.grown >= MUCH:
        words += f", +{seen.grown:.0f} MiB"
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
    prefix = "no deflate: " if tried.deflate and not seen.deflated else ""
    return prefix + on_the_wire(tried, seen)


def without_handshake(tried: Case, seen: Observation) -> str:
    """Return the words for a server that did not answer 101."""
    if seen.status:
        return f"refused {seen.status}" + after(seen.end_at if seen.end else 0)
    if tried.told:
        return "goes on"
    return ended(tried, seen) or idle(tried, seen)


def unopened(tried: Case, seen: Observation) -> str:
    """Return the words for a client that did not open the connection."""
    if seen.told is None or seen.told == "still open" or seen.told_at >= seen.bound:
        return idle(tried, seen)
    more = f", {seen.connections} requests" if seen.connections > 1 else ""
    return f"refused{after(seen.told_at)}{more}"


def told(seen: Observation) -> str:
    """Return the words for what the application was told of the connection's end."""
    if seen.told is None or seen.told == "still open" or seen.told_at >= seen.bound:
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
    echo = "echo, " if seen.data and tried.must_fail else ""
    if seen.close is None:
        return echo + (ended(tried, seen) or idle(tried, seen))
    code = f"Close {seen.close}" if seen.close else "Close"
    lasts = ", no FIN" if seen.end is None and seen.kind == SERVERS else ""
    return f"{echo}{code}{after(seen.close_at)}{lasts}"


def ended(tried: Case, seen: Observation) -> str:
    """Return the words for the end of the stream, "" without one."""
    at = seen.end_at
    if tried.pinging and seen.told is not None:
        # The script may have been busy, and have read the end late.
        at = min(at, seen.told_at)
    return f"{seen.end}{after(at)}" if seen.end else ""


def idle(tried: Case, seen: Observation) -> str:
    """Return the words for a peer that did nothing as long as it was watched."""
    return f"open after {seen.bound:.0f} s" if tried.lasting else f"hung, {seen.bound:.0f} s"


def after(seconds: float) -> str:
    return f" after {seconds:.0f} s" if seconds >= LATE else ""
