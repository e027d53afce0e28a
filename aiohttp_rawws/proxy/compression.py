"""The compression of the two sides of a relay, each by itself, with plain frames between them."""

from collections.abc import Callable

from multidict import MultiMapping

from ..layers.deflate import PermessageDeflate
from ..layers.deflate_negotiation import HEADER, agreement, answer_of, offers_of
from ..session.session import RawWebSocketSession, connection_of
from ..wire.errors import FrameTooBig
from ..wire.explanations import violation_error
from ..wire.frames import Frame, parts_of
from ..wire.header_lists import raw_lines
from ..wire.names import Violation
from .plan import Deflate

__all__ = ("Compression", "compressions_of", "inflating", "wrong_agreement")

#: What a session may let pass, and no compression can: it would be taken for a compressed message,
#: or stands within one.
IMPASSABLE = Violation.RESERVED_BITS.value | Violation.EXPECTED_CONTINUATION.value


class Compression:
    """The permessage-deflate of one side: frames are plain on this side of it."""

    def __init__(self, session: RawWebSocketSession, deflate: PermessageDeflate) -> None:
        self._parser = connection_of(session).reader.parser
        self._deflate = deflate
        #: Return a frame as it is to be sent to this side.
        self.deflate = deflate.encode
        # The size of the message so far that this side sends, in bytes.
        self._size = 0
        self._max_size = deflate.max_size
        self._is_checked = lets_pass(session)

    def inflate(self, frame: Frame) -> Frame:
        """Return a frame of this side as it was before compression.

        FrameTooBig for one that inflates to more than `max_frame_size`, ProtocolError for one
        that breaks a rule of RFC 7692.
        """
        if self._is_checked:
            check_order(frame)
        limit = self._parser.max_frame_size
        if self._max_size != self._size + limit:
            # There a limit is for a message, and a relay lets messages of any size pass.
            self._deflate.max_size = self._max_size = self._size + limit
        try:
            plain = self._deflate.decode(frame)
        except FrameTooBig:
            message = f"a frame inflates to more than max_frame_size ({limit} bytes)"
            raise FrameTooBig(limit + 1, limit, message) from None
        if not plain.fin:
            self._size += len(plain.payload)
        elif self._size and not plain.is_control:
            self._size = 0
        return plain


def compressions_of(
    a: RawWebSocketSession, b: RawWebSocketSession, deflate: Deflate | None
) -> "tuple[Compression | None, Compression | None]":
    """Return the compressions that a relay with `deflate` takes off and puts on. None without.

    ValueError for a session with another extension, and for a compressed `b` that is to be
    offloaded. ProtocolError for the answer of a server that does not fit the offer.
    """
    if deflate is None:
        return None, None
    compressions = compression_of(a), compression_of(b)
    if deflate == "offload" and compressions[1] is not None:
        raise ValueError(
            'deflate="offload" is for a plain b: it has negotiated permessage-deflate; '
            'deflate="decode" takes it'
        )
    return compressions


def compression_of(session: RawWebSocketSession) -> Compression | None:
    deflate = PermessageDeflate.of(session)
    if deflate is not None:
        return Compression(session, deflate)
    if session.extensions is not None:
        raise ValueError(
            f"deflate= knows permessage-deflate alone; a session has {session.extensions!r}"
        )
    return None


def wrong_agreement(sent: MultiMapping[str], got: MultiMapping[str]) -> str:
    """Return why the permessage-deflate of a 101 does not fit the offer, "" if it does."""
    try:
        answer = answer_of(", ".join(raw_lines(got, HEADER)))
        if answer is not None:
            agreement(answer, offers_of(raw_lines(sent, HEADER)))
    except ValueError as error:
        return f"{HEADER} of the 101: {error}"
    return ""


def inflating(
    session: RawWebSocketSession, source: Compression | None, target: Compression | None
) -> "Callable[[Frame], Frame] | None":
    """Return what each frame of a session goes through first, None for nothing."""
    if source is not None:
        return source.inflate
    return check_order if target is not None and lets_pass(session) else None


def lets_pass(session: RawWebSocketSession) -> bool:
    """Return True if a session lets frames pass that no compression can."""
    return connection_of(session).reader.parser.rules.reject & IMPASSABLE != IMPASSABLE


def check_order(frame: Frame) -> Frame:
    """Return a frame that a compressed side can be sent; ProtocolError for any other."""
    violations = parts_of(frame)[3] & IMPASSABLE
    if violations:
        raise violation_error(Violation(violations))
    return frame
