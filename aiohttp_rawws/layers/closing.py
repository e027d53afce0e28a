"""The closing handshake of RFC 6455 section 7, from our side."""

import asyncio
import contextlib

from ..session.session import RawWebSocketSession
from ..wire.arguments import shown
from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from ..wire.names import CloseCode
from .checks import check_seconds
from .interruption import Interruption

__all__ = ("close_handshake",)


async def close_handshake(
    session: RawWebSocketSession,
    code: int | None = CloseCode.NORMAL_CLOSURE,
    reason: str = "",
    *,
    timeout: float = 10.0,
) -> Frame | None:
    """Send a Close, unless one was sent, and read on until the peer's; that Close frame.

    None if there is none within `timeout` seconds (which bound the sending too), or if there
    will be none: the peer ended its stream, was lost, or broke the protocol (what comes then can
    be read no further, section 7.1.7; whoever reads on gets the ProtocolError). What comes
    before the peer's Close is thrown away, frames of any size included. If the peer's was
    received before, ours is the answer to it, and nothing is waited for.

    ValueError as `session.close` has it; RuntimeError if another task is receiving, once the
    Close was sent: that task will get the peer's.
    """
    if not isinstance(session, RawWebSocketSession):
        raise TypeError(f"close_handshake takes a session, got {shown(session)}")
    check_seconds("timeout", timeout)
    loop = asyncio.get_running_loop()
    with Interruption() as block:
        timer = loop.call_later(timeout, block.interrupt)
        try:
            await session.close(code, reason)
            if session.close_received is None:
                await read_to_close(session)
        finally:
            timer.cancel()
    return session.close_received


async def read_to_close(session: RawWebSocketSession) -> None:
    with contextlib.suppress(ProtocolError):
        # In pieces, so that no frame is too big, nor half of one in the way.
        async for _ in session.pieces():
            if session.close_received is not None:
                return
