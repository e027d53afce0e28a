"""The steps that wait for what the peer does, and answer it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from ..session.deadline import in_time
from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from ..wire.names import Opcode
from .arguments import check_choice, check_count, check_flag, check_seconds, check_text
from .errors import PeerEnded, Unexpected
from .patterns import pattern_of, shown
from .player import Player

__all__ = ("CloseHandshake", "Echo", "Expect", "ExpectEnd", "Until", "Wanted", "awaited")

Wanted = Callable[[Frame], object]
T = TypeVar("T")


@dataclass(frozen=True)
class Expect:
    """The next frame is like this."""

    pattern: Wanted
    within: float | None = None

    expects: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_seconds("within", self.within, optional=True)

    async def run(self, player: Player) -> None:
        reading = player.read_frame(within=self.within)
        frame = await awaited(player, reading, self.pattern, self.within)
        player.transcript.compare(str(self.pattern), shown(frame))
        if not self.pattern(frame):
            raise Unexpected(f"got {shown(frame)}")

    def __str__(self) -> str:
        return f"expect {self.pattern}"


@dataclass(frozen=True)
class Until:
    """Read on to the `count`th frame like this. Others are passed over.

    Each of the `count` has `within` seconds, by default the script's timeout.
    """

    pattern: Wanted
    count: int = 1
    within: float | None = None

    expects: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("count", self.count, 1)
        check_seconds("within", self.within, optional=True)

    async def run(self, player: Player) -> None:
        for _ in range(self.count):
            await awaited(player, self._one(player), self.pattern, self.within)

    async def _one(self, player: Player) -> None:
        while True:
            frame = await player.read_frame(within=self.within)
            if self.pattern(frame):
                player.transcript.compare(str(self.pattern), shown(frame))
                return
            player.transcript.compare("(passed over)", shown(frame))

    def __str__(self) -> str:
        times = f", {self.count} times" if self.count > 1 else ""
        return f"wait for {self.pattern}{times}"


@dataclass(frozen=True)
class ExpectEnd:
    """The peer ends its stream: by "FIN", "RST", or "any". Frames before it are an error.

    With `passing` they are passed over.
    """

    how: str = "any"
    passing: bool = False
    within: float | None = None

    expects: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("an end", self.how, ("FIN", "RST", "any"))
        check_flag("passing", self.passing)
        check_seconds("within", self.within, optional=True)

    async def run(self, player: Player) -> None:
        wanted = "an end" if self.how == "any" else self.how
        seen = await awaited(player, self._end(player, wanted), wanted, self.within)
        player.transcript.compare(wanted, seen)
        if self.how not in ("any", seen):
            raise Unexpected(f"got a {seen}")

    async def _end(self, player: Player, wanted: str) -> str:
        while player.end is None:
            try:
                frame = await player.read_frame(within=self.within)
            except PeerEnded:
                break
            if not self.passing:
                player.transcript.compare(wanted, shown(frame))
                raise Unexpected(f"got {shown(frame)}")
        return "RST" if player.end is not None and player.end.reset else "FIN"

    def __str__(self) -> str:
        return f"expect the peer's end ({self.how})"


@dataclass(frozen=True)
class CloseHandshake:
    """Send a Close, and read on to the peer's. Other frames are passed over."""

    code: int | None = 1000
    reason: str = ""
    within: float | None = None

    expects: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("a close code", self.code, 0, 0xFFFF, optional=True)
        check_text("the reason", self.reason, "utf-8")
        check_seconds("within", self.within, optional=True)

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

    def __post_init__(self) -> None:
        check_count("count", self.count, 1)
        check_flag("pongs", self.pongs)
        if self.until is None and self.count > 1:
            raise ValueError("count is of the frames like `until`, which is missing")

    @property
    def expects(self) -> bool:
        return self.until is not None

    async def run(self, player: Player) -> None:
        found = 0
        while found < self.count:
            try:
                frame = await awaited(player, player.read_frame(), self.until or "a frame", None)
            except Unexpected:
                if self.until is None and player.end is not None:
                    return
                raise
            await self._answer(player, frame)
            if self.until is not None and self.until(frame):
                found += 1
            elif frame.opcode == Opcode.CLOSE:
                if self.until is None:
                    return
                player.transcript.compare(str(self.until), shown(frame))
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
        times = f", {self.count} times" if self.count > 1 else ""
        return "echo" if self.until is None else f"echo until {self.until}{times}"


async def awaited(
    player: Player, reading: Coroutine[Any, Any, T], wanted: object, within: float | None
) -> T:
    """Wait for the peer for `within` seconds, by default the script's timeout.

    Raises Unexpected, with the pair noted, if it ends its stream or nothing comes, ProtocolError
    for what cannot be read as a frame.
    """
    seconds = player.wire.timeout if within is None else within
    try:
        return await in_time(reading, seconds)
    except PeerEnded as end:
        player.transcript.compare(str(wanted), "RST" if end.reset else "FIN")
        raise Unexpected(str(end)) from None
    except ProtocolError as error:
        player.transcript.compare(str(wanted), f"no frame: {error}")
        raise
    except TimeoutError:
        player.transcript.compare(str(wanted), "nothing")
        raise Unexpected(f"it did not come within {seconds:g} s") from None
