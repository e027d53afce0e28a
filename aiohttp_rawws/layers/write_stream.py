"""Binary messages from a stream of bytes, in the words of `asyncio.StreamWriter`."""

import contextlib
from collections.abc import Iterable
from typing import Any

from ..session.ending import end
from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import shown
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from ..wire.names import CloseCode
from .deflate import PermessageDeflate
from .outbox import send_compressed
from .replies import reply

__all__ = ("WriteStream", "write_stream")


def write_stream(session: RawWebSocketSession) -> "WriteStream":
    """Return a writer that sends bytes as binary messages on a session.

        writer = write_stream(session)
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    Each `write` is one message of one frame, compressed as the handshake has negotiated. TypeError
    for anything but a session.
    """
    return WriteStream(session)


class WriteStream:
    """Sends bytes as binary messages. `write_stream(session)` makes one.

    A WebSocket has no halves. After `write_eof` the peer's bytes still come up to its Close, but a
    peer's reader that sees our Close answers it, and then its side can send no more.
    """

    __slots__ = ("_connection", "_deflate", "_session")

    def __init__(self, session: RawWebSocketSession) -> None:
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"write_stream takes a session, got {shown(session)}")
        self._session = session
        self._connection = connection_of(session)
        self._deflate = PermessageDeflate.of(session)

    def __repr__(self) -> str:
        return f"<WriteStream of {self._session!r}>"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes as one message. Never waits: `drain` does. No bytes are no message.

        SessionClosed, a ConnectionError, once a Close was sent, the peer has ended its stream, or
        the connection is lost. RuntimeError while a frame is sent in pieces.
        """
        frame = Frame.binary(data)
        if not frame.payload:
            return
        if self._connection.reader.eof_received:
            # RFC 6455 section 7.1.7: a peer that ends without a Close has failed the connection.
            raise SessionClosed("the peer has ended its stream")
        send_compressed(self._connection.sender, self._deflate, frame)

    def writelines(self, lines: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send the bytes of an iterable as one message, as `write` does."""
        self.write(b"".join(lines))

    async def drain(self) -> None:
        """Wait while more than 64 KiB wait to leave, until no more than 16 KiB do.

        SessionClosed, a ConnectionError, when the connection is lost.
        """
        # A drain that need not wait would cost each message a write of its own.
        if self._connection.writer.paused or self._session.closed:
            await self._session.drain()

    def can_write_eof(self) -> bool:
        """Return True: the end of the stream can be told, by a Close."""
        return True

    def write_eof(self) -> None:
        """Send Close 1000, or the answer to the peer's Close, unless a Close was sent.

        Quiet if the connection is lost. RuntimeError while a frame is sent in pieces.
        """
        if self._session.close_sent is not None:
            return
        received = self._session.close_received
        close = reply(received) if received is not None else None
        with contextlib.suppress(SessionClosed):
            self._session.send_nowait(close or Frame.close(CloseCode.NORMAL_CLOSURE))

    def close(self) -> None:
        """End the stream as `write_eof` does. `wait_closed` ends the connection."""
        self.write_eof()

    def is_closing(self) -> bool:
        """Return True once nothing can be written: a Close was sent, or the connection is over."""
        return self._session.closed or self._session.close_sent is not None

    async def wait_closed(self) -> None:
        """End the connection as a handler's return does: what was written still arrives.

        What comes meanwhile is thrown away. It takes at most the session's `linger` seconds.
        """
        await end(self._connection)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what `session.get_extra_info` does."""
        return self._session.get_extra_info(name, default)
