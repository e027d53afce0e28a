"""The session of a WebSocket connection, frame by frame: the public API and nothing else."""

import contextlib
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ..wire.arguments import not_a_frame
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from ..wire.names import CloseCode
from ..wire.pieces import Piece
from .awaiting import Awaiting, iterate_directly
from .connection import Connection
from .ending import peer_end
from .frame_calls import FrameCalls
from .options import check_size
from .receiver import Receiver

if TYPE_CHECKING:
    import ssl
    from asyncio.trsock import TransportSocket

    import aiohttp
    from aiohttp import web

__all__ = (
    "RawClientSession",
    "RawServerSession",
    "RawWebSocketSession",
    "Stream",
    "connection_of",
)

Item = TypeVar("Item")


@iterate_directly
class RawWebSocketSession(Awaiting):
    """A WebSocket connection that shows every frame as it stood on the wire.

    Nothing happens that its user does not do: no pong, close reply, timeout, reassembly, UTF-8
    check or compression. `async for frame in session` gives each frame until the peer's Close or
    the end of its stream; `send` puts one on the wire. The model is ktor's `webSocketRaw`.
    """

    __slots__ = (
        "__weakref__",
        "_connection",
        "_extensions",
        "_protocol",
        "_request",
        "_response",
    )

    def __init__(
        self,
        connection: Connection,
        *,
        request: "web.Request | None",
        response: "web.StreamResponse | aiohttp.ClientResponse",
        protocol: str | None,
        extensions: str | None,
    ) -> None:
        super().__init__(connection.receiver, connection.sender)
        self._connection = connection
        self._request = request
        self._response = response
        self._protocol = protocol
        self._extensions = extensions

    def __repr__(self) -> str:
        role = "client" if self.is_client else "server"
        state = "closed" if self.closed else "open"
        peer = self.get_extra_info("peername")
        return f"<RawWebSocketSession {role} {state} peer={peer!r}>"

    # -- the handshake ---------------------------------------------------------------------

    @property
    def request(self) -> "web.Request | None":
        """The `web.Request` that was upgraded, on the server; None on a client."""
        return self._request

    @property
    def response(self) -> "web.StreamResponse | aiohttp.ClientResponse":
        """The 101: a server's `web.StreamResponse`, a client's `aiohttp.ClientResponse`."""
        return self._response

    @property
    def is_client(self) -> bool:
        """True on a client, whose frames are masked (RFC 6455 section 5.1)."""
        return self._connection.reader.parser.rules.is_client

    @property
    def protocol(self) -> str | None:
        """The subprotocol that was negotiated, None without one."""
        return self._protocol

    @property
    def extensions(self) -> str | None:
        """The `Sec-WebSocket-Extensions` of the 101, untouched; None without one."""
        return self._extensions

    # -- state -----------------------------------------------------------------------------

    @property
    def max_frame_size(self) -> int:
        """The largest payload of a received frame, in bytes. It may be set at any time."""
        return self._connection.reader.parser.max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        check_size("max_frame_size", size)
        self._connection.reader.parser.max_frame_size = min(size, sys.maxsize)

    @property
    def masking(self) -> bool:
        """True if sent frames are masked: by `frame.mask`, else by a fresh random key.

        True on a client, False on a server, unless it is set otherwise.
        """
        return self._sender.masking

    @masking.setter
    def masking(self, masking: bool) -> None:
        self._sender.masking = masking

    @property
    def closed(self) -> bool:
        """True once the TCP connection is gone or going."""
        return self._connection.link.is_gone()

    @property
    def exception(self) -> BaseException | None:
        """The error by which the connection was lost, None if it was clean or is not lost."""
        return self._connection.link.exception

    @property
    def peer_ended(self) -> bool:
        """True once the peer's Close or the end of its stream came, or the peer was lost.

        It does not matter if the frames before that were received yet.
        """
        return self._connection.peer_ended

    @property
    def close_received(self) -> Frame | None:
        """The peer's Close frame, once it was received here."""
        return self._receiver.close_received

    @property
    def close_sent(self) -> Frame | None:
        """The Close frame that was sent."""
        return self._sender.close_sent

    @property
    def reading_paused(self) -> bool:
        """True while nothing is read until frames are received: `receive_limit` is reached."""
        return self._connection.reader.paused

    @property
    def bytes_received(self) -> int:
        """How many bytes were read since the upgrade, those of incomplete frames included."""
        return self._connection.reader.bytes_received

    @property
    def bytes_sent(self) -> int:
        """How many bytes were handed over since the upgrade, `write_backlog` included."""
        return self._connection.writer.written

    @property
    def write_backlog(self) -> int:
        """How many bytes were accepted but not yet handed to the operating system."""
        return self._connection.writer.waiting()

    @overload
    def get_extra_info(
        self, name: Literal["socket"], default: None = None
    ) -> "TransportSocket | None": ...

    @overload
    def get_extra_info(
        self, name: Literal["peername", "sockname"], default: None = None
    ) -> "tuple[Any, ...] | str | None": ...

    @overload
    def get_extra_info(
        self, name: Literal["sslcontext"], default: None = None
    ) -> "ssl.SSLContext | None": ...

    @overload
    def get_extra_info(
        self, name: Literal["ssl_object"], default: None = None
    ) -> "ssl.SSLObject | None": ...

    @overload
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what `asyncio.BaseTransport.get_extra_info` does.

        Once the connection is lost only `peername`, `sockname` and `sslcontext` are known.
        """
        return self._connection.link.get_extra_info(name, default)

    def add_end_callback(self, callback: Callable[[], object]) -> None:
        """Call back, in a loop iteration of its own, once `peer_ended` is true."""
        self._connection.add_end_callback(callback)

    def remove_end_callback(self, callback: Callable[[], object]) -> None:
        """Do not call back any more."""
        self._connection.remove_end_callback(callback)

    # -- receiving -------------------------------------------------------------------------

    if TYPE_CHECKING:
        # Editors read sources, and not the extension: so they know what is awaited.

        async def receive(self) -> Frame: ...
        async def send(self, frame: Frame) -> None: ...
        def __aiter__(self) -> "RawWebSocketSession": ...
        async def __anext__(self) -> Frame: ...

    def receive_nowait(self) -> Frame | None:
        """Return the next frame if one is there, else None. Raises as `receive` does."""
        return self._receiver.take_or_raise()

    async def for_each(self, function: Callable[[Frame], object]) -> None:
        """Call a plain `function(frame)` for each frame, and return where iteration ends.

        The function is called inside the read callback, so that no task runs for a frame. (Frames
        that wait already are given in the caller's task.) What it sends with `send_nowait` during
        one read leaves together. No frame is given while more than 64 KiB wait to leave, until no
        more than 16 KiB do. The function must not keep the loop for long, and cannot receive.

        An exception of the function leaves `for_each`. Then, and after a cancellation, the next
        frame is still there. Raises as `receive` does, but returns at the end of the stream;
        TypeError for a coroutine function.
        """
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"for_each takes a plain function of a frame, got {function!r}")
        calls = FrameCalls(self._receiver, self._connection.writer, function)
        calls.open()
        try:
            while True:
                calls.run()
                if calls.error is not None:
                    raise calls.error
                if not calls.is_held() and self._receiver.more() is None:
                    return
                await self._receiver.waiter
        finally:
            calls.close()
            del calls

    def batches(self) -> AsyncIterator[list[Frame]]:
        """Iterate over lists of all the frames that are ready, none of them empty."""
        return Stream(self._receiver, self._receiver.take_all, self)

    def pieces(self) -> AsyncIterator[Piece | Frame]:
        """Iterate over the parts of data frames as they arrive, so that any size fits.

        Control frames come whole, as `Frame`. `max_frame_size` is not applied to data frames.
        Memory is bounded by `receive_limit`. Between two frames one may go over to `receive`.
        Within a frame that raises RuntimeError.
        """
        return Stream(self._receiver, self._receiver.take_piece, self)

    # -- sending ---------------------------------------------------------------------------

    async def send_piece(self, piece: Piece | Frame) -> None:
        """Send what `pieces` gave: a whole frame, or the next part of a big one.

        The first part (offset 0) writes the header for the whole length. Each later part must
        continue where the one before ended, else ValueError. Nothing else can be sent between
        them. Raises and waits as `send` does.
        """
        if isinstance(piece, Frame):
            self._sender.send(piece)
        elif isinstance(piece, Piece):
            self._sender.send_piece(piece)
        else:
            raise not_a_frame("send_piece", piece, pieces=True)
        if self._sender.writer.paused:
            await self.drain()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Put any bytes on the wire, with no rule applied. Never waits.

        SessionClosed once the connection is lost or closing, or after `write_eof`.
        """
        self._sender.write(data)

    async def drain(self) -> None:
        """Wait while more than 64 KiB wait to leave, until no more than 16 KiB do.

        Over TLS the limits of the transport hold. SessionClosed when the connection is lost.
        """
        connection = self._connection
        connection.flush()
        while connection.writer.paused and not connection.link.lost:
            await connection.changes.wait()
        if connection.link.lost:
            raise connection.sender.closed_error()

    # -- ending ----------------------------------------------------------------------------

    async def close(self, code: int | None = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Send a Close frame once, and drain. Does not wait for the peer's.

        `code=None` sends an empty one. ValueError for a code that may not be sent, or a reason
        over 123 bytes (`truncate_reason` cuts it; the text of a ProtocolError fits). A second
        call, or a lost connection, is quiet.
        """
        frame = Frame.close(code, reason)
        if self._sender.close_sent is None:
            # There may be nobody left to tell.
            with contextlib.suppress(SessionClosed):
                await self.send(frame)

    def write_eof(self) -> None:
        """End the sending half. The peer can go on sending. RuntimeError on TLS."""
        self._connection.write_eof()

    def abort(self) -> None:
        """Drop the connection at once, unsent bytes included. Plain TCP sends a RST."""
        self._connection.abort()

    async def wait_closed(self) -> None:
        """Wait until the peer has ended its stream, or the connection is lost.

        While `receive_limit` holds the reading back, the end of the stream is not seen.
        """
        await peer_end(self._connection)


if TYPE_CHECKING:

    class RawServerSession(RawWebSocketSession):
        """The session of a server."""

        @property
        def request(self) -> web.Request: ...

        @property
        def response(self) -> web.StreamResponse: ...

    class RawClientSession(RawWebSocketSession):
        """The session of a client."""

        @property
        def request(self) -> None: ...

        @property
        def response(self) -> aiohttp.ClientResponse: ...

else:
    # Names for annotations. There is one class of sessions.
    RawServerSession = RawClientSession = RawWebSocketSession


def connection_of(session: RawWebSocketSession) -> Connection:
    """Return the connection below a session, for the rest of this package."""
    return session._connection


class Stream(Generic[Item]):
    """An iteration over whatever `take` returns, until the receiver's end.

    It keeps `owner`: a client's connection ends once nobody has its session.
    """

    __slots__ = ("_owner", "_receiver", "_take")

    def __init__(self, receiver: Receiver, take: Callable[[], Item | None], owner: object) -> None:
        self._receiver = receiver
        self._take = take
        self._owner = owner

    def __aiter__(self) -> "Stream[Item]":
        return self

    async def __anext__(self) -> Item:
        while (item := self._take()) is None:
            if (waiter := self._receiver.more()) is None:
                raise StopAsyncIteration
            await waiter
        return item
