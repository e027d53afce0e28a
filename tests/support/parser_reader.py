"""A reader that drives a parser as a session does, and records what comes out as values."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from aiohttp_rawws import ProtocolError, Violation
from aiohttp_rawws.wire.native import ReadBuffer
from aiohttp_rawws.wire.parser import Parser
from aiohttp_rawws.wire.stops import Stop
from tests.support.builds import RUNNING, Build
from tests.support.octets import MASK, xor

BIG = 20_000  # so big that it is read into its own memory while it is incomplete
Values = tuple[Any, ...]
#: The limits of a parser, as they are by default.
LIMITS: dict[str, Any] = {"max_frame_size": 16 * 2**20, "limit": 256 * 2**10}


def values(item: Any) -> Values:
    """Return all attributes of a frame or a piece, whichever build it is of."""
    flags = (item.opcode, item.fin, item.rsv1, item.rsv2, item.rsv3)
    rest = (item.payload, item.mask, item.violations.value)
    if isinstance(item, tuple):
        return (*flags, *rest, item.length, item.offset, item.last)  # type: ignore[attr-defined]
    return (*flags, *rest)


def error_values(error: "Exception | None") -> "Values | None":
    """Return all attributes of a protocol error, whichever build it is of, or None."""
    if error is None:
        return None
    seen = (type(error).__name__, error.violation.value, error.close_code)  # type: ignore[attr-defined]
    return (*seen, str(error), *error.args[1:])


class Reader:
    """Drive a parser as a session does, and record frames and pieces in `items`.

    `read` does what the transport does; `take` and `rest` do what `receive` and `pieces` do.
    """

    def __init__(self, build: Build = RUNNING, **options: Any) -> None:
        self.build = build
        options["reject"] = build.names.Violation(int(options.pop("reject", 2047)))
        self.parser = build.parser.Parser(build.native.ReadBuffer(), **{**LIMITS, **options})
        self.items: list[Values] = []

    def read(self, data: bytes) -> None:
        """Read bytes in as few reads as the parser has room for."""
        while data:
            view = self.parser.writable()
            count = min(len(view), len(data))
            view[:count] = data[:count]
            self.parser.written(count)
            data = data[count:]

    def take(self, pieces: bool = False) -> bool:
        """Take one frame or piece; return False if there is none."""
        item = self._piece() if pieces else self._frame()
        if item is None:
            return False
        self.items.append(values(item))
        return True

    def rest(self, pieces: bool = False) -> None:
        """Take all that is complete."""
        parser = self.parser
        while True:
            while self.take(pieces):
                pass
            if parser.stop == Stop.VIOLATION or parser.stop != Stop.LIMIT:
                return
            parser.resume()
            assert parser.is_ready() or parser.stop != Stop.LIMIT, (
                "bytes wait, but nothing can be taken"
            )

    def _frame(self) -> Any:
        parser = self.parser
        if parser.pieces:
            if self.half_read:
                return self._piece()
            parser.whole()
        if parser.queue.first is None:
            parser.settle()
        return None if parser.queue.first is None else parser.queue.take()

    def _piece(self) -> Any:
        parser = self.parser
        if not parser.pieces:
            parser.pieces = True
            parser.resume()
        if parser.queue.first is None:
            parser.settle()
        return parser.cut() if parser.queue.first is None else parser.queue.take()

    @property
    def half_read(self) -> bool:
        """True if a part of a frame was taken."""
        parser = self.parser
        return bool(parser.is_cutting or isinstance(parser.queue.first, self.build.frames.Piece))

    @property
    def state(self) -> Values:
        """All other state of the parser that can be seen."""
        parser = self.parser
        names = "stop pieces fragmented after_close is_partial is_cutting"
        return (
            *(getattr(parser, name) for name in names.split()),
            parser.is_full(),
            parser.is_ready(),
            parser.queue.cost,
            [values(item) for item in parser.queue.items],
            error_values(parser.error),
        )

    @property
    def outcome(self) -> "tuple[list[Values], Values | None]":
        """The frames that came out, put together from pieces, and the error behind them."""
        broken = self.parser.stop == Stop.VIOLATION
        return list(joined(self.items)), error_values(self.parser.error if broken else None)


def joined(items: Iterable[Values]) -> Iterator[Values]:
    """Yield frames put together from pieces; leave out an incomplete one at the end."""
    payload = b""
    for item in items:
        payload += item[5]
        if len(item) == 8 or item[10]:
            yield (*item[:5], payload, *item[6:8])
            payload = b""


ALL = Violation.ALL
NONE = Violation.NONE
SERVER: "dict[str, Any]" = {"is_client": False}
both_roles = pytest.mark.parametrize("is_client", [False, True], ids=["server", "client"])


def length_of(size: int) -> bytes:
    """Return a payload length in its shortest form (RFC 6455 section 5.2)."""
    if size < 126:
        return bytes([size])
    if size < 65536:
        return b"\x7e" + size.to_bytes(2, "big")
    return b"\x7f" + size.to_bytes(8, "big")


def header(head: int, size: int, is_client: bool = False, length: bytes = b"") -> bytes:
    """Return all bytes before the masking key. Only a server receives masked frames."""
    length = length or length_of(size)
    return bytes([head, length[0] | (0 if is_client else 0x80)]) + length[1:]


def octets(head: int, payload: bytes = b"", is_client: bool = False, length: bytes = b"") -> bytes:
    """Return a whole frame as that role receives it."""
    start = header(head, len(payload), is_client, length)
    return start + (payload if is_client else MASK + xor(payload))


def parser(**options: Any) -> Any:
    return Parser(ReadBuffer(), **{**SERVER, **LIMITS, **options})


def reader(data: bytes = b"", pieces: bool = False, **options: Any) -> Reader:
    """Return a reader that has read `data` and taken all that is complete."""
    it = Reader(**{**SERVER, **options})
    it.read(data)
    it.rest(pieces)
    return it


def heads_and_payloads(frames: Any) -> "list[tuple[int, bytes]]":
    return [(frame.opcode, frame.payload) for frame in frames]


def the_error(it: Reader) -> ProtocolError:
    assert isinstance(it.parser.error, ProtocolError)
    return it.parser.error


def in_pieces(**options: Any) -> Any:
    it = parser(**options)
    it.pieces = True
    return it
