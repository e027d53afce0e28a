"""A whole message: what frames are put together to."""

from typing import NamedTuple

from ..wire.introspection import describe_fields

__all__ = ("Message",)


class Message(NamedTuple):
    """A whole message, text or binary."""

    opcode: int
    data: str | bytes


describe_fields(
    Message,
    opcode="`Opcode.TEXT` or `Opcode.BINARY`.",
    data="The str of a text, the bytes of a binary message; bytes also of a text that is not "
    "decoded (`validate_utf8=False`).",
)
