"""Closing handshakes gone wrong."""

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..preset import Preset
from .parts import Behave, Greet, begun, by_role, scripted, watched

__all__ = ("PRESETS",)


def close(payload: bytes) -> Frame:
    return Frame(Opcode.CLOSE, payload)


def code(number: int) -> bytes:
    return number.to_bytes(2, "big")


GOOD = close(code(1000))

PRESETS = (
    Preset(
        "never-closes",
        "Never answers a Close, and keeps the connection open. It echoes messages and answers "
        "pings, until the script's timeout ends.",
        "RFC 6455 5.5.1",
        by_role(lambda: scripted().add(Greet()).add(Behave(closes=False))),
    ),
    Preset(
        "close-twice",
        "Sends a Close 1000 and another one right behind it, after the first message.",
        "RFC 6455 1.4",
        by_role(lambda: watched(begun().send(GOOD, GOOD))),
    ),
    Preset(
        "data-after-close",
        "Sends a Close 1000 and a text right behind it, after the first message.",
        "RFC 6455 5.5.1",
        by_role(lambda: watched(begun().send(GOOD, Frame.text("after the Close")))),
    ),
    Preset(
        "close-1005",
        "Sends a Close with the code 1005, which stands for a Close without a code, after the "
        "first message.",
        "RFC 6455 7.4.1",
        by_role(lambda: watched(begun().send(close(code(1005))))),
    ),
    Preset(
        "close-1006",
        "Sends a Close with the code 1006, which stands for an end without a Close, after the "
        "first message.",
        "RFC 6455 7.4.1",
        by_role(lambda: watched(begun().send(close(code(1006))))),
    ),
    Preset(
        "close-999",
        "Sends a Close with the code 999, which nobody may use, after the first message.",
        "RFC 6455 7.4.2",
        by_role(lambda: watched(begun().send(close(code(999))))),
    ),
    Preset(
        "close-one-octet",
        "Sends a Close whose payload is one octet, half of a code, after the first message.",
        "RFC 6455 5.5.1",
        by_role(lambda: watched(begun().send(close(b"\x03")))),
    ),
)
