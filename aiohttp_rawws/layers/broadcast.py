"""One frame to many sessions."""

from collections.abc import Callable, Iterable

from ..session.checks import check_int
from ..session.session import RawWebSocketSession, connection_of
from ..wire.arguments import not_a_frame, shown
from ..wire.frames import Frame, prepare

__all__ = ("broadcast",)


def broadcast(
    sessions: Iterable[RawWebSocketSession],
    frame: Frame,
    *,
    max_backlog: int = 2**20,
    laggard: Callable[[RawWebSocketSession], object] | None = None,
) -> int:
    """Send a frame to each of the sessions. Return the number of those it was sent to.

    The frame is encoded once. Nothing waits. Sessions that are closed or have sent a Close are
    left out, and so are laggards: sessions with more than `max_backlog` bytes (1 MiB) still to
    hand to the system, or in the middle of a frame in pieces. `laggard(session)` is called for
    each laggard. It may drop the session (`laggard=RawWebSocketSession.abort`) or note that a
    frame was missed.

    `sessions` may change meanwhile. TypeError for anything but a frame and sessions.
    """
    if not isinstance(frame, Frame):
        raise not_a_frame("broadcast(sessions, frame)", frame)
    if not isinstance(sessions, Iterable):
        raise TypeError(f"broadcast takes sessions in a list or a set, got {shown(sessions)}")
    check_int("max_backlog", max_backlog, least=0)
    prepared = prepare(frame)
    number = 0
    for session in tuple(sessions):
        try:
            sent = connection_of(session).sender.offer(prepared, max_backlog)
        except AttributeError:
            if isinstance(session, RawWebSocketSession):
                raise
            raise TypeError(f"broadcast takes sessions, got {shown(session)} among them") from None
        if sent:
            number += 1
        elif sent is False and laggard is not None:
            laggard(session)
    return number
