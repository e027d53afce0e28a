"""The frames of each message joined to one."""

from ..layers.messages import MessageAssembler
from ..session.session import RawWebSocketSession
from ..wire.errors import FrameTooBig
from ..wire.frames import Frame, make_frame, parts_of

__all__ = ("Joiner",)

FIN = 0x80
RESERVED = 0x70


class Joiner:
    """Joins the fragments of the messages that one side sends. Their bytes stay as they are."""

    def __init__(self, session: RawWebSocketSession) -> None:
        self._session = session
        # A text that is not UTF-8 is not ours to judge.
        self._assembler = MessageAssembler(validate_utf8=False)
        # The first octet and the masking key of the message that has begun, None between two.
        self._head = 0
        self._mask: bytes | None = None
        self._has_begun = False

    def join(self, frame: Frame) -> Frame | None:
        """Return the whole message as one frame if this frame ends it, else None.

        It has the reserved bits and the masking key of the first fragment. A control frame, and a
        frame that is a whole message, are returned as they are. FrameTooBig for a message over
        `max_frame_size`, ProtocolError for fragments that cannot be joined.
        """
        if frame.is_control or (frame.fin and not self._has_begun):
            return frame
        head, payload, mask, _ = parts_of(frame)
        if not self._has_begun:
            self._has_begun = True
            self._head, self._mask = head | FIN, mask
            self._assembler.max_message_size = self._session.max_frame_size
            # Only the first fragment has the bits of an extension (RFC 7692 section 6.1).
            frame = make_frame(head & ~RESERVED, payload, None, 0)
        try:
            message = self._assembler.feed(frame)
        except FrameTooBig as error:
            size, limit = error.size, error.limit
            text = f"a message of {size} bytes or more is over max_frame_size ({limit})"
            raise FrameTooBig(size, limit, text) from None
        if message is None:
            return None
        self._has_begun = False
        data = message.data
        assert isinstance(data, bytes)
        return make_frame(self._head, data, self._mask, 0)
