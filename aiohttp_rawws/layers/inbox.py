"""The receiving half of a `WebSocketSession`: frames to messages, and the answers they ask for."""

import asyncio

from ..session.session import RawWebSocketSession, connection_of
from ..session.waiting import Waiter
from ..wire.errors import ProtocolError
from ..wire.frames import Frame
from ..wire.names import Opcode
from ..wire.pieces import Piece
from .answers import Answers
from .deflate import PermessageDeflate
from .message import Message
from .messages import MessageAssembler
from .websocket_end import WebSocketEnd

__all__ = ("Inbox",)

#: A compressed message may have any number of fragments: the parts of a frame count as such.
ANY_NUMBER = 2**62


class Inbox:
    """Takes the messages of a session, and answers its pings and its Close."""

    __slots__ = (
        "_answers",
        "_autoclose",
        "_autoping",
        "_deflate",
        "_end",
        "_error",
        "_feed",
        "_receiver",
        "_take",
    )

    def __init__(
        self,
        session: RawWebSocketSession,
        end: WebSocketEnd,
        deflate: PermessageDeflate | None,
        *,
        autoping: bool,
        autoclose: bool,
        max_message_size: int,
        decode_text: bool = True,
    ) -> None:
        connection = connection_of(session)
        messages = MessageAssembler(max_message_size=max_message_size, validate_utf8=decode_text)
        if deflate is not None:
            messages.max_fragments = ANY_NUMBER
        self._answers = Answers(session)
        self._end = end
        self._receiver = connection.receiver
        self._deflate = deflate
        self._autoping = autoping
        self._autoclose = autoclose
        # Bound once: they are called for each message.
        self._take = connection.receiver.take_part
        self._feed = messages.feed
        # What ended the receiving: it is raised by each later call.
        self._error: ProtocolError | None = None

    def take(self) -> Message | None:
        """Return the next message, None if there is none yet. Never waits.

        Raises ProtocolError for a message that breaks a rule or a limit.
        """
        try:
            while (item := self._take()) is not None:
                if self._deflate is not None:
                    item = self._deflate.decode(as_frame(item))
                message = self._feed(item)
                if message is None and isinstance(item, Frame) and item.is_control:
                    message = self._control(item)
                if message is not None:
                    return message
        except ProtocolError as error:
            self._error = error
            raise
        except RuntimeError:
            # Another task is receiving. One that closes lets this one see the end.
            if self._end.closing is None:
                raise
        return None

    def more(self) -> Waiter | None:
        """Return what to await for more to come, None at the end or while a task closes.

        To be called after `take` and awaited at once. ProtocolError where the peer broke a rule.
        """
        end = self._end
        if end.closing is not None:
            return None
        if end.groups:
            # A group cancels only its own tasks, which begin to wait after it has begun.
            end.receiving = asyncio.current_task()
        if self._error is not None:
            raise type(self._error)(*self._error.args)
        if self._answers.late_pong is not None:
            self._answers.catch_up()
        return self._receiver.more()

    def _control(self, frame: Frame) -> Message | None:
        """Answer a control frame. Return it as a message if the user is to do that."""
        if frame.opcode is Opcode.CLOSE:
            if self._autoclose:
                self._answers.answer(frame)
            return None
        if not self._autoping:
            return Message(frame.opcode, frame.payload)
        if frame.opcode is Opcode.PING:
            self._answers.answer(frame)
        return None


def as_frame(item: Frame | Piece) -> Frame:
    """Return a piece of a frame as a fragment of its own, which is the same to its message."""
    if isinstance(item, Frame):
        return item
    begins = item.offset == 0
    return Frame(
        item.opcode if begins else Opcode.CONTINUATION,
        item.payload,
        item.fin and item.last,
        rsv1=begins and item.rsv1,
        rsv2=begins and item.rsv2,
        rsv3=begins and item.rsv3,
    )
