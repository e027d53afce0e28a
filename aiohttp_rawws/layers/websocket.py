"""Messages over a raw session: what most handlers want."""

import functools
import inspect
import json
from collections.abc import AsyncIterable, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict

from ..session.checks import check_seconds
from ..session.options import Unpack, check_size
from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import shown
from ..wire.errors import EndOfStream
from ..wire.frames import Frame
from ..wire.names import CloseCode, Opcode
from .deflate import PermessageDeflate
from .inbox import Inbox
from .message import Message
from .outbox import Outbox
from .pulse import Pulse
from .task_group import TaskGroup
from .websocket_end import WebSocketEnd

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ("WebSocketSession", "websocket_handler")

#: The codes of RFC 6455 section 7.4.1 that stand for an end without a code.
NO_STATUS = 1005
ABNORMAL = 1006


class WebSocketOptions(TypedDict, total=False):
    """The options of a `WebSocketSession`, which explains them."""

    heartbeat: float | tuple[float, float] | None
    autoping: bool
    autoclose: bool
    max_message_size: int
    close_timeout: float


class WebSocketSession:
    """A WebSocket by messages, with the duties of RFC 6455 done. It stands on a raw session.

        async def handler(session: RawWebSocketSession) -> None:
            async with WebSocketSession(session) as websocket:
                async for message in websocket:
                    await websocket.send_str(f"got {message.data!r}")

    The same on a server and on a client. `session` is the raw session below: its frames can be
    sent and received before and after, between two messages. Messages are compressed as the
    handshake has negotiated (`PermessageDeflate`).

    One task receives, any number may send. Messages leave whole, in the order of the calls. A
    send waits while too much waits to leave, and what is not received is not read either. A
    message costs its size in memory, and twice that at its end.

    It answers pings and the peer's Close while somebody receives. Leaving the block closes with
    1000, or by an exception with its code: 1011, 1001 for a cancellation and for a generator that
    is closed, that of a ProtocolError. docs/layers.md lists what it does on its own.

    - `max_message_size` (bytes, 16 MiB): a bigger message is a `FrameTooBig` (1009). The
      session's `max_frame_size` does not count here.
    - `heartbeat`: seconds between two pings, half of which the peer has to answer; or (interval,
      timeout). It runs within the block. A silent peer is a loss: `close_code` is 1006.
    - `autoping=False`: pings and pongs come as messages, and the pings are yours to answer.
    - `autoclose=False`: the peer's Close ends the receiving, and `close` is yours to call.
    - `close_timeout`: how long `close` waits for the peer's Close, in seconds (10).

    TypeError or ValueError for options of a wrong type or out of range.
    """

    __slots__ = ("_end", "_inbox", "_outbox", "_pulse", "_session")

    def __init__(
        self,
        session: RawWebSocketSession,
        *,
        heartbeat: float | tuple[float, float] | None = None,
        autoping: bool = True,
        autoclose: bool = True,
        max_message_size: int = 16 * 2**20,
        close_timeout: float = 10.0,
    ) -> None:
        if not isinstance(session, RawWebSocketSession):
            raise TypeError(f"WebSocketSession takes a session, got {shown(session)}")
        check_options(
            heartbeat=heartbeat, max_message_size=max_message_size, close_timeout=close_timeout
        )
        deflate = PermessageDeflate.of(session, max_size=max_message_size)
        self._session = session
        self._end = WebSocketEnd(session, close_timeout)
        self._inbox = Inbox(
            session,
            self._end,
            deflate,
            autoping=autoping,
            autoclose=autoclose,
            max_message_size=max_message_size,
        )
        self._outbox = Outbox(session, deflate)
        self._pulse: Pulse | None = None
        if heartbeat is not None:
            self._pulse = Pulse(session, *interval_and_timeout(heartbeat), self._lose)

    def __repr__(self) -> str:
        return f"<WebSocketSession on {self._session!r}>"

    # -- state -----------------------------------------------------------------------------

    @property
    def session(self) -> RawWebSocketSession:
        """The raw session below."""
        return self._session

    @property
    def request(self) -> "web.Request | None":
        """The `web.Request` that was upgraded, on the server; None on a client."""
        return self._session.request

    @property
    def protocol(self) -> str | None:
        """The subprotocol that was negotiated, None without one."""
        return self._session.protocol

    @property
    def closed(self) -> bool:
        """True once no message can be sent: a Close was sent, or the connection is over."""
        return self._end.is_closed()

    @property
    def close_code(self) -> int | None:
        """The code of the peer's Close, once it was received. None while the connection is open.

        1005 for a Close without a code, 1006 for an end without a Close.
        """
        frame = self._session.close_received
        if frame is not None:
            return NO_STATUS if frame.close_code is None else frame.close_code
        return ABNORMAL if self._end.is_abnormal() else None

    # -- receiving -------------------------------------------------------------------------

    def __aiter__(self) -> "WebSocketSession":
        return self

    async def __anext__(self) -> Message:
        while (message := self._inbox.take()) is None:
            if (waiter := self._inbox.more()) is None:
                await self._end.reach()
                raise StopAsyncIteration
            await waiter
        return message

    async def receive(self) -> Message:
        """Wait for the next message.

        Raises EndOfStream after the peer's Close or the end of its stream, ProtocolError where
        the peer broke a rule or a limit, RuntimeError if another task is receiving. Safe to
        cancel: no message is lost.
        """
        while (message := self._inbox.take()) is None:
            if (waiter := self._inbox.more()) is None:
                await self._end.reach()
                raise self._end_of_stream()
            await waiter
        return message

    async def receive_str(self) -> str:
        """Wait for a text. TypeError for another message, which is gone then. Else as `receive`."""
        message = await self.receive()
        if message.opcode != Opcode.TEXT or not isinstance(message.data, str):
            raise unexpected(message, "text")
        return message.data

    async def receive_bytes(self) -> bytes:
        """Wait for a binary message. TypeError for another, as `receive_str` has it."""
        message = await self.receive()
        if message.opcode != Opcode.BINARY or not isinstance(message.data, bytes):
            raise unexpected(message, "binary message")
        return message.data

    async def receive_json(self, *, loads: Callable[[str], Any] = json.loads) -> Any:
        """Wait for a text, and return what it is the JSON of. Raises what `loads` does, too."""
        return loads(await self.receive_str())

    def _end_of_stream(self) -> EndOfStream:
        if self._pulse is None or not self._pulse.silent:
            return connection_of(self._session).receiver.end_of_stream()
        silence = self._pulse.verdict()
        error = EndOfStream(str(silence))
        error.__cause__ = silence
        return error

    # -- sending ---------------------------------------------------------------------------

    async def send_str(self, data: str) -> None:
        """Send a text, then wait while more than 64 KiB wait to leave.

        SessionClosed once a Close was sent or the connection is lost, TypeError for anything but
        a str.
        """
        if (rest := self._outbox.send(Frame.text(data))) is not None:
            await rest

    async def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message. Waits and raises as `send_str`."""
        if (rest := self._outbox.send(Frame.binary(data))) is not None:
            await rest

    async def send_json(self, data: Any, *, dumps: Callable[[Any], str] = json.dumps) -> None:
        """Send a text: the JSON of `data`. Waits and raises as `send_str`, and as `dumps`."""
        await self.send_str(dumps(data))

    async def send_fragments(self, source: AsyncIterable[str | bytes]) -> None:
        """Send the items of an asynchronous iterable as the fragments of one message, as they come.

        All are str or all are bytes, else TypeError. Other messages wait until this one has
        ended. Where `source` raises, the message is left unfinished and none can follow it:
        leaving the block then closes with 1011. Without any item nothing is sent.
        """
        await self._outbox.send_fragments(source)

    async def ping(self, payload: bytes = b"") -> None:
        """Send a Ping of at most 125 bytes, also between the fragments of a message."""
        await self._session.send(Frame.ping(payload))

    async def pong(self, payload: bytes = b"") -> None:
        """Send a Pong, as `ping` a Ping."""
        await self._session.send(Frame.pong(payload))

    # -- ending ----------------------------------------------------------------------------

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Send a Close, unless one was sent, and wait for the peer's, which `close_code` tells.

        A task that receives goes on to the peer's Close. Without one what still comes is thrown
        away. If the peer's Close does not come within `close_timeout` seconds, the connection is
        ended. ValueError for a code that may not be sent, or a reason of over 123 bytes.
        """
        Frame.close(code, reason)
        await self._end.close(code, reason)

    def _lose(self) -> None:
        """Drop the connection of a silent peer, or note that a peer has ended a while ago."""
        if self._pulse is not None and self._pulse.silent:
            self._session.abort()
        else:
            # The session may not know of it: nothing is read while too much is not received.
            self._end.note_peer_end()

    # -- the block -------------------------------------------------------------------------

    async def __aenter__(self) -> "WebSocketSession":
        if self._pulse is not None:
            self._pulse.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self.close()
            else:
                await self._end.fail(error)
        finally:
            if self._pulse is not None:
                self._pulse.stop()

    def task_group(self) -> TaskGroup:
        """Return a block that runs tasks beside the receiving one, and ends with the connection.

            async with websocket.task_group() as group:
                group.create_task(push(websocket))
                async for message in websocket:
                    ...

        When the connection ends, all that wait in the block are cancelled: its tasks, and the
        block itself unless it receives. What is behind the block runs then. The task that
        receives, and one that closes, see the end themselves and go on. If nobody receives what
        came before the end, the block ends `close_timeout` seconds after the peer.

        The block waits for its tasks, as `asyncio.TaskGroup` does. An error of a task cancels the
        others and is raised as it is. `SessionClosed` and `EndOfStream` of a connection that has
        ended are no errors.
        """
        return TaskGroup(self._end)


