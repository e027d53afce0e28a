"""A whole message: what frames are put together to."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import WSMsgType

from ..wire.introspection import describe_fields

__all__ = ("TYPES", "Message")

KNOWN = {kind.value: kind for kind in WSMsgType}
#: aiohttp's types of messages by opcode. An IntEnum is slow as the key of a dict.
TYPES: list[Any] = [KNOWN.get(opcode) for opcode in range(16)]


class Message(NamedTuple):
    """A whole message, text or binary."""

    opcode: int
    data: str | bytes

    @property
    def type(self) -> WSMsgType:
        """The opcode in aiohttp's words: `WSMsgType.TEXT` or `WSMsgType.BINARY`."""
        kind: WSMsgType = TYPES[self.opcode]
        return kind

    def json(self, *, loads: Callable[[str | bytes], Any] = json.loads) -> Any:
        """Return what the data is the JSON of. ValueError if it is none (by `json.loads`)."""
        return loads(self.data)


describe_fields(
    Message,
    opcode="`Opcode.TEXT` or `Opcode.BINARY`; `Opcode.PING` and `Opcode.PONG` of a "
    "`WebSocketSession` that answers no pings (`autoping=False`).",
    data="The str of a text, the bytes of a binary message; bytes also of a text that is not "
    "decoded (`validate_utf8=False`).",
)
