"""The bytes of a session's binary messages, in the words of `asyncio.StreamReader`."""

import asyncio
from collections.abc import Iterator

from ..session.options import check_size
from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import shown
from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from ..wire.names import CloseCode, Opcode, Violation
from ..wire.pieces import Piece
from .answers import Answers
from .closing import fail_connection
from .deflate import PermessageDeflate
from .fragments import fragment
from .inbox import as_frame

__all__ = ("ReadStream", "read_stream")

#: A byte of compressed input inflates to at most 1032 bytes. So this much, in bytes, is inflated
#: at a time.
INFLATED_AT_ONCE = 1024

#: A stream has no size. zlib takes no greater limit.
ANY_SIZE = 2**62

TEXT_REFUSED = "a text message came in a stream of binary ones"
NOT_DECODED = "a reserved bit is set, and no extension is known that it belongs to (RFC 6455 5.2)"


def read_stream(session: RawWebSocketSession, *, limit: int = 64 * 1024) -> "ReadStream":
    """Return the bytes of the binary messages that a session receives.

        reader = read_stream(session)
        while data := await reader.read(64 * 1024):
            ...

    Messages and frames may have any size, for they are read in pieces: `max_frame_size` does not
    count. Where they begin and end is not told. What is compressed, as the handshake has
    negotiated, is inflated. Beside what a call gathers, at most `receive_limit` bytes wait here,
    and 1 MiB of what was compressed.

    A Ping is answered by a Pong and the peer's Close by a Close, while somebody reads. `limit`
    (bytes) is that of `readuntil` and `readline`. TypeError for anything but a session.
    """
    return ReadStream(session, limit=limit)


