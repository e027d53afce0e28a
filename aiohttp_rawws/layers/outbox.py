"""The sending half of a `WebSocketSession`: whole messages, in order."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from functools import partial

from ..session.sender import Sender, half_sent
from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import shown
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from .deflate import PermessageDeflate

__all__ = ("Outbox", "send_compressed")


class Outbox:
    """Sends messages of many tasks, compressed as negotiated. None stands within another."""

    __slots__ = ("_put_whole", "_reader", "_session", "_turns", "_unfinished", "_writer")

    def __init__(self, session: RawWebSocketSession, deflate: PermessageDeflate | None) -> None:
        connection = connection_of(session)
        self._session = session
        self._reader = connection.reader
        self._writer = connection.writer
        # Bound once: it is called for each message.
        self._put_whole: Callable[[Frame], object] = connection.sender.send
        if deflate is not None:
            self._put_whole = partial(send_compressed, connection.sender, deflate)
        # Taken while a message is sent in fragments, and by those that come meanwhile.
        self._turns = Turns()
        # A message was begun that will never be finished.
        self._unfinished = False

    def send(self, frame: Frame) -> Awaitable[None] | None:
        """Send a whole message. Return what to await, None if there is no need to."""
        if self._turns.number:
            return self._send_later(frame)
        self._put(frame)
        return self._session.drain() if self._writer.paused else None

    async def _send_later(self, frame: Frame) -> None:
        """Send a whole message behind the one that is sent in fragments."""
        async with self._turns:
            self._put(frame)
        if self._writer.paused:
            await self._session.drain()

    async def send_fragments(self, source: AsyncIterable[str | bytes]) -> None:
        """Send each item of `source` as a fragment of one message."""
        if not isinstance(source, AsyncIterable):
            raise TypeError(f"send_fragments takes an asynchronous iterable, got {shown(source)}")
        async with self._turns:
            kind: type | None = None
            try:
                async for data in source:
                    frame = fragment_of(data, kind)
                    self._put(frame)
                    kind = str if isinstance(data, str) else bytes
                    if self._writer.paused:
                        await self._session.drain()
                if kind is not None:
                    self._put(Frame.continuation(b""))
                    kind = None
            finally:
                self._unfinished |= kind is not None

    def _put(self, frame: Frame) -> None:
        if self._reader.eof_received and not self._reader.parser.after_close:
            # Section 7.1.5: that is a loss. Behind a Close the peer may still read.
            raise SessionClosed("the peer has ended its stream without a Close")
        if self._unfinished:
            raise SessionClosed("a message was left unfinished: no other can follow it")
        self._put_whole(frame)


class Turns:
    """A block that one task runs at a time, in the order in which they came."""

    __slots__ = ("_lock", "number")

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        #: How many tasks are in the block, or wait for it.
        self.number = 0

    async def __aenter__(self) -> None:
        self.number += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self.number -= 1
            raise

    async def __aexit__(self, *error: object) -> None:
        self.number -= 1
        self._lock.release()


def send_compressed(sender: Sender, deflate: PermessageDeflate | None, frame: Frame) -> None:
    """Send a frame, compressed if the session has compression. Raises as `Sender.send`."""
    if deflate is not None:
        # What is compressed has to be sent: the next message refers to it.
        if sender.unfinished:
            raise half_sent()
        frame = deflate.encode(frame)
    sender.send(frame)


def fragment_of(data: object, kind: type | None) -> Frame:
    """Return the next fragment of a message whose fragments so far were of this kind."""
    if isinstance(data, str):
        if kind is None:
            return Frame.text(data, fin=False)
        payload: bytes | bytearray | memoryview = data.encode()
    elif isinstance(data, (bytes, bytearray, memoryview)):
        if kind is None:
            return Frame.binary(data, fin=False)
        payload = data
    else:
        raise TypeError(f"a fragment is a str or bytes, got {shown(data)}")
    if isinstance(data, str) is not (kind is str):
        raise TypeError("the fragments of a message are all str, or all bytes")
    return Frame.continuation(payload, fin=False)
