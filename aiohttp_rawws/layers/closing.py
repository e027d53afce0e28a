"""The closing handshake of RFC 6455 section 7 from our side, and the end without it."""

import contextlib

from ..session.checks import check_seconds
from ..session.deadline import in_time
from ..session.ending import end
from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import shown
from ..wire.errors import ProtocolError, SessionClosed
from ..wire.frames import Frame
from ..wire.names import CloseCode

__all__ = ("close_handshake", "fail_connection")


async def close_handshake(
    session: RawWebSocketSession,
    code: int | None = CloseCode.NORMAL_CLOSURE,
    reason: str = "",
    *,
    timeout: float = 10.0,
) -> Frame | None:
    """Send a Close, unless one was sent, and read on until the peer's. Return the peer's Close.

    None if the peer's Close does not come within `timeout` seconds, in which ours is sent, too.
    None also if it cannot come: the peer ended its stream, was lost, or broke the protocol.
    After a violation nothing more can be read (section 7.1.7), and `receive` raises the
    ProtocolError. Frames before the peer's Close are thrown away, whatever their size. If the
    peer's Close was received before, ours answers it, and nothing is waited for.

    ValueError for a code or reason, as `session.close` has it. RuntimeError if another task is
    receiving: our Close was sent then, and that task gets the peer's.
    """
    if not isinstance(session, RawWebSocketSession):
        raise TypeError(f"close_handshake takes a session, got {shown(session)}")
    check_seconds("timeout", timeout)
    with contextlib.suppress(TimeoutError):
        await in_time(close_both(session, code, reason), timeout)
    return session.close_received


async def close_both(session: RawWebSocketSession, code: int | None, reason: str) -> None:
    await session.close(code, reason)
    if session.close_received is None:
        await read_to_close(session)


async def fail_connection(session: RawWebSocketSession, code: int, reason: str) -> None:
    """Fail the connection (section 7.1.7): send a Close, unless one was sent, and end it.

    It ends as a handler's return ends one, so that the Close arrives. Within a frame in pieces no
    Close can be sent: the connection is dropped then.
    """
    try:
        # Not `close`, which would wait for a peer that reads nothing. `end` waits for a while.
        session.send_nowait(Frame.close(code, reason))
    except SessionClosed:
        # One was sent, or nobody is left to be told.
        pass
    except RuntimeError:
        session.abort()
    await end(connection_of(session))


async def read_to_close(session: RawWebSocketSession) -> None:
    with contextlib.suppress(ProtocolError):
        # In pieces no frame is too big, and the rest of one that was begun in pieces is read.
        async for _ in session.pieces():
            if session.close_received is not None:
                return
