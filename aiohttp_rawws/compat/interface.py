"""The methods that both of aiohttp's WebSocket classes have."""

import json
from collections.abc import Callable, Coroutine
from types import GenericAlias
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import WSMessage, WSMsgType

from ..wire.frames import Frame
from .conversation import Conversation
from .messages import ENDS, unexpected

__all__ = ("Interface", "not_prepared")


class Methods:
    """What a WebSocket can do, in aiohttp's words.

    Most methods return a coroutine of the conversation, so that no second one is run for a message.
    Those that aiohttp makes of others call these, so that a subclass may change them.
    """

    #: None before `prepare`.
    _conversation: Conversation | None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.receive is not Methods.receive:
            cls.__anext__ = cls._received  # type: ignore[method-assign]

    def __class_getitem__(cls, decode_text: Any) -> Any:
        return GenericAlias(cls, decode_text)

    @property
    def closed(self) -> bool:
        """True once our Close was sent, or the connection was lost and that was received."""
        return self._conversation is not None and self._conversation.closed

    @property
    def close_code(self) -> int | None:
        """The code of the peer's Close, 0 for an empty one; 1006 for an end without it."""
        return None if self._conversation is None else self._conversation.close_code

    def exception(self) -> BaseException | None:
        """Return the error by which the WebSocket ended, None if there is none."""
        return None if self._conversation is None else self._conversation.exception

    # -- receiving -------------------------------------------------------------------------

    def receive(self, timeout: float | None = None) -> Coroutine[Any, Any, WSMessage]:
        """Wait for the next message, `timeout` seconds at most.

        A message of type CLOSE, CLOSING, CLOSED or ERROR tells of the end. asyncio.TimeoutError
        if nothing comes in time, RuntimeError if another task is receiving. Safe to cancel.
        """
        return (self._conversation or not_prepared()).receive(timeout)

    async def receive_str(self, *, timeout: float | None = None) -> str | bytes:
        """Wait for a text. WSMessageTypeError for any other message."""
        message = await self.receive(timeout)
        if message.type is not WSMsgType.TEXT:
            raise unexpected(message, WSMsgType.TEXT)
        data: str | bytes = message.data
        return data

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for a binary message. WSMessageTypeError for any other message."""
        message = await self.receive(timeout)
        if message.type is not WSMsgType.BINARY:
            raise unexpected(message, WSMsgType.BINARY)
        data: bytes = message.data
        return data

    async def receive_json(
        self, *, loads: Callable[[Any], Any] = json.loads, timeout: float | None = None
    ) -> Any:
        """Wait for a text, and return what it is the JSON of."""
        return loads(await self.receive_str(timeout=timeout))

    def __anext__(self) -> Coroutine[Any, Any, WSMessage]:
        return (self._conversation or not_prepared()).next()

    async def _received(self) -> WSMessage:
        """Return the next message of a subclass that receives in its own way."""
        message = await self.receive()
        if message.type in ENDS:
            raise StopAsyncIteration
        return message

    # -- sending ---------------------------------------------------------------------------

    def ping(self, message: bytes = b"") -> Coroutine[Any, Any, None]:
        """Send a Ping of at most 125 bytes."""
        return (self._conversation or not_prepared()).sending.send(Frame.ping(message))

    def pong(self, message: bytes = b"") -> Coroutine[Any, Any, None]:
        """Send a Pong of at most 125 bytes."""
        return (self._conversation or not_prepared()).sending.send(Frame.pong(message))

    def send_frame(
        self, message: bytes, opcode: WSMsgType, compress: int | None = None
    ) -> Coroutine[Any, Any, None]:
        """Send a whole frame of any opcode, compressed as agreed. TEXT takes its UTF-8."""
        return (self._conversation or not_prepared()).sending.send_frame(message, opcode)

    def send_str(self, data: str, compress: int | None = None) -> Coroutine[Any, Any, None]:
        """Send a text, compressed as agreed, and wait while more than 64 KiB wait to leave.

        aiohttp.ClientConnectionResetError once a Close was sent or the connection is lost.
        """
        return (self._conversation or not_prepared()).sending.send_str(data)

    def send_bytes(self, data: bytes, compress: int | None = None) -> Coroutine[Any, Any, None]:
        """Send a binary message, as `send_str` a text."""
        return (self._conversation or not_prepared()).sending.send_bytes(data)

    def send_json(
        self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], str] = json.dumps
    ) -> Coroutine[Any, Any, None]:
        """Send a text: the JSON of `data`."""
        return self.send_str(dumps(data), compress=compress)

    def send_json_bytes(
        self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], bytes]
    ) -> Coroutine[Any, Any, None]:
        """Send a binary message: what `dumps` makes of `data`."""
        return self.send_bytes(dumps(data), compress=compress)

    # -- ending ----------------------------------------------------------------------------

    def close(
        self, *, code: int = 1000, message: bytes = b"", drain: bool = True
    ) -> Coroutine[Any, Any, bool]:
        """Send a Close, and wait for the peer's as long as the timeout of the WebSocket says.

        Return False if it was closed before. Another task that receives gets CLOSING. ValueError
        for a code that may not be sent. A message of over 123 bytes is cut. `drain` has no effect.
        """
        return (self._conversation or not_prepared()).close(code, message)


def not_prepared() -> NoReturn:
    raise RuntimeError("Call .prepare() first")


if TYPE_CHECKING:

    class Interface:
        """The signatures are aiohttp's: type checkers see those of the other base class."""

else:
    Interface = Methods