class ReadStream:
    """The bytes of a session's binary messages. `read_stream(session)` makes one.

    The stream ends at the peer's Close, whatever its code: `session.close_received` has that. What
    ends in any other way, or within a message, is cut: `read(n)` raises ConnectionResetError then,
    and the other methods raise `asyncio.IncompleteReadError` with the bytes that came, whose
    `__cause__` is that error.

    A peer that sends a text, or breaks a rule, is told so by a Close (1003, or the rule's code).
    The connection ends, and ProtocolError is raised. RuntimeError if another task is reading. All
    methods are safe to cancel: no byte is lost.
    """

    __slots__ = (
        "_answers",
        "_buffer",
        "_deflate",
        "_ended",
        "_error",
        "_limit",
        "_parts",
        "_receiver",
        "_session",
        "_unfinished",
    )

    def __init__(self, session: RawWebSocketSession, *, limit: int = 64 * 1024) -> None:
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"read_stream takes a session, got {shown(session)}")
        check_size("limit", limit)
        self._session = session
        self._receiver = connection_of(session).receiver
        self._answers = Answers(session)
        self._limit = limit
        self._deflate = PermessageDeflate.of(session, max_size=ANY_SIZE)
        # The parts that are still to be inflated of what came last.
        self._parts: Iterator[Frame] = iter(())
        self._buffer = bytearray()
        # The last message has not come to its end.
        self._unfinished = False
        self._ended = False
        # What ended the reading: it is raised by each later call.
        self._error: ProtocolError | None = None

    def __repr__(self) -> str:
        return f"<ReadStream of {self._session!r}>"

    # -- reading ---------------------------------------------------------------------------

    async def read(self, n: int = -1) -> bytes:
        """Wait for bytes, and return at most `n` of them; b"" at the end of the stream.

        Without `n`, or with -1, return all up to the end of the stream.
        """
        if n < 0:
            while await self._grow():
                pass
            return self._cut(len(self._buffer))
        if n and not self._buffer:
            data = await self._next()
            if len(data) <= n:
                return data
            self._buffer += data
        return self._cut(n)

    async def readexactly(self, n: int) -> bytes:
        """Return exactly `n` bytes. IncompleteReadError if the stream ends before."""
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        while len(self._buffer) < n:
            if not await self._grow(n):
                raise self._incomplete(n)
        return self._cut(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Return the bytes up to a separator, and with it.

        IncompleteReadError if the stream ends before, `asyncio.LimitOverrunError` for more than
        `limit` bytes without a separator, which stay to be read.
        """
        if not separator:
            raise ValueError("the separator must not be empty")
        start = 0
        while (found := self._buffer.find(separator, start)) < 0:
            start = max(0, len(self._buffer) + 1 - len(separator))
            if start > self._limit:
                raise asyncio.LimitOverrunError("no separator within the limit", start)
            if not await self._grow():
                raise self._incomplete()
        if found > self._limit:
            raise asyncio.LimitOverrunError("the separator is behind the limit", found)
        return self._cut(found + len(separator))

    async def readline(self) -> bytes:
        """Return the bytes up to a newline, and with it; less at the end of the stream.

        ValueError for a line of more than `limit` bytes. What came of it is thrown away then.
        """
        try:
            return await self.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.__cause__ is not None:
                raise
            return error.partial
        except asyncio.LimitOverrunError as error:
            self._cut(error.consumed)
            if self._buffer.startswith(b"\n"):
                self._cut(1)
            else:
                self._buffer.clear()
            raise ValueError(str(error)) from error

    def __aiter__(self) -> "ReadStream":
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    def at_eof(self) -> bool:
        """Return True once the stream has ended and all its bytes were read."""
        return self._ended and not self._buffer

    # -- bytes -----------------------------------------------------------------------------

    def _cut(self, size: int) -> bytes:
        """Return the first bytes of the buffer, and remove them."""
        if size >= len(self._buffer):
            data, self._buffer = bytes(self._buffer), bytearray()
            return data
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data

    async def _grow(self, expected: int | None = None) -> bool:
        """Wait for more bytes in the buffer. Return False at the end of the stream."""
        try:
            data = await self._next()
        except ConnectionResetError as error:
            raise self._incomplete(expected) from error
        self._buffer += data
        return bool(data)

    def _incomplete(self, expected: int | None = None) -> asyncio.IncompleteReadError:
        return asyncio.IncompleteReadError(self._cut(len(self._buffer)), expected)

    async def _next(self) -> bytes:
        """Wait for the next bytes. Return b"" after the peer's Close.

        ConnectionResetError for any other end, ProtocolError where the peer broke a rule.
        """
        if self._error is not None:
            # A new one each time: an exception that is raised again grows its traceback.
            raise type(self._error)(*self._error.args)
        try:
            while not (data := self._take()):
                if self._answers.late_pong is not None:
                    self._answers.catch_up()
                waiter = self._receiver.more()
                if waiter is None:
                    self._end()
                    return b""
                await waiter
        except ProtocolError as error:
            self._error = error
            await fail_connection(self._session, error.close_code, str(error))
            raise
        return data

    def _take(self) -> bytes:
        """Return the next bytes, b"" if there are none yet. Never waits."""
        while True:
            for part in self._parts:
                assert self._deflate is not None
                if data := self._deflate.decode(part).payload:
                    return data
            item = self._receiver.take_part()
            if item is None:
                return b""
            if isinstance(item, Frame) and item.is_control:
                self._answers.answer(item)
                continue
            self._check(item)
            self._unfinished = not (item.fin and (isinstance(item, Frame) or item.last))
            if self._deflate is not None:
                self._parts = fragment(as_frame(item), INFLATED_AT_ONCE)
            elif item.payload:
                return item.payload

    def _check(self, item: Frame | Piece) -> None:
        """Raise ProtocolError for what is no part of a binary message."""
        if item.opcode not in (Opcode.BINARY, Opcode.CONTINUATION):
            raise ProtocolError(Violation.NONE, CloseCode.UNSUPPORTED_DATA, TEXT_REFUSED)
        if self._deflate is None and (item.rsv1 or item.rsv2 or item.rsv3):
            raise ProtocolError(Violation.RESERVED_BITS, CloseCode.PROTOCOL_ERROR, NOT_DECODED)

    # -- the end ---------------------------------------------------------------------------

    def _end(self) -> None:
        """Note the end. ConnectionResetError if the stream was cut."""
        self._ended = True
        if self._session.close_received is not None and not self._unfinished:
            return
        cause = self._receiver.end_of_stream()
        where = " within a message" if self._unfinished else ""
        raise ConnectionResetError(f"the stream was cut{where}: {cause}") from cause
