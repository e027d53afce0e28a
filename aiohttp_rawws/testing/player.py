"""A script on a connection: what its steps do there, and how it went."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from .arguments import Split, split_of
from .errors import PeerEnded, PeerError, ScriptFailed
from .http import HttpHead
from .recording import WireRecording
from .transcript import Transcript
from .wire import Wire

if TYPE_CHECKING:
    from ..captures.recorder import Recorder
    from .script import Script
    from .steps import Step

__all__ = ("Played", "Player", "Split", "play")


class Player:
    """Plays the steps of a script on a `Wire`. All that is random follows from `seed`."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self.wire = wire
        self.seed = seed
        self.random = random.Random(seed)
        self.transcript = Transcript()
        #: The last frame that was seen.
        self.last: Frame | None = None
        #: The head of the peer's handshake.
        self.head: HttpHead | None = None
        #: The peer's end, once it was seen.
        self.end: PeerEnded | None = None
        #: How the script ended its own stream, if it did so before the peer.
        self.ended_first: str | None = None
        #: The step that is played: of a branch or a repeat the inner one.
        self.step: Step | None = None
        #: How many expectations there were before it.
        self.compared = 0

    async def run(self, step: "Step") -> None:
        """Play a step."""
        self.step, self.compared = step, self.transcript.compared
        await step.run(self)

    async def read_head(self) -> HttpHead:
        """Read the peer's side of the handshake. Raises as `read_frame`, and NotHttp."""
        try:
            self.head = await self.wire.read_head()
        except PeerEnded as end:
            self.note_end(end)
            raise
        self.transcript.note("seen", self.head)
        return self.head

    async def read_frame(self, *, within: float | None = None) -> Frame:
        """Read the next frame. Raises PeerEnded, which is noted, and what `Wire` raises."""
        try:
            frame = await self.wire.read_frame(within=within)
        except PeerEnded as end:
            self.note_end(end)
            raise
        self.last = frame
        self.transcript.note("seen", frame)
        return frame

    def note_end(self, end: PeerEnded) -> None:
        """Keep how the peer ended its stream."""
        if self.end is None:
            self.end = end
            self.transcript.note("seen", "RST" if end.reset else "FIN")

    def end_stream(self, how: str) -> None:
        """Note that the script ends its own stream, by a "FIN" or a "RST"."""
        self.transcript.note("sent", how)
        if self.end is None and self.ended_first is None:
            self.ended_first = how

    async def send(
        self,
        frame: Frame,
        *,
        masked: bool | None = None,
        split: Split = (),
        gap: float = 0.0,
        cut: int | None = None,
    ) -> None:
        """Send a frame, masked if this is a client, or only its first `cut` octets."""
        if masked if masked is not None else self.wire.is_client:
            frame = with_mask(frame, frame.mask or self.random.randbytes(4))
        elif masked is False:
            frame = with_mask(frame, None)
        data = frame.encode()
        self.transcript.note("sent", frame if cut is None or cut >= len(data) else data[:cut])
        await self.write(data[:cut], split=split, gap=gap, note=False)

    async def write(
        self, data: bytes, *, split: Split = (), gap: float = 0.0, note: bool = True
    ) -> None:
        """Send octets as they are."""
        if note:
            self.transcript.note("sent", data)
        await self.wire.write(data, split=self._offsets(split, len(data)), gap=gap)

    def _offsets(self, split: Split, size: int) -> Iterable[int]:
        offsets = split_of(split)
        if not isinstance(offsets, str):
            return offsets
        if offsets == "each":
            return range(1, size)
        return self.random.sample(range(1, size), min(8, size - 1)) if size > 1 else ()


@dataclass
class Played:
    """How a script went."""

    name: str
    role: str
    seed: int
    transcript: Transcript
    #: The peer's handshake: the request for a server, the answer for a client. None without one.
    head: HttpHead | None = None
    #: What went wrong, None if nothing did.
    failure: str | None = None
    #: The step that is played, or where it went wrong, counted from 1; 0 is a handshake that the
    #: script leaves out, and None is behind the last step.
    step: int | None = None
    #: How the peer ended its stream: "FIN", "RST", or None if that was not seen.
    end: str | None = None
    #: False while the script is played.
    finished: bool = False
    #: The exception of a mistake in the script, as a function that raises.
    error: Exception | None = None
    #: The step as text, whether some step from it on waits for the peer, and whether the last
    #: expectation is that step's.
    at: str = ""
    waits: bool = True
    marked: bool = False

    @property
    def ok(self) -> bool:
        """True if the script has ended and all steps went as written."""
        return self.finished and self.failure is None

    @property
    def frames(self) -> list[Frame]:
        """The frames that the peer sent."""
        return self.transcript.frames()

    def fail(self, why: str) -> None:
        """Note that the step failed. The first failure counts."""
        if self.failure is None:
            self.failure = f"{self.at}: {why}"

    def check(self) -> None:
        """Raise ScriptFailed if a step did not go as written."""
        __tracebackhide__ = True
        if self.failure is not None:
            raise ScriptFailed(str(self)) from self.error

    def __str__(self) -> str:
        who = f"script {self.name!r} ({self.role}, seed {self.seed})"
        place = f"step {self.step}" if self.step else "the handshake"
        if self.step is None:
            place = "the end"
        table = ""
        if self.transcript.expected:
            table = "\n" + self.transcript.side_by_side(marked=self.marked)
        if self.failure is not None:
            return f"{who} failed at {place}: {self.failure}{table}"
        if not self.finished and self.at:
            return f"{who} is still at {place}: {self.at}{table}"
        return f"{who} begins" if self.waits else f"{who}: ok"

    def as_json(self) -> dict[str, Any]:
        """Return the report as values for JSON."""
        return {
            "script": self.name,
            "role": self.role,
            "seed": self.seed,
            "ok": self.ok,
            "failure": self.failure,
            "step": self.step,
            "end": self.end,
            "expected": [{"expected": e, "seen": s} for e, s in self.transcript.expected],
            "entries": [entry.as_json() for entry in self.transcript.entries],
            "left_out": self.transcript.left_out,
        }


