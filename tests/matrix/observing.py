"""One cell: a preset and a peer meet, and what was seen is written down."""

import itertools
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp_rawws import Frame, Opcode
from aiohttp_rawws.testing import Played, Script, play_client, script_server
from aiohttp_rawws.testing.http import HttpHead
from aiohttp_rawws.testing.transcript import Entry

from .cases import HEARTBEAT, SERVERS, Bounds, Case
from .inflating import Payloads
from .probing import PROBE, Look, watched
from .process import Process

__all__ = ("Observation", "observe")

NUMBERS = itertools.count(1)
#: A script may wait so often for the length of its timeout: once in its steps, once for the peer.
ROUNDS = 3
#: A client says this once. What a server says is an echo of the script's "Hello".
GREETINGS = (b"hello", b"Hello")
#: The data frames that are kept, at most.
KEPT = 5


@dataclass
class Observation:
    """What was seen of a peer. Times are seconds since the fault, or since the peer's own Close."""

    preset: str
    kind: str
    peer: str
    #: How long the peer was watched, in seconds.
    bound: float
    #: The status of a server's answer; 0 without one.
    status: int = 0
    #: Whether the peer took the connection for opened.
    opened: bool = False
    #: Whether permessage-deflate was negotiated.
    deflated: bool = False
    #: Data frames of the peer, other than greetings and the probe's echo.
    data: list[str] = field(default_factory=list)
    pinged: bool = False
    #: The code of the peer's Close: 0 for an empty one, None without one.
    close: int | None = None
    close_at: float = 0.0
    #: How the peer ended its stream: "FIN", "RST" or None.
    end: str | None = None
    end_at: float = 0.0
    probed: bool = False
    echoed: bool = False
    #: What the application was told of the end, None if nothing.
    told: str | None = None
    told_at: float = 0.0
    #: When the script ended the connection, if the peer did not.
    over_at: float = 0.0
    #: Whether the process runs, and whether a good connection works after the fault.
    runs: bool = True
    serves: bool = True
    #: How much memory it took at most beyond what it had before, in MiB. None: not measured.
    grown: float | None = None
    #: How many connections the peer made.
    connections: int = 1
    #: Whether frames came before a server's answer.
    early: bool = False
    #: Why the script did not come to its fault.
    failure: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def observe(case: Case, process: Process, bounds: Bounds) -> Observation:
    """Let a preset and a peer meet."""
    seen = Observation(case.name, case.kind, process.peer.name, case.bound(bounds))
    before = process.reset_peak() if case.measured else None
    meet = meet_server if case.kind == SERVERS else meet_client
    await meet(case, process, bounds, seen)
    peak = None if before is None else process.peak()
    if before is not None and peak is not None:
        seen.grown = round(max(peak - before, 0.0), 1)
    seen.serves = await is_well(process, bounds)
    seen.runs = process.is_running
    return seen


async def meet_server(case: Case, process: Process, bounds: Bounds, seen: Observation) -> None:
    cell = f"{case.name}-{next(NUMBERS)}"
    url = process.url(case.mode, cell)
    script, look = watched(case, seen.bound, url)
    try:
        played = await play_client(script, url)
    except (OSError, TimeoutError) as error:
        seen.failure = f"{error}"
        return
    fault_at = note(case, seen, played, look)
    # A server that refused has no handler that is told anything.
    if seen.status == 101:
        note_told(seen, await process.said(cell, bounds.health), fault_at)


async def meet_client(case: Case, process: Process, bounds: Bounds, seen: Observation) -> None:
    looks: list[Look] = []

    def each(_: int) -> Script:
        script, look = watched(case, seen.bound)
        script.name = str(len(looks))
        looks.append(look)
        return script

    cell = f"{case.name}-{next(NUMBERS)}"
    async with script_server(each) as server:
        asked_at = time.monotonic()
        await process.ask(
            cell=cell,
            url=f"{server.url}{case.mode}",
            mode=case.mode,
            heartbeat=HEARTBEAT if case.pinging else None,
            bound=ROUNDS * seen.bound + bounds.health,
        )
        try:
            [played] = await server.ended(1, timeout=ROUNDS * seen.bound + bounds.health)
        except TimeoutError as error:
            seen.failure = f"{error}"
            fault_at = asked_at
        else:
            fault_at = note(case, seen, played, looks[int(played.name)])
        told = await process.said(cell, bounds.health)
        seen.connections = server.connections
    note_told(seen, told, fault_at)