def check_options(
    *,
    heartbeat: float | tuple[float, float] | None = None,
    autoping: bool = True,
    autoclose: bool = True,
    max_message_size: int = 1,
    close_timeout: float = 0.0,
) -> None:
    """Raise TypeError or ValueError for an option that no WebSocketSession takes."""
    check_size("max_message_size", max_message_size)
    check_seconds("close_timeout", close_timeout)
    if heartbeat is not None:
        interval_and_timeout(heartbeat)


def interval_and_timeout(heartbeat: float | tuple[float, float]) -> tuple[float, float]:
    """Return the two times of a heartbeat. Raise TypeError or ValueError for what has none."""
    if not isinstance(heartbeat, tuple):
        check_seconds("heartbeat", heartbeat, positive=True)
        # aiohttp waits half of the interval for a pong, too.
        return heartbeat, heartbeat / 2
    if len(heartbeat) != 2:
        raise TypeError(f"heartbeat must be seconds, or (interval, timeout), got {heartbeat!r}")
    check_seconds("heartbeat", heartbeat[0], positive=True)
    check_seconds("the timeout of heartbeat", heartbeat[1], positive=True)
    return heartbeat


def unexpected(message: Message, wanted: str) -> TypeError:
    return TypeError(f"expected a {wanted}, got {message.type.name}")


def websocket_handler(
    handler: Callable[[WebSocketSession], Awaitable[None]], **options: Unpack[WebSocketOptions]
) -> Callable[[RawWebSocketSession], Awaitable[None]]:
    """Return the handler of a raw route from one of a `WebSocketSession`.

        async def echo(websocket: WebSocketSession) -> None:
            async for message in websocket:
                await websocket.send_str(message.data)

        add_raw_websocket(app.router, "/ws", websocket_handler(echo, heartbeat=20))

    `options` are those of `WebSocketSession`. An exception of the handler is a 1011 to the peer
    and an ERROR in the log. TypeError for a function that is not a coroutine function, and for an
    option that a `WebSocketSession` does not have.
    """
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"websocket_handler takes a coroutine function, got {shown(handler)}")
    for name in options.keys() - WebSocketOptions.__annotations__.keys():
        raise TypeError(f"websocket_handler takes no option {name!r}")
    check_options(**options)

    @functools.wraps(handler)
    async def raw_handler(session: RawWebSocketSession) -> None:
        async with WebSocketSession(session, **options) as websocket:
            await handler(websocket)

    return raw_handler
