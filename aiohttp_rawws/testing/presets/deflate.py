"""permessage-deflate gone wrong.

A server agrees to compression if the client offers it, and a client offers it. With a peer that
has no compression the same frames are sent: then RSV1 is the fault.
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..http import HttpHead
from ..openings import Answer
from ..preset import Preset
from ..script import Script
from .parts import Behave, BehaveIfOpen, FaultyRequest, Greet, GreetIfOpen, by_role, fault, scripted

__all__ = ("PRESETS",)

#: What a bomb inflates to: so many times a mebibyte.
MEBIBYTES = 256
TAIL = b"\x00\x00\xff\xff"


@dataclass(frozen=True)
class Agree(Answer):
    """Answer with `permessage-deflate` and these parameters, if the client offers it."""

    parameters: str = ""

    def octets(self, request: HttpHead) -> bytes:
        offers = ",".join(request.headers.getall("Sec-WebSocket-Extensions", []))
        if "permessage-deflate" not in offers:
            return super().octets(request)
        agreed = Answer(extensions=f"permessage-deflate{self.parameters}")
        return agreed.octets(request)


def both(
    frames: Callable[[], list[Frame]], server: str = "", client: str = ""
) -> dict[str, Callable[[], Script]]:
    """Return the makers for both roles: their handshake's parameters, then these frames."""

    def sent(script: Script) -> Script:
        return script.add(Greet()).send(*frames()).add(Behave())

    return {
        "server": lambda: sent(scripted().add(Agree(parameters=server))),
        "client": lambda: sent(scripted().request(extensions=f"permessage-deflate{client}")),
    }


def compressed(data: bytes) -> bytes:
    """Return a message as RFC 7692 7.2.1 has it."""
    return deflated(zlib.compressobj(wbits=-15), data)


def deflated(deflate: "zlib._Compress", data: bytes) -> bytes:
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def message(payload: bytes, *, fin: bool = True, rsv1: bool = True) -> Frame:
    return Frame(Opcode.BINARY, payload, fin, rsv1=rsv1)


def bomb() -> list[Frame]:
    deflate = zlib.compressobj(9, wbits=-15)
    # A full flush forgets all before it: the same octets can come again and again.
    part = deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return [message((part * MEBIBYTES).removesuffix(TAIL))]


def referring(distance: int) -> list[Frame]:
    """Return two messages, of which the second consists of octets of the first."""
    deflate = zlib.compressobj(9, wbits=-15)
    data = random.Random(0).randbytes(distance)
    return [message(deflated(deflate, data)), message(deflated(deflate, data[:128]))]


def in_fragments() -> list[Frame]:
    payload = compressed(b"Hello, Hello, Hello")
    return [
        message(payload[:5], fin=False),
        Frame(Opcode.CONTINUATION, payload[5:], rsv1=True),
    ]


def cut() -> list[Frame]:
    return [message(compressed(random.Random(1).randbytes(200))[:-100])]


PRESETS = (
    Preset(
        "deflate-bomb",
        "Sends a compressed message of 256 KiB that inflates to 256 MiB, after the first message.",
        "",
        both(bomb),
    ),
    Preset(
        "deflate-window-exceeded",
        "Agrees to a window of 512 octets, and refers to octets that are 4096 back. After the "
        "first message.",
        "RFC 7692 7.1.2",
        both(
            lambda: referring(4096),
            server="; server_max_window_bits=9",
            client="; client_max_window_bits=9",
        ),
    ),
    Preset(
        "deflate-wrong-window",
        "Agrees to a window of 7 bits, or offers one. There are 8 to 15.",
        "RFC 7692 7.1.2",
        {
            "server": lambda: (
                scripted()
                .add(Agree(parameters="; server_max_window_bits=7"))
                .add(GreetIfOpen())
                .add(BehaveIfOpen())
            ),
            "client": lambda: (
                scripted()
                .add(FaultyRequest(extensions="permessage-deflate; client_max_window_bits=7"))
                .add(GreetIfOpen())
                .add(BehaveIfOpen())
            ),
        },
    ),
    Preset(
        "deflate-context-kept",
        "Agrees to forget each message, and refers to octets of the one before. After the first "
        "message.",
        "RFC 7692 7.1.1",
        both(
            lambda: referring(256),
            server="; server_no_context_takeover",
            client="; client_no_context_takeover",
        ),
    ),
    Preset(
        "deflate-rsv1-on-continuation",
        "Sends a compressed message in two fragments, both with RSV1, after the first message.",
        "RFC 7692 6.1",
        both(in_fragments),
    ),
    Preset(
        "deflate-rsv1-on-ping",
        "Agrees to compression, and sends a Ping with RSV1. After the first message.",
        "RFC 7692 6.1",
        both(lambda: [Frame(Opcode.PING, b"ping", rsv1=True)]),
    ),
    Preset(
        "deflate-not-negotiated",
        "Sends a compressed message though nobody negotiated compression, after the first message.",
        "RFC 6455 5.2",
        by_role(lambda: fault(message(compressed(b"Hello, Hello, Hello")))()),
    ),
    Preset(
        "deflate-cut",
        "Sends a compressed message whose deflate stream ends in the middle of a block, after "
        "the first message.",
        "RFC 7692 7.2.1",
        both(cut),
    ),
    Preset(
        "deflate-garbage",
        "Sends a message that is marked as compressed and is no deflate stream, after the first "
        "message.",
        "RFC 7692 7.2.1",
        both(lambda: [message(b"\xff" * 16)]),
    ),
)
