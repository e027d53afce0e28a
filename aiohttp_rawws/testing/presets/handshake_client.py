"""Requests for an upgrade that are wrong, or that take their time."""

import base64
import contextlib
from dataclasses import dataclass
from typing import Any

from ...wire.frames import Frame
from ..errors import PeerSilent, Unexpected
from ..openings import Request
from ..player import Player
from ..preset import Preset
from ..script import Script
from .parts import Behave, Greet, scripted, watched
from .spread import write_spread

__all__ = ("PRESETS",)

#: A mebibyte of headers.
FLOOD = tuple((f"X-Header-{number}", "x" * 1000) for number in range(1024))
MASK = b"\x37\xfa\x21\x3d"
BEHIND = Frame(1, b"Hello", mask=MASK).encode() + Frame(9, b"behind", mask=MASK).encode()


@dataclass(frozen=True)
class SlowRequest(Request):
    """Send the request octet by octet, spread over the script's timeout."""

    async def run(self, player: Player) -> None:
        key = base64.b64encode(player.random.randbytes(16)).decode()
        await write_spread(player, self.octets(key))
        await player.read_head()


@dataclass(frozen=True)
class FloodingRequest(Request):
    """Send the request as far as the peer takes it. That it ends the connection is no failure."""

    async def run(self, player: Player) -> None:
        with contextlib.suppress(OSError, PeerSilent, Unexpected):
            await Request.run(self, player)


class BehaveIfOpen:
    """Behave behind a 101. Behind any other answer the connection is to end."""

    async def run(self, player: Player) -> None:
        if player.head is not None and player.head.status == 101:
            await Behave().run(player)

    def __str__(self) -> str:
        return "behave, if there is a WebSocket"


def requesting(name: str, sentence: str, section: str = "", **options: Any) -> Preset:
    """Return a preset that asks so and takes any answer."""
    return Preset(
        name,
        sentence,
        section,
        {"client": lambda: scripted().request(status=None, **options).add(BehaveIfOpen())},
    )


def slow() -> Script:
    return scripted().add(SlowRequest()).add(Greet()).add(Behave())


PRESETS = (
    requesting(
        "request-no-key",
        "Asks without a Sec-WebSocket-Key.",
        "RFC 6455 4.1",
        headers={"Sec-WebSocket-Key": ""},
    ),
    requesting(
        "request-wrong-version",
        "Asks for version 8 of the protocol.",
        "RFC 6455 4.1",
        headers={"Sec-WebSocket-Version": "8"},
    ),
    requesting("request-post", "Asks with POST.", "RFC 6455 4.1", method="POST"),
    requesting("request-http-1-0", "Asks in HTTP/1.0.", "RFC 6455 4.1", version="HTTP/1.0"),
    Preset(
        "request-header-flood",
        "Asks rightly, but with a mebibyte of headers.",
        "",
        {
            "client": lambda: (
                scripted().add(FloodingRequest(headers=FLOOD, status=None)).add(BehaveIfOpen())
            )
        },
    ),
    Preset(
        "request-slow",
        "Asks octet by octet, so slowly that all of the script's timeout passes: 5 s by default. "
        "Then it says Hello and behaves.",
        "",
        {"client": slow},
    ),
    Preset(
        "request-stalled",
        "Sends the first 40 octets of its request and then nothing more.",
        "",
        {"client": lambda: watched(scripted().request(cut=40, status=0))},
    ),
    Preset(
        "request-with-bytes-behind",
        "Sends a text and a Ping in the same write as its request, before the answer.",
        "RFC 6455 4.1",
        {"client": lambda: scripted().request(behind=BEHIND, status=None).add(BehaveIfOpen())},
    ),
)
