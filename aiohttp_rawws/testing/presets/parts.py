"""The parts of presets: how a peer behaves before its fault, and behind it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..ending import end_tasks
from ..errors import PeerEnded, PeerSilent, Unexpected
from ..openings import Request
from ..player import Player, Split
from ..script import Script

__all__ = (
    "BOTH",
    "CLIENT",
    "SERVER",
    "Behave",
    "BehaveIfOpen",
    "Encoded",
    "FaultyRequest",
    "Flood",
    "Greet",
    "GreetIfOpen",
    "begun",
    "by_role",
    "fault",
    "scripted",
    "stop",
    "watched",
)

BOTH = ("server", "client")
SERVER = ("server",)
CLIENT = ("client",)

#: The script's timeout, in seconds, unless it is given another.
TIMEOUT = 5.0
#: How long a preset waits for the peer's first message, as a part of its timeout.
GREETING = 0.2

Maker = Callable[[], Script]


async def pong(player: Player, ping: Frame) -> None:
    """Answer a Ping as one should."""
    await player.send(Frame(Opcode.PONG, ping.payload))


def countdown(seconds: float) -> Callable[[], float]:
    """Return a function that tells how many seconds are left."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    return lambda: end - loop.time()


@dataclass(frozen=True)
class Behave:
    """Behave: a server echoes messages, both answer pings and a Close. No outcome is a failure.

    It ends with the peer's Close, its end, or the script's timeout, which bounds it as a whole.
    What is not to be answered is read and passed over.
    """

    echoes: bool = True
    closes: bool = True
    pong: Callable[[Player, Frame], Awaitable[None]] | None = pong
    split: Split = ()

    async def run(self, player: Player) -> None:
        with contextlib.suppress(PeerEnded, PeerSilent, OSError):
            left = countdown(player.wire.timeout)
            while (within := left()) > 0:
                frame = await player.read_frame(within=within)
                await self.answer(player, frame)
                if frame.opcode == Opcode.CLOSE and self.closes:
                    return

    async def answer(self, player: Player, frame: Frame) -> None:
        """Answer one frame, or not."""
        if frame.opcode in (0, 1, 2):
            # Two that echo would never come to an end.
            if self.echoes and not player.wire.is_client:
                # With RSV1, what was compressed is compressed as it comes back.
                echo = Frame(frame.opcode, frame.payload, frame.fin, rsv1=frame.rsv1)
                await player.send(echo, split=self.split)
        elif frame.opcode == Opcode.PING and self.pong is not None:
            await self.pong(player, frame)
        elif frame.opcode == Opcode.CLOSE and self.closes:
            await player.send(Frame(Opcode.CLOSE, frame.payload))

    def __str__(self) -> str:
        return "behave"


@dataclass(frozen=True)
class Greet:
    """Behave until the peer's first message, for a fifth of the script's timeout at most.

    A client says "Hello" before. A server answers the message. A peer that says nothing, or that
    begins to close, is no failure; one that ends its stream is.
    """

    split: Split = ()
    pong: Callable[[Player, Frame], Awaitable[None]] | None = pong

    async def run(self, player: Player) -> None:
        if player.wire.is_client:
            await player.send(Frame.text("Hello"), split=self.split)
        polite = Behave(closes=False, split=self.split, pong=self.pong)
        left = countdown(GREETING * player.wire.timeout)
        try:
            while (within := left()) > 0:
                frame = await player.read_frame(within=within)
                await polite.answer(player, frame)
                if frame.opcode == Opcode.CLOSE or (frame.opcode in (0, 1, 2) and frame.fin):
                    return
        except PeerSilent:
            return
        except PeerEnded as end:
            raise Unexpected(f"{end} before the fault") from None

    def __str__(self) -> str:
        return "wait for the first message"


def is_open(player: Player) -> bool:
    """Return True for a server, and for a client that was answered with a 101."""
    return not player.wire.is_client or (player.head is not None and player.head.status == 101)


@dataclass(frozen=True)
class GreetIfOpen(Greet):
    """Greet behind a handshake that was the fault: that the peer ends there is no failure."""

    async def run(self, player: Player) -> None:
        with contextlib.suppress(Unexpected, OSError):
            if is_open(player):
                await Greet.run(self, player)


class BehaveIfOpen:
    """Behave behind a 101. Behind any other answer the connection is to end."""

    async def run(self, player: Player) -> None:
        if is_open(player):
            await Behave().run(player)

    def __str__(self) -> str:
        return "behave, if there is a WebSocket"


@dataclass(frozen=True)
class FaultyRequest(Request):
    """Send a request as far as the peer takes it. Any answer will do, none and an end, too."""

    status: int | None = None

    async def run(self, player: Player) -> None:
        with contextlib.suppress(OSError, PeerSilent, Unexpected):
            await Request.run(self, player)


@dataclass(frozen=True)
class Encoded:
    """Send a frame whose length is written as given: in these octets behind the first one.

    The length has no mask bit. A client sets it, and masks the payload.
    """

    first: int
    length: bytes
    payload: bytes = b""

    async def run(self, player: Player) -> None:
        await player.write(self.octets(player))

    def octets(self, player: Player) -> bytes:
        if not player.wire.is_client:
            return bytes([self.first]) + self.length + self.payload
        mask = player.random.randbytes(4)
        length = bytes([self.length[0] | 0x80]) + self.length[1:]
        masked = bytes(octet ^ mask[i % 4] for i, octet in enumerate(self.payload))
        return bytes([self.first]) + length + mask + masked

    def __str__(self) -> str:
        return f"send a frame with the length {self.length.hex(' ')}"


@dataclass(frozen=True)
class Flood:
    """Send a frame many times, and read along. The peer's Close or its end stops it.

    So does the script's timeout. None of these is a failure.
    """

    frame: Frame
    times: int
    at_once: int = 100

    async def run(self, player: Player) -> None:
        flooding = asyncio.ensure_future(self.pour(player))
        reading = asyncio.ensure_future(Behave(echoes=False).run(player))
        try:
            await asyncio.wait(
                {flooding, reading},
                timeout=player.wire.timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await stop(flooding)
            await stop(reading)

    async def pour(self, player: Player) -> None:
        player.transcript.note("sent", f"{self.times} times {self.frame!r}")
        frame = self.frame
        if player.wire.is_client:
            frame = Frame(frame.opcode, frame.payload, frame.fin, mask=player.random.randbytes(4))
        block = frame.encode() * self.at_once
        for _ in range(self.times // self.at_once):
            await player.write(block, note=False)

    def __str__(self) -> str:
        return f"send {self.times} times {self.frame!r}"


async def stop(task: "asyncio.Future[Any]") -> None:
    """Cancel a task and wait for it. What it raises is no matter."""
    await end_tasks([task])
    if not task.cancelled():
        task.exception()


def scripted(**options: Any) -> Script:
    """Return an empty script with the timeout of presets."""
    return Script(timeout=TIMEOUT, **options)


def begun() -> Script:
    """Return a script that has begun well: a handshake, and the first message."""
    return scripted().add(Greet())


def watched(script: Script) -> Script:
    """Add to a script that it answers nothing more, and ends when the peer does."""
    return script.add(Behave(echoes=False, closes=False, pong=None))


def fault(*frames: Frame, masked: bool | None = None) -> Maker:
    """Return the maker of a script: begin well, send frames, behave again."""
    return lambda: begun().send(*frames, masked=masked).add(Behave())


def by_role(maker: Maker, roles: tuple[str, ...] = BOTH) -> dict[str, Maker]:
    """Return the makers of a preset that is the same for some roles."""
    return dict.fromkeys(roles, maker)
