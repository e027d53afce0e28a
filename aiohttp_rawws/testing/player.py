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
from .errors import PeerEnded, PeerError, ScriptFailed
from .http import HttpHead
from .transcript import Transcript
from .wire import Wire

if TYPE_CHECKING:
    from .script import Script
    from .steps import Step

__all__ = ("Played", "Player", "Split", "play")

#: The offsets where one write ends and the next begins; "each" for each octet, "random" for some.
Split = Iterable[int] | str


class Player:
    """Plays the steps of a script on a `Wire`. All that is random follows from `seed`."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self.wire = wire
        self.seed = seed
        self.random = random.Random(seed)
        self.transcript = Transcript()
        #: The last frame that was seen, and the last data frame.
        self.last: Frame | None = None
        self.last_data: Frame | None = None
        #: The head of the peer's handshake.
        self.head: HttpHead | None = None
        #: The peer's end, once it was seen.
        self.end: PeerEnded | None = None

    async def read_head(self) -> HttpHead:
        """Read the peer's side of the handshake."""
        self.head = await self.wire.read_head()
        self.transcript.note("seen", self.head)
        return self.head

    async def read_frame(self) -> Frame:
        """Read the next frame. Raises PeerEnded, which is noted, and what `Wire` raises."""
        try:
            frame = await self.wire.read_frame()
        except PeerEnded as end:
            self.note_end(end)
            raise
        self.last = frame
        if frame.opcode in (0, 1, 2):
            self.last_data = frame
        self.transcript.note("seen", frame)
        return frame

    def note_end(self, end: PeerEnded) -> None:
        """Keep how the peer ended its stream."""
        if self.end is None:
            self.end = end
            self.transcript.note("seen", "RST" if end.reset else "FIN")

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
        self.transcript.note("sent", frame)
        await self.write(frame.encode()[:cut], split=split, gap=gap, note=False)

    async def write(
        self, data: bytes, *, split: Split = (), gap: float = 0.0, note: bool = True
    ) -> None:
        """Send octets as they are."""
        if note:
            self.transcript.note("sent", data)
        if isinstance(split, str):
            split = self._offsets(split, len(data))
        await self.wire.write(data, split=split, gap=gap)

    def _offsets(self, split: str, size: int) -> Iterable[int]:
        if split == "each":
            return range(1, size)
        if split == "random":
            return self.random.sample(range(1, size), min(8, size - 1)) if size > 1 else ()
        raise ValueError(f"split is offsets, 'each' or 'random', got {split!r}")


@dataclass
class Played:
    """How a script went."""

    name: str
    role: str
    seed: int
    transcript: Transcript
    #: The peer's handshake: the request for a server, the answer for a client. None without one.
    head: HttpHead | None = None
    #: What went wrong, None if all went as written.
    failure: str | None = None
    #: The step where it went wrong, counted from 1.
    step: int | None = None
    #: How the peer ended its stream: "FIN", "RST", or None if that was not seen.
    end: str | None = None

    @property
    def ok(self) -> bool:
        """True if all steps went as written."""
        return self.failure is None

    @property
    def frames(self) -> list[Frame]:
        """The frames that the peer sent."""
        return self.transcript.frames()

    def fail(self, number: int, step: object, why: str) -> None:
        """Note that a step failed. The first one counts."""
        if self.failure is None:
            self.step = number
            self.failure = f"{step}: {why}"

    def check(self) -> None:
        """Raise ScriptFailed if the script did not go as written."""
        __tracebackhide__ = True
        if self.failure is not None:
            raise ScriptFailed(str(self))

    def __str__(self) -> str:
        who = f"script {self.name!r} ({self.role}, seed {self.seed})"
        if self.failure is None:
            return f"{who}: ok"
        table = f"\n{self.transcript.side_by_side()}" if self.transcript.expected else ""
        return f"{who} failed at step {self.step}: {self.failure}{table}"

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
) -> Played:
    """Play a script on a connection, from the handshake to the end of the connection.

    Never raises for what the peer does: `Played.failure` tells, and `Played.check()` raises. The
    connection is closed at the end. `opening` may change the first step, the handshake. `on_start`
    gets what this returns when it begins.
    """
    wire.timeout = script.timeout
    player = Player(wire, secrets.randbits(32) if seed is None else seed)
    role = "client" if wire.is_client else "server"
    played = Played(script.name, role, player.seed, player.transcript)
    if on_start is not None:
        on_start(played)
    steps = script.whole(wire.is_client)
    if opening is not None and steps:
        steps[0] = opening(steps[0])
    try:
        # The handshake that a script leaves out is step 0.
        await run(steps, player, played, first=1 + len(script.steps) - len(steps))
        await finish(wire, player, linger=played.ok)
    finally:
        wire.transport.abort()
        played.head = player.head
        if player.end is not None:
            played.end = "RST" if player.end.reset else "FIN"
    return played


async def run(steps: "list[Step]", player: Player, played: Played, first: int) -> None:
    """Run the steps, and note where and how they fail."""
    for number, step in enumerate(steps, first):
        try:
            await step.run(player)
        except (PeerError, ProtocolError, OSError) as error:
            played.fail(number, step, str(error))
            return
        except asyncio.CancelledError:
            # A peer that was to do something did not do it. One that stalls was only ended.
            if getattr(step, "expects", False):
                played.fail(number, step, "it was still waited for at the end of the test")
            raise


async def finish(wire: Wire, player: Player, *, linger: bool) -> None:
    """End the connection.

    `linger` reads on for a second: the peer sees the FIN, not a RST for what was not read.
    """
    with contextlib.suppress(PeerError, OSError):
        if linger and player.end is None and is_open(wire):
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