async def play(
    script: "Script",
    wire: Wire,
    *,
    seed: int | None = None,
    opening: "Callable[[Step], Step] | None" = None,
    on_start: Callable[[Played], None] | None = None,
    recorder: "Recorder | None" = None,
) -> Played:
    """Play a script on a connection, from the handshake to the end of the connection.

    Never raises for what the peer does: `Played.failure` tells, and `Played.check()` raises. The
    connection is closed at the end. `opening` may change the first step, the handshake. `on_start`
    gets what this returns when it begins. `recorder` keeps the connection in a capture.
    """
    wire.timeout = script.timeout
    player = Player(wire, secrets.randbits(32) if seed is None else seed)
    role = "client" if wire.is_client else "server"
    played = Played(script.name, role, player.seed, player.transcript)
    if on_start is not None:
        on_start(played)
    recording = None if recorder is None else WireRecording(recorder, wire)
    try:
        steps = script.whole(wire.is_client)
        if opening is not None and steps:
            steps[0] = opening(steps[0])
        # The handshake that a script leaves out is step 0.
        await run(steps, player, played, first=1 + len(script.steps) - len(steps))
        await finish(wire, player, linger=played.failure is None)
    finally:
        wire.transport.abort()
        if recording is not None:
            recording.ended(player.ended_first, player.end)
            if recording.error is not None:
                played.at = "the capture"
                played.fail(str(recording.error))
        played.finished = True
        played.head = player.head
        if player.end is not None:
            played.end = "RST" if player.end.reset else "FIN"
    return played


async def run(steps: "list[Step]", player: Player, played: Played, first: int) -> None:
    """Run the steps, and note where and how they fail."""
    for place, step in enumerate(steps):
        played.step, played.at = first + place, str(step)
        played.waits = any(expects(each) for each in steps[place:])
        try:
            await player.run(step)
        except asyncio.CancelledError:
            # A peer that was to do something did not do it. One that stalls was only ended.
            if played.waits:
                fail(played, player, unfinished(player.step))
            raise
        except (PeerError, ProtocolError, OSError) as error:
            fail(played, player, str(error))
            return
        except Exception as error:
            # A mistake in the script.
            fail(played, player, f"{type(error).__name__}: {error}")
            played.error = error
            return
    played.step, played.at, played.waits = None, "", False


def fail(played: Played, player: Player, why: str) -> None:
    """Note that the step of a player failed."""
    played.at = str(player.step)
    played.marked = player.transcript.compared > player.compared
    played.fail(why)


def expects(step: "Step | None") -> bool:
    """Return True for a step that waits for the peer to do something."""
    return bool(getattr(step, "expects", False))


def unfinished(step: "Step | None") -> str:
    if expects(step):
        return "it was still waited for when the script was ended"
    return "the script was ended here, and had still to wait for the peer"


async def finish(wire: Wire, player: Player, *, linger: bool) -> None:
    """End the connection.

    `linger` reads on for a second: the peer sees the FIN, not a RST for what was not read.
    """
    with contextlib.suppress(PeerError, OSError):
        if linger and player.end is None and is_open(wire):
            player.ended_first = player.ended_first or "FIN"
            wire.half_close()
            wire.timeout = min(wire.timeout, 1.0)
            player.note_end(await wire.read_end())
    await wire.close()


def is_open(wire: Wire) -> bool:
    return not wire.transport.is_closing() and wire.transport.can_write_eof()


def with_mask(frame: Frame, mask: bytes | None) -> Frame:
    """Return the same frame with another masking key, or without one."""
    bits = {bit: getattr(frame, bit) for bit in ("rsv1", "rsv2", "rsv3")}
    return Frame(frame.opcode, frame.payload, frame.fin, **bits, mask=mask)
