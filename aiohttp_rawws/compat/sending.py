"""What a WebSocket of aiohttp sends, with aiohttp's error where nothing can be sent."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..layers.deflate import PermessageDeflate
from ..layers.outbox import Outbox
from ..session.session import RawWebSocketSession
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from .messages import cannot_write

__all__ = ("Sending",)


class Sending:
    """Sends whole messages of many tasks, compressed as agreed."""

    def __init__(self, session: RawWebSocketSession, deflate: PermessageDeflate | None) -> None:
        # Bound once: it is called for each message.
        self._send: Callable[[Frame], Awaitable[None] | None] = Outbox(session, deflate).send

    async def send_str(self, data: str) -> None:
        try:
            if (rest := self._send(Frame.text(data))) is not None:
                await rest
        except SessionClosed as error:
            raise cannot_write() from error

    async def send_bytes(self, data: bytes) -> None:
        try:
            if (rest := self._send(Frame.binary(data))) is not None:
                await rest
        except SessionClosed as error:
            raise cannot_write() from error

    async def send(self, frame: Frame) -> None:
        try:
            if (rest := self._send(frame)) is not None:
                await rest
        except SessionClosed as error:
            raise cannot_write() from error

    def send_frame(self, message: bytes, opcode: int) -> Coroutine[Any, Any, None]:
        """Send a whole frame. TEXT takes its UTF-8."""
        return self.send(Frame(opcode, message))

    def stop(self) -> None:
        """Let the compressor go, which is big. Nothing can be sent any more."""
        self._send = refuse


def refuse(frame: Frame) -> None:
    raise SessionClosed("the connection has ended")