def note_told(
    seen: Observation, told: "tuple[dict[str, Any], float] | None", fault_at: float
) -> None:
    if told is not None:
        line, told_at = told
        seen.told = line["end"]
        seen.told_at = round(max(told_at - fault_at, 0.0), 1)
        seen.opened |= bool(line.get("opened"))


def note(case: Case, seen: Observation, played: Played, look: Look) -> float:
    """Write down what was on the wire. Return when the fault was, by the monotonic clock."""
    entries = played.transcript.entries
    heads = [entry.what for entry in entries if isinstance(entry.what, HttpHead)]
    if played.head is not None and case.kind == SERVERS:
        seen.status = played.head.status
        seen.early = not seen.status and b"HTTP/1.1 " in played.head.raw
    extensions = [head.headers.get("Sec-WebSocket-Extensions", "") for head in heads]
    seen.deflated = len(heads) > 1 and all("permessage-deflate" in each for each in extensions)
    seen.probed, seen.echoed, seen.failure = look.probed, look.echoed, look.failure
    start = fault_time(case, entries, look)
    payloads = Payloads()
    for entry in entries[: look.over]:
        if entry.direction == "seen":
            note_entry(seen, entry, round(max(entry.time - start, 0.0), 1))
            if isinstance(entry.what, Frame) and not entry.what.is_control:
                note_data(seen, entry.what, payloads(entry.what))
    ended = entries[min(look.ended, len(entries) - 1)]
    seen.over_at = round(ended.time - start, 1)
    return look.clock - ended.time + start


def fault_time(case: Case, entries: "list[Entry]", look: Look) -> float:
    """Return when the fault was: at its last octet, at the peer's first Ping or own Close."""
    for entry in entries:
        if isinstance(entry.what, Frame) and entry.direction == "seen":
            if case.pinging and entry.what.opcode == Opcode.PING:
                return entry.time
            if case.mode == "close" and entry.what.opcode == Opcode.CLOSE:
                return entry.time
    # The RST of a peer that was gone for long is not its fault.
    sent = [
        entry.time
        for entry in entries[: look.ended]
        if entry.direction == "sent" and not (case.lasting and entry.what == "RST")
    ]
    return sent[-1] if sent else 0.0


def note_entry(seen: Observation, entry: Entry, at: float) -> None:
    what = entry.what
    if isinstance(what, str):
        seen.end, seen.end_at = what, at
    elif isinstance(what, Frame):
        if what.opcode == Opcode.CLOSE and seen.close is None:
            seen.close, seen.close_at = what.close_code or 0, at
        seen.pinged |= what.opcode == Opcode.PING
        # Nobody sends a frame before there is a connection.
        seen.opened = True


def note_data(seen: Observation, frame: Frame, payload: bytes) -> None:
    """Write down a data frame, unless it is a greeting, or the echo of one or of the probe."""
    if len(seen.data) < KEPT and payload not in GREETINGS and PROBE not in payload:
        seen.data.append(repr(frame)[:80])


async def is_well(process: Process, bounds: Bounds) -> bool:
    """Return True if a good connection works."""
    if not process.is_running:
        return False
    timeout = bounds.health
    cell = f"well-{next(NUMBERS)}"
    if process.peer.kind == SERVERS:
        script = Script(timeout=timeout).send(Frame.text("well"))
        try:
            played = await play_client(script.until("text"), process.url("echo", cell))
        except (OSError, TimeoutError):
            return False
        return played.ok
    script = Script(timeout=timeout).until("text").close(within=timeout)
    async with script_server(script) as server:
        await process.ask(cell=cell, url=server.url, mode="echo", heartbeat=None, bound=timeout)
        try:
            [played] = await server.ended(1, timeout=2 * timeout)
        except TimeoutError:
            return False
        return played.ok
