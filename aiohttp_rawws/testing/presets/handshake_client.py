"""Requests for an upgrade that are wrong, or that take their time."""

import base64
import contextlib
from dataclasses import dataclass
from typing import Any

from ...wire.frames import Frame
from ..errors import PeerEnded, PeerSilent
from ..openings import Request
from ..player import Player
from ..preset import Preset
from ..script import Script
from .parts import BehaveIfOpen, FaultyRequest, GreetIfOpen, scripted, watched
from .spread import write_spread

__all__ = ("PRESETS",)

#: A mebibyte of headers.
FLOOD = tuple((f"X-Header-{number}", "x" * 1000) for number in range(1024))
MASK = b"\x37\xfa\x21\x3d"
BEHIND = Frame(1, b"Hello", mask=MASK).encode() + Frame(9, b"behind", mask=MASK).encode()


@dataclass(frozen=True)
class SlowRequest(Request):
    """Send the request octet by octet, spread over the script's timeout.

    That the peer does not wait so long is no failure.
    """

    async def run(self, player: Player) -> None:
        key = base64.b64encode(player.random.randbytes(16)).decode()
        with contextlib.suppress(OSError, PeerEnded, PeerSilent):
            await write_spread(player, self.octets(key))
            await player.read_head()


def requesting(name: str, sentence: str, section: str = "", **options: Any) -> Preset:
    """Return a preset that asks so and takes any answer."""
    return Preset(
        name,
        sentence,
        section,
        {"client": lambda: scripted().add(FaultyRequest(**options)).add(BehaveIfOpen())},
    )


def slow() -> Script:
    return scripted().add(SlowRequest()).add(GreetIfOpen()).add(BehaveIfOpen())


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
    requesting(
        "request-header-flood", "Asks rightly, but with a mebibyte of headers.", headers=FLOOD
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
    requesting(
        "request-with-bytes-behind",
        "Sends a text and a Ping in the same write as its request, before the answer.",
        "RFC 6455 4.1",
        behind=BEHIND,
    ),
)
