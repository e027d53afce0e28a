"""A conversation: as bytes of a client, and as frames of a session."""

from aiohttp_rawws import Frame, Opcode
from tests.support.octets import masked

CLOSE = masked(0x88, b"\x03\xe8bye")

CONVERSATION = [
    (masked(0x01, b"He"), Frame(Opcode.TEXT, b"He", False)),
    (masked(0x89, b"ping"), Frame(Opcode.PING, b"ping")),
    (masked(0x00, b"ll"), Frame(Opcode.CONTINUATION, b"ll", False)),
    (masked(0x8A, b"pong"), Frame(Opcode.PONG, b"pong")),
    (masked(0x80, b"o"), Frame(Opcode.CONTINUATION, b"o")),
    (masked(0x82, b""), Frame(Opcode.BINARY)),
    (masked(0x81, bytes(126)), Frame(Opcode.TEXT, bytes(126))),
    (masked(0x8A, b""), Frame(Opcode.PONG)),
    (CLOSE, Frame.close(1000, "bye")),
]
SPOKEN = b"".join(data for data, _ in CONVERSATION)
HEARD = [frame for _, frame in CONVERSATION]
