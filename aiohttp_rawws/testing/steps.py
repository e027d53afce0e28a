"""The steps of a script, one class each: what a peer does, or waits for."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ..session.deadline import in_time
from ..wire.frames import Frame
from .arguments import Split, check_count, check_flag, check_octets, check_seconds, split_of
from .errors import PeerEnded, Unexpected
from .patterns import name_of, shown
from .player import Player, expects
from .waiting import CloseHandshake, Echo, Expect, ExpectEnd, Until, Wanted, awaited

__all__ = (
    "Branch",
    "CloseHandshake",
    "Echo",
    "Expect",
    "ExpectEnd",
    "HalfClose",
    "Pause",
    "Repeat",
    "Reset",
    "Send",
    "SendOctets",
    "Stall",
    "Step",
    "Until",
)


class Step(Protocol):
    """Something that a scripted peer does.

    One with a true attribute `expects` waits for the peer: its end before is a failure.
    """

    async def run(self, player: Player) -> None: ...


#: What is sent: a frame, or a function that makes one of the last frame that was seen.
ToSend = Frame | Callable[[Frame], Frame]


#: How many frames the text of a step has.
SHOWN = 5


@dataclass(frozen=True)
class Send:
    """Send frames. A client masks them unless `masked` is False, a server only if it is True."""

    frames: tuple[ToSend, ...]
    masked: bool | None = None
    split: Split = ()
    gap: float = 0.0
    times: int = 1
    #: Send only so many octets of each frame.
    cut: int | None = None

    def __post_init__(self) -> None:
        for frame in self.frames:
            if not isinstance(frame, Frame) and (not callable(frame) or isinstance(frame, type)):
                raise TypeError(f"send takes frames, or functions of a frame, got {frame!r}")
        check_flag("masked", self.masked, optional=True)
        check_pace(self)
        check_count("cut", self.cut, optional=True)

    async def run(self, player: Player) -> None:
        for _ in range(self.times):
            for frame in self.frames:
                await player.send(
                    made(frame, player),
                    masked=self.masked,
                    split=self.split,
                    gap=self.gap,
                    cut=self.cut,
                )

    def __str__(self) -> str:
        frames = [
            shown(each) if isinstance(each, Frame) else name_of(each)
            for each in self.frames[:SHOWN]
        ]
        if len(self.frames) > SHOWN:
            frames.append(f"and {len(self.frames) - SHOWN} more")
        return "send " + ", ".join(frames)


@dataclass(frozen=True)
class SendOctets:
    """Send octets as they are, `times` times."""

    data: bytes
    split: Split = ()
    gap: float = 0.0
    times: int = 1

    def __post_init__(self) -> None:
        check_octets("data", self.data)
        check_pace(self)

    async def run(self, player: Player) -> None:
        for _ in range(self.times):
            await player.write(self.data, split=self.split, gap=self.gap)

    def __str__(self) -> str:
        return f"send {len(self.data)} octets"


def check_pace(step: Send | SendOctets) -> None:
    check_seconds("gap", step.gap)
    check_count("times", step.times)
    # An iterator would do for one time only.
    object.__setattr__(step, "split", split_of(step.split))


@dataclass(frozen=True)
class Pause:
    """Send nothing for some seconds. What comes is read later, by the steps behind this one."""

    seconds: float

    def __post_init__(self) -> None:
        check_seconds("a pause", self.seconds)

    async def run(self, player: Player) -> None:
        await asyncio.sleep(self.seconds)

    def __str__(self) -> str:
        return f"pause {self.seconds} s"


@dataclass(frozen=True)
class Stall:
    """Send nothing, and look at nothing but the peer's end, which ends this step.

    So do `seconds`, by default the script's timeout. That is no failure. `reads=False`: read
    nothing either, so that the peer's writes block. Then its end is not seen.
    """

    seconds: float | None = None
    reads: bool = True

    def __post_init__(self) -> None:
        check_seconds("a stall", self.seconds, optional=True)
        check_flag("reads", self.reads)

    async def run(self, player: Player) -> None:
        seconds = player.wire.timeout if self.seconds is None else self.seconds
        if not self.reads:
            await self._deaf(player.wire.transport, seconds)
            return
        with contextlib.suppress(TimeoutError, PeerEnded):
            await in_time(self._to_end(player, seconds), seconds)

    async def _deaf(self, transport: asyncio.Transport, seconds: float) -> None:
        # One that was stopped because much waits to be read is not ours to start again.
        ours = transport.is_reading()
        if ours:
            transport.pause_reading()
        await asyncio.sleep(seconds)
        if ours and not transport.is_closing():
            transport.resume_reading()

    async def _to_end(self, player: Player, seconds: float) -> None:
        while True:
            await player.read_frame(within=seconds)

    def __str__(self) -> str:
        return "stall"


@dataclass(frozen=True)
class Reset:
    """End the connection with a RST."""

    async def run(self, player: Player) -> None:
        player.end_stream("RST")
        player.wire.reset()

    def __str__(self) -> str:
        return "reset"


@dataclass(frozen=True)
class HalfClose:
    """Send a FIN, and read on."""

    async def run(self, player: Player) -> None:
        if not player.wire.transport.can_write_eof():
            raise Unexpected("a TLS connection cannot be half closed")
        player.end_stream("FIN")
        player.wire.half_close()

    def __str__(self) -> str:
        return "half close"


@dataclass(frozen=True)
class Repeat:
    """Do some steps again and again."""

    times: int
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        check_count("times", self.times)

    @property
    def expects(self) -> bool:
        return any(expects(step) for step in self.steps)

    async def run(self, player: Player) -> None:
        for _ in range(self.times):
            await run_all(self.steps, player)
            # Steps that do not wait must not keep the loop, and a cancellation, from their turn.
            await asyncio.sleep(0)

    def __str__(self) -> str:
        return f"repeat {self.times} times"


@dataclass(frozen=True)
class Branch:
    """Read a frame, and go on as the first pattern that it is like has it."""

    cases: tuple[tuple[Wanted, tuple[Step, ...]], ...]
    otherwise: tuple[Step, ...] | None = None
    within: float | None = None

    expects: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_seconds("within", self.within, optional=True)

    async def run(self, player: Player) -> None:
        wanted = " or ".join(str(pattern) for pattern, _ in self.cases)
        reading = player.read_frame(within=self.within)
        frame = await awaited(player, reading, wanted, self.within)
        player.transcript.compare(wanted, shown(frame))
        for pattern, steps in self.cases:
            if pattern(frame):
                await run_all(steps, player)
                return
        if self.otherwise is None:
            raise Unexpected(f"got {shown(frame)}")
        await run_all(self.otherwise, player)

    def __str__(self) -> str:
        return "branch"


async def run_all(steps: Iterable[Step], player: Player) -> None:
    for step in steps:
        await player.run(step)


def made(frame: ToSend, player: Player) -> Frame:
    if isinstance(frame, Frame):
        return frame
    if player.last is None:
        raise Unexpected("no frame was seen that this one could be made of")
    new = frame(player.last)
    if not isinstance(new, Frame):
        raise TypeError(f"{name_of(frame)} has to return a frame, got {new!r}")
    return new
