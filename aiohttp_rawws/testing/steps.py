"""The steps of a script, one class each: what a peer does, or waits for."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ..wire.frames import Frame
from ..wire.names import Opcode
from .errors import PeerEnded, PeerSilent, Unexpected
from .patterns import pattern_of, shown
from .player import Player, Split

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

Wanted = Callable[[Frame], object]


class Step(Protocol):
    """Something that a scripted peer does.

    One with a true attribute `expects` waits for the peer: its end before is a failure.
    """

    async def run(self, player: Player) -> None: ...


@dataclass(frozen=True)
class Expect:
    """The next frame is like this."""

    pattern: Wanted
    within: float | None = None

    expects: ClassVar[bool] = True

    async def run(self, player: Player) -> None:
        frame = await next_frame(player, self.pattern, self.within)
        player.transcript.compare(str(self.pattern), shown(frame))
        if not self.pattern(frame):
            raise Unexpected(f"got {shown(frame)}")

    def __str__(self) -> str:
        return f"expect {self.pattern}"


@dataclass(frozen=True)
class Until:
    """Read on to the `count`th frame like this. Others are passed over."""

    pattern: Wanted
    count: int = 1
    within: float | None = None

    expects: ClassVar[bool] = True

    async def run(self, player: Player) -> None:
        found = 0
        while found < self.count:
            frame = await next_frame(player, self.pattern, self.within)
            if self.pattern(frame):
                found += 1
                player.transcript.compare(str(self.pattern), shown(frame))
            else:
                player.transcript.compare("(passed over)", shown(frame))

    def __str__(self) -> str:
        return f"wait for {self.pattern}, {self.count} of them"


@dataclass(frozen=True)
class ExpectEnd:
    """The peer ends its stream: by "FIN", "RST", or "any". Frames before it are an error.

    With `passing` they are passed over.
    """

    how: str = "any"
    passing: bool = False
    within: float | None = None

    expects: ClassVar[bool] = True

    async def run(self, player: Player) -> None:
        wanted = "an end" if self.how == "any" else self.how
        while player.end is None:
            try:
                frame = await bounded(player.read_frame(), self.within)
            except PeerSilent as silence:
                player.transcript.compare(wanted, "nothing")
                raise Unexpected(str(silence)) from None
            except PeerEnded:
                break
            if not self.passing:
                player.transcript.compare(wanted, shown(frame))
                raise Unexpected(f"got {shown(frame)}")
        seen = "RST" if player.end is not None and player.end.reset else "FIN"
        player.transcript.compare(wanted, seen)
        if self.how not in ("any", seen):
            raise Unexpected(f"got a {seen}")

    def __str__(self) -> str:
        return f"expect the peer's end ({self.how})"


#: What is sent: a frame, or a function that makes one of the last frame that was seen.
ToSend = Frame | Callable[[Frame], Frame]


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
        return "send " + ", ".join(
            shown(f) if isinstance(f, Frame) else str(f) for f in self.frames
        )


@dataclass(frozen=True)
class SendOctets:
    """Send octets as they are, `times` times."""

    data: bytes
    split: Split = ()
    gap: float = 0.0
    times: int = 1

    async def run(self, player: Player) -> None:
        for _ in range(self.times):
            await player.write(self.data, split=self.split, gap=self.gap)

    def __str__(self) -> str:
        return f"send {len(self.data)} octets"


@dataclass(frozen=True)
class Pause:
    """Send nothing for some seconds. What comes is read later, by the steps behind this one."""

    seconds: float

    async def run(self, player: Player) -> None:
        await asyncio.sleep(self.seconds)

    def __str__(self) -> str:
        return f"pause {self.seconds} s"


@dataclass(frozen=True)
class Stall:
    """Send nothing, and look at nothing but the peer's end, which ends this step.

    `reads=False`: read nothing either, so that the peer's writes block; only `seconds` end it.
    Without `seconds` the script's timeout does. That is no failure.
    """

    seconds: float | None = None
    reads: bool = True

    async def run(self, player: Player) -> None:
        seconds = player.wire.timeout if self.seconds is None else self.seconds
        if not self.reads:
            player.wire.transport.pause_reading()
            await asyncio.sleep(seconds)
            return
        try:
            while True:
                await asyncio.wait_for(player.read_frame(), seconds)
        except (asyncio.TimeoutError, PeerEnded):
            return

    def __str__(self) -> str:
        return "stall"


@dataclass(frozen=True)
class Reset:
    """End the connection with a RST."""

    async def run(self, player: Player) -> None:
        player.transcript.note("sent", "RST")
        player.wire.reset()

    def __str__(self) -> str:
        return "reset"


@dataclass(frozen=True)
class HalfClose:
    """Send a FIN, and read on."""

    async def run(self, player: Player) -> None:
        player.transcript.note("sent", "FIN")
        player.wire.half_close()

    def __str__(self) -> str:
        return "half close"


@dataclass(frozen=True)
class CloseHandshake:
    """Send a Close, and read on to the peer's. Other frames are passed over."""

    code: int | None = 1000
    reason: str = ""
    within: float | None = None

    expects: ClassVar[bool] = True

    async def run(self, player: Player) -> None:
        # Any code will do, also one that may not be sent.
        code = b"" if self.code is None else self.code.to_bytes(2, "big")
        await player.send(Frame(Opcode.CLOSE, code + self.reason.encode()))
        await Until(pattern_of(Opcode.CLOSE), within=self.within).run(player)

    def __str__(self) -> str:
        return f"close {self.code}"


