"""A preset's script with eyes: the same steps, and then a look at what the peer does."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp_rawws import Frame, Opcode, ProtocolError
from aiohttp_rawws.testing import PeerEnded, PeerError, Player, Script
from aiohttp_rawws.testing.playing import aimed
from aiohttp_rawws.testing.presets.parts import Behave, BehaveIfOpen
from aiohttp_rawws.testing.steps import Step

from .cases import SERVERS, Case, script_role
from .inflating import Payloads

__all__ = ("PROBE", "Look", "watched")

PROBE = b"probe"
#: How long the peer is left alone behind the fault, in seconds.
GRACE = 0.5
#: How long is waited for what stands to be read after the last step, in seconds.
REST = 0.1


@dataclass
class Look:
    """Where a script stood, as numbers of entries of its transcript."""

    #: The entry that marks the end of the preset's steps, and the monotonic clock at it.
    ended: int = 0
    clock: float = 0.0
    #: The first entry behind the last step: there it was the script that ended the stream.
    over: int | None = None
    probed: bool = False
    echoed: bool = False
    #: Why the preset's steps were not done.
    failure: str = ""


def watched(case: Case, timeout: float, url: str = "") -> tuple[Script, Look]:
    """Return the script of a case, changed so that it ends by looking, and what it looks into.

    A client's script asks for `url`.
    """
    is_client = case.kind == SERVERS
    script = case.preset.script(script_role(case.kind))
    steps = script.whole(is_client)
    if is_client:
        steps[:1] = [aimed(step, url) for step in steps[:1]]
    if not case.lasting and isinstance(steps[-1], (Behave, BehaveIfOpen)):
        steps.pop()
    look = Look()
    new = Script(script.name, timeout=timeout, handshake=False)
    new.add(Provoke(steps, look, case.lasting))
    if not case.lasting:
        new.add(Probe(look, case.probes))
    return new, look


@dataclass(frozen=True)
class Provoke:
    """Do the steps of a preset. What the peer does meanwhile is no failure."""

    steps: Sequence[Step]
    look: Look
    lasting: bool

    async def run(self, player: Player) -> None:
        look, entries = self.look, player.transcript.entries
        try:
            for step in self.steps:
                await step.run(player)
        except (PeerError, ProtocolError, OSError) as error:
            look.failure = f"{step}: {error}"
        look.ended, look.clock = len(entries), time.monotonic()
        player.transcript.note("sent", "(the preset is done)")
        if self.lasting:
            await rest(player)
        look.over = len(entries)

    def __str__(self) -> str:
        return "the preset"


async def rest(player: Player) -> None:
    """Read what has come meanwhile."""
    with contextlib.suppress(PeerError, ProtocolError, OSError, asyncio.TimeoutError):
        while player.end is None:
            await asyncio.wait_for(player.read_frame(), REST)


@dataclass
class Probe:
    """Read what the peer does; if it does nothing, send a text; read on to its end.

    A Close is answered. An echo of the text is the end, too. Without `probes` nothing is sent.
    """

    look: Look
    probes: bool
    closed: bool = False
    payloads: Payloads = field(default_factory=Payloads)

    async def run(self, player: Player) -> None:
        for frame in player.transcript.frames():
            if not frame.is_control:
                self.payloads(frame)
        with contextlib.suppress(PeerError, ProtocolError, OSError, asyncio.TimeoutError):
            if await self.stands(player):
                await self.probe(player)
            await asyncio.wait_for(self.to_the_end(player), player.wire.timeout)
        self.look.over = len(player.transcript.entries)
        if self.look.echoed:
            with contextlib.suppress(OSError):
                await player.send(Frame.close(1000))

    async def stands(self, player: Player) -> bool:
        """Return True if there was a handshake. An answer that nobody read yet is read."""
        if not player.wire.is_client:
            return player.head is not None
        if player.head is None and player.end is None:
            try:
                await player.read_head()
            except PeerEnded as end:
                player.note_end(end)
        return player.head is not None and player.head.status == 101

    async def probe(self, player: Player) -> None:
        """Leave the peer alone for a moment, and send the text if it goes on."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.to_the_end(player), GRACE)
        if self.probes and player.end is None and not self.closed:
            self.look.probed = True
            await player.send(Frame(Opcode.TEXT, PROBE))

    def is_over(self, player: Player) -> bool:
        """Return True if nothing more is to be seen. A server is the first to end the stream."""
        is_server = not player.wire.is_client
        return player.end is not None or self.look.echoed or (self.closed and is_server)

    async def to_the_end(self, player: Player) -> None:
        while not self.is_over(player):
            with contextlib.suppress(PeerEnded):
                await self.answer(player, await player.read_frame())

    async def answer(self, player: Player, frame: Frame) -> None:
        """Answer a control frame. A peer that does not read answers may have left its end."""
        if not frame.is_control:
            self.look.echoed |= PROBE in self.payloads(frame)
            return
        self.closed |= frame.opcode == Opcode.CLOSE
        answers = {Opcode.CLOSE: Opcode.CLOSE, Opcode.PING: Opcode.PONG}
        if self.probes and frame.opcode in answers:
            with contextlib.suppress(OSError):
                await player.send(Frame(answers[Opcode(frame.opcode)], frame.payload))

    def __str__(self) -> str:
        return "look at the peer"
