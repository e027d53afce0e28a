"""Connections that end otherwise than by a closing handshake."""

from dataclasses import dataclass

from ...wire.frames import Frame
from ..player import Player
from ..preset import Preset
from ..script import Script
from ..steps import HalfClose
from .parts import begun, by_role, scripted, watched

__all__ = ("PRESETS",)

MESSAGE = Frame.text("cut in the middle")
#: What was sent has to be with the peer before a RST, which would overtake it.
FIRST = 0.02


@dataclass(frozen=True)
class End:
    """End the stream and read on. TLS has no halves: there the connection ends at once."""

    async def run(self, player: Player) -> None:
        if player.wire.transport.can_write_eof():
            await HalfClose().run(player)
        else:
            await player.wire.close()

    def __str__(self) -> str:
        return "end"


def reset_behind(script: Script) -> Script:
    return script.pause(FIRST).reset()


PRESETS = (
    Preset(
        "reset-at-once",
        "Resets the connection as soon as it stands, without any octet.",
        "",
        by_role(lambda: scripted(handshake=False).reset()),
    ),
    Preset(
        "reset-in-handshake",
        "Resets the connection after the first 40 octets of its handshake.",
        "",
        {
            "server": lambda: reset_behind(scripted().answer(cut=40)),
            "client": lambda: reset_behind(scripted().request(cut=40, status=0)),
        },
    ),
    Preset(
        "reset-after-handshake",
        "Resets the connection right after the handshake.",
        "RFC 6455 7.1.1",
        by_role(lambda: reset_behind(scripted())),
    ),
    Preset(
        "reset-between-messages",
        "Resets the connection after the first message.",
        "RFC 6455 7.1.1",
        by_role(lambda: reset_behind(begun())),
    ),
    Preset(
        "reset-in-header",
        "Sends the first octet of a text and resets the connection, after the first message.",
        "RFC 6455 7.1.1",
        by_role(lambda: reset_behind(begun().send(MESSAGE, cut=1))),
    ),
    Preset(
        "reset-in-payload",
        "Sends a text up to the middle of its payload and resets the connection, after the first "
        "message.",
        "RFC 6455 7.1.1",
        by_role(lambda: reset_behind(begun().send(MESSAGE, cut=12))),
    ),
    Preset(
        "reset-between-fragments",
        "Sends the first fragment of a text and resets the connection, after the first message.",
        "RFC 6455 7.1.1",
        by_role(lambda: reset_behind(begun().send(Frame.text("begun", fin=False)))),
    ),
    Preset(
        "reset-after-close",
        "Sends a Close 1000 and resets the connection without waiting for the answer, after the "
        "first message.",
        "RFC 6455 7.1.1",
        by_role(lambda: reset_behind(begun().send(Frame.close(1000)))),
    ),
    Preset(
        "end-without-close",
        "Ends its stream without a Close, after the first message, and reads on.",
        "RFC 6455 7.3",
        by_role(lambda: watched(begun().add(End()))),
    ),
    Preset(
        "end-in-payload",
        "Sends a text up to the middle of its payload and ends its stream, after the first "
        "message. It reads on.",
        "RFC 6455 7.3",
        by_role(lambda: watched(begun().send(MESSAGE, cut=12).add(End()))),
    ),
    Preset(
        "half-open",
        "Is gone without a trace after the first message, as a machine without power: it sends "
        "nothing, reads nothing and ends nothing. When the script's timeout is over it resets the "
        "connection.",
        "",
        by_role(lambda: begun().stall(reads=False).reset()),
    ),
)
