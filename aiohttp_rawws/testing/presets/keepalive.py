"""Pings that are not answered as they should be."""

import asyncio

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..player import Player
from ..preset import Preset
from ..script import Script
from .parts import Behave, Greet, by_role, scripted

__all__ = ("PRESETS",)

#: How late a late Pong is, as a part of the script's timeout.
LATE = 0.4


async def late(player: Player, ping: Frame) -> None:
    await asyncio.sleep(LATE * player.wire.timeout)
    await player.send(Frame(Opcode.PONG, ping.payload))


async def wrong(player: Player, ping: Frame) -> None:
    await player.send(Frame.pong(b"another" if ping.payload != b"another" else b"different"))


def chatting(behaviour: Behave) -> Script:
    return scripted().add(Greet(pong=behaviour.pong)).add(behaviour)


PRESETS = (
    Preset(
        "no-pong",
        "Answers no Ping. It does all else: it echoes messages and answers a Close.",
        "RFC 6455 5.5.2",
        by_role(lambda: chatting(Behave(pong=None))),
    ),
    Preset(
        "late-pong",
        "Answers each Ping late: after two fifths of the script's timeout, 2 s by default. "
        "It does nothing else meanwhile.",
        "RFC 6455 5.5.2",
        by_role(lambda: chatting(Behave(pong=late))),
    ),
    Preset(
        "wrong-pong",
        "Answers each Ping with a Pong of another payload.",
        "RFC 6455 5.5.3",
        by_role(lambda: chatting(Behave(pong=wrong))),
    ),
)
