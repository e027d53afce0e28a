"""Answers to an opening handshake that are wrong, that refuse, or that take their time."""

import contextlib
from dataclasses import dataclass
from typing import Any

from ...wire.frames import Frame
from ..errors import PeerSilent
from ..openings import Answer
from ..player import Player
from ..preset import Preset
from ..script import Script
from .parts import Behave, scripted, watched
from .spread import write_spread

__all__ = ("PRESETS",)

#: A mebibyte of headers.
FLOOD = tuple((f"X-Header-{number}", "x" * 1000) for number in range(1024))


@dataclass(frozen=True)
class SlowAnswer(Answer):
    """Send the answer octet by octet, spread over the script's timeout.

    That the peer does not wait so long is no failure.
    """

    async def run(self, player: Player) -> None:
        answer = self.octets(await player.read_head())
        with contextlib.suppress(OSError, PeerSilent):
            await write_spread(player, answer)


@dataclass(frozen=True)
class FloodingAnswer(Answer):
    """Send the answer as far as the peer takes it. That it ends the connection is no failure."""

    async def run(self, player: Player) -> None:
        with contextlib.suppress(OSError, PeerSilent):
            await super().run(player)


def answering(name: str, sentence: str, section: str = "", **options: Any) -> Preset:
    """Return a preset that answers so, and then behaves as if the connection stood."""
    return Preset(
        name,
        sentence,
        section,
        {"server": lambda: scripted().answer(**options).add(Behave())},
    )


def refusing(name: str, sentence: str, status: int, **options: Any) -> Preset:
    """Return a preset that answers so, and then reads on to the peer's end."""
    return Preset(
        name,
        sentence,
        "",
        {"server": lambda: scripted().answer(status, **options)},
    )


def slow() -> Script:
    return scripted().add(SlowAnswer()).add(Behave())


PRESETS = (
    answering(
        "answer-wrong-accept",
        "Answers with a Sec-WebSocket-Accept that belongs to no key: 20 zeros in Base64.",
        "RFC 6455 4.2.2",
        accept="A" * 27 + "=",
    ),
    answering(
        "answer-no-accept",
        "Answers without a Sec-WebSocket-Accept.",
        "RFC 6455 4.2.2",
        headers={"Sec-WebSocket-Accept": ""},
    ),
    answering(
        "answer-unoffered-protocol",
        "Answers with the subprotocol `unoffered`.",
        "RFC 6455 4.2.2",
        protocol="unoffered",
    ),
    answering(
        "answer-unoffered-extension",
        "Answers with the extension `x-unoffered`.",
        "RFC 6455 4.2.2",
        extensions="x-unoffered",
    ),
    refusing("answer-200", "Answers 200 with a page.", 200, body=b"<p>Hello</p>"),
    refusing(
        "answer-301",
        "Answers 301 with a Location of its own: a client that follows is redirected again.",
        301,
        headers={"Location": "/elsewhere"},
    ),
    refusing(
        "answer-401",
        "Answers 401 with a body, and asks for a password.",
        401,
        headers={"WWW-Authenticate": 'Basic realm="presets"'},
        body=b"who are you?",
    ),
    Preset(
        "answer-header-flood",
        "Answers rightly, but with a mebibyte of headers.",
        "",
        {"server": lambda: scripted().add(FloodingAnswer(headers=FLOOD)).add(Behave())},
    ),
    Preset(
        "answer-slow",
        "Answers octet by octet, so slowly that all of the script's timeout passes: 5 s by "
        "default. Then it behaves.",
        "",
        {"server": slow},
    ),
    Preset(
        "answer-stalled",
        "Sends the first 40 octets of its answer and then nothing more.",
        "",
        {"server": lambda: watched(scripted().answer(cut=40))},
    ),
    answering(
        "answer-with-bytes-behind",
        "Sends a text and a Ping in the same write as its answer, and behaves.",
        behind=Frame.text("Hello").encode() + Frame.ping(b"behind").encode(),
    ),
)
