"""The answers to Pings and to the peer's Close, as far as they can be sent."""

import contextlib

from ..session.session import RawWebSocketSession, connection_of
from ..wire.errors import SessionClosed
from ..wire.frames import Frame
from ..wire.names import Opcode
from .replies import reply

__all__ = ("Answers",)

#: The bytes that may wait to leave before a Pong has to wait, too.
MAX_BACKLOG = 2**20


class Answers:
    """Answers the control frames of a session. Never waits, so that receiving goes on."""

    __slots__ = ("_sender", "_session", "late_pong")

    def __init__(self, session: RawWebSocketSession) -> None:
        self._session = session
        self._sender = connection_of(session).sender
        #: The Pong that has to wait. RFC 6455 section 5.5.3: the last one answers for all.
        self.late_pong: Frame | None = None

    def answer(self, frame: Frame) -> None:
        """Answer a received frame, if it asks for that and the answer can be sent.

        A Pong waits for the end of a frame in pieces, and for a peer that reads nothing.
        """
        answer = reply(frame)
        if answer is None:
            return
        if answer.opcode is Opcode.PONG:
            self.late_pong = answer
            self.catch_up()
        else:
            # Within a frame in pieces no Close can be sent.
            with contextlib.suppress(SessionClosed, RuntimeError):
                self._session.send_nowait(answer)

    def catch_up(self) -> None:
        """Send the Pong that had to wait, unless it still has to."""
        pong = self.late_pong
        if pong is not None and self._sender.offer(pong, MAX_BACKLOG) is not False:
            self.late_pong = None
