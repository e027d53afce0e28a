"""Peers that are slow, that stop within a frame, or that do not read."""

import asyncio
from dataclasses import dataclass

from ...wire.frames import Frame
from ..errors import PeerSilent
from ..player import Player
from ..preset import Preset
from ..script import Script
from .parts import CLIENT, Behave, Greet, begun, by_role, scripted, stop, watched

__all__ = ("PRESETS", "Pour")

#: The header has 2 octets here; a client's mask is in the next 4.
MESSAGE = Frame.text("cut in the middle")

#: The time between two octets, in seconds, so that they are read one by one.
GAP = 0.001


@dataclass(frozen=True)
class Pour:
    """Read nothing, and send messages until the peer does not take them, or `most` octets.

    Then wait for the rest of the script's timeout. The peer's end is no failure.
    """

    size: int = 16 * 1024
    most: int = 16 * 2**20

    async def run(self, player: Player) -> None:
        player.wire.transport.pause_reading()
        sending = asyncio.ensure_future(self.send(player))
        try:
            await asyncio.sleep(player.wire.timeout)
        finally:
            await stop(sending)

    async def send(self, player: Player) -> None:
        frame = Frame.binary(bytes(self.size))
        try:
            for _ in range(self.most // self.size):
                await player.send(frame)
        except (PeerSilent, OSError):
            return

    def __str__(self) -> str:
        return "read nothing, and send"


def slowly(script: Script) -> Script:
    script.add(Greet(split="each"))
    script.send(Frame.text("octet by octet"), split="each", gap=GAP)
    return script.add(Behave(split="each"))


def stalled(octets: int) -> Script:
    return watched(begun().send(MESSAGE, cut=octets))


PRESETS = (
    Preset(
        "octet-by-octet",
        "Sends each octet in a write of its own: its handshake, and a text after the first "
        "message.",
        "",
        {
            "server": lambda: slowly(scripted().answer(split="each", gap=GAP)),
            "client": lambda: slowly(scripted().request(split="each", gap=GAP)),
        },
    ),
    Preset(
        "stall-in-header",
        "Sends the first octet of a text and then nothing more, after the first message.",
        "",
        by_role(lambda: stalled(1)),
    ),
    Preset(
        "stall-in-mask",
        "Sends a text up to the middle of its mask and then nothing more, after the first message.",
        "",
        by_role(lambda: stalled(4), CLIENT),
    ),
    Preset(
        "stall-in-payload",
        "Sends a text up to the middle of its payload and then nothing more, after the first "
        "message.",
        "",
        by_role(lambda: stalled(12)),
    ),
    Preset(
        "never-reads",
        "Reads nothing after the handshake. It sends messages of 16 KiB, until the peer takes "
        "none or to 16 MiB, and resets the connection when the script's timeout is over.",
        "",
        by_role(lambda: scripted().add(Pour()).reset()),
    ),
)