@dataclass(frozen=True)
class Echo:
    """Behave: echo data frames, answer pings and a Close, until the `count`th frame like this.

    That frame is answered, too. Without a pattern: until the peer's Close or the end of its
    stream. A peer that is silent for the script's timeout is a failure.
    """

    until: Wanted | None = None
    count: int = 1
    #: Answer pings.
    pongs: bool = True

    async def run(self, player: Player) -> None:
        found = 0
        while found < self.count:
            try:
                frame = await player.read_frame()
            except PeerEnded:
                if self.until is None:
                    return
                raise
            await self._answer(player, frame)
            if self.until is not None and self.until(frame):
                found += 1
            elif frame.opcode == Opcode.CLOSE:
                if self.until is None:
                    return
                raise Unexpected("got a Close")

    async def _answer(self, player: Player, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION):
            await player.send(Frame(frame.opcode, frame.payload, frame.fin))
        elif frame.opcode == Opcode.PING and self.pongs:
            # A Ping may be longer than is allowed.
            await player.send(Frame(Opcode.PONG, frame.payload))
        elif frame.opcode == Opcode.CLOSE:
            await player.send(Frame(Opcode.CLOSE, frame.payload))

    def __str__(self) -> str:
        return "echo" if self.until is None else f"echo until {self.until}, {self.count} of them"


@dataclass(frozen=True)
class Repeat:
    """Do some steps again and again."""

    times: int
    steps: tuple[Step, ...]

    async def run(self, player: Player) -> None:
        for _ in range(self.times):
            await run_all(self.steps, player)

    def __str__(self) -> str:
        return f"repeat {self.times} times"


@dataclass(frozen=True)
class Branch:
    """Read a frame, and go on as the first pattern that it is like has it."""

    cases: tuple[tuple[Wanted, tuple[Step, ...]], ...]
    otherwise: tuple[Step, ...] | None = None
    within: float | None = field(default=None)

    expects: ClassVar[bool] = True

    async def run(self, player: Player) -> None:
        wanted = " or ".join(str(pattern) for pattern, _ in self.cases)
        frame = await next_frame(player, wanted, self.within)
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
        await step.run(player)


async def next_frame(player: Player, wanted: object, within: float | None) -> Frame:
    """Return the next frame. Raises Unexpected, with the pair noted, if there is none."""
    try:
        return await bounded(player.read_frame(), within)
    except (PeerEnded, PeerSilent) as error:
        seen = "nothing"
        if isinstance(error, PeerEnded):
            seen = "RST" if error.reset else "FIN"
        player.transcript.compare(str(wanted), seen)
        raise Unexpected(str(error)) from None


async def bounded(reading: Coroutine[Any, Any, Frame], within: float | None) -> Frame:
    """Wait for a frame `within` seconds, by default as long as the wire does."""
    try:
        return await asyncio.wait_for(reading, within)
    except PeerSilent:
        raise
    except asyncio.TimeoutError:
        raise PeerSilent(f"no frame came within {within} s") from None


def made(frame: ToSend, player: Player) -> Frame:
    if isinstance(frame, Frame):
        return frame
    if player.last is None:
        raise Unexpected("no frame was seen that this one could be made of")
    return frame(player.last)
