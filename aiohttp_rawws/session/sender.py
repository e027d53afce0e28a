"""Frames to bytes."""

from ..wire.arguments import not_a_frame
from ..wire.errors import SessionClosed
from ..wire.frames import LENGTH_64, Frame, octets
from ..wire.names import Violation
from ..wire.native import rotate
from ..wire.pieces import Piece
from .limits import COPY_LIMIT, CORK_LIMIT
from .link import Link
from .writer import Writer

__all__ = ("Sender", "half_sent")

UNMASKED = Violation.UNMASKED.value
MASKED = Violation.MASKED.value
LENGTH_ENCODING = Violation.LENGTH_ENCODING.value
AFTER_CLOSE = Violation.AFTER_CLOSE.value
#: The longest payload of a frame: the most significant bit of a length is 0 (RFC 6455 5.2).
MAX_LENGTH = 2**63 - 1


class Sender:
    """The sending half of a connection: frames, whole or in pieces, and any bytes."""

    __slots__ = (
        "_piece_key",
        "_piece_length",
        "close_sent",
        "eof_sent",
        "link",
        "masking",
        "unfinished",
        "writer",
    )

    def __init__(self, link: Link, writer: Writer, masking: bool) -> None:
        self.link = link
        self.writer = writer
        #: Frames are masked: by the key they have, else by a fresh one.
        self.masking = masking
        self.close_sent: Frame | None = None
        self.eof_sent = False
        #: How many bytes of a frame are still to come, that is being sent in parts.
        self.unfinished = 0
        # The frame that is being sent in pieces.
        self._piece_length = 0
        self._piece_key: bytes | None = None

    # -- whole frames ----------------------------------------------------------------------

    def send(self, frame: Frame) -> None:
        """Send a frame. TypeError for anything else, SessionClosed once nothing can be sent."""
        if not isinstance(frame, Frame):
            raise not_a_frame("send", frame)
        if not self.is_open():
            raise self.closed_error()
        if self.unfinished:
            raise half_sent()
        self._put_frame(frame)

    def offer(self, frame: Frame, max_backlog: int) -> "bool | None":
        """Send a frame unless more than `max_backlog` bytes wait.

        Returns True if it was sent, False for such a laggard, None if nothing can be sent.
        """
        if not self.is_open():
            return None
        # Nothing may stand within a frame that is half sent.
        if self.unfinished or self.writer.waiting() > max_backlog:
            return False
        self._put_frame(frame)
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        """Send any bytes, with no rule applied."""
        if self.eof_sent or not self.link.is_reachable() or self.link.is_closing():
            raise self.closed_error()
        self.writer.put(octets(data, "data"))

    def is_open(self) -> bool:
        """Return True if frames may still be sent."""
        # Asked for each frame, so without a call of `Link.is_gone`.
        return (
            self.close_sent is None
            and not (self.eof_sent or self.link.lost)
            and (self.link.cork.active or self.link.is_reachable())
            and not self.link.is_closing()
        )

    def closed_error(self) -> SessionClosed:
        """Return the error that tells why nothing can be sent."""
        if self.link.is_gone():
            reason = "the connection is closed"
        elif self.eof_sent:
            reason = "the sending half is shut"
        else:
            reason = "a Close frame was sent; only write() may follow it"
        error = SessionClosed(reason)
        error.__cause__ = self.link.exception
        return error

    def _put_frame(self, frame: Frame) -> None:
        out = self.writer.out
        head = frame._head
        payload = frame._payload
        if head & 0x0F == 8:
            self.close_sent = frame
        if self.masking:
            out.put_frame(head, payload, self._key_for(frame._mask))
        elif frame._wire is not None:
            self.writer.put_alone(frame._wire)
            return
        elif len(payload) > COPY_LIMIT:
            out.put_header(head, len(payload), None)
            self.writer.flush_with(payload)
            return
        else:
            out.put_frame(head, payload, None)
        if not self.writer.corked or len(out) >= CORK_LIMIT:
            self.writer.flush_later()

    def _key_for(self, mask: "bytes | None") -> bytes:
        return self.link.cork.keys.next() if mask is None else mask

    # -- pieces ----------------------------------------------------------------------------

    def send_piece(self, piece: Piece, violations: int = 0) -> None:
        """Send the next piece of a frame, whose header goes before the first one.

        `violations` are those of a frame that another session has let pass (`forward`).
        """
        if not self._may_send(violations):
            raise self.closed_error()
        payload = octets(piece.payload, "payload")
        begins = self.unfinished == 0
        length = piece.length if begins else self._piece_length
        check_piece(piece, 0 if begins else length - self.unfinished, length, len(payload))
        if begins:
            self._begin_pieces(piece, violations)
        self.unfinished -= len(payload)
        if self._piece_key is None:
            self.writer.put(payload)
        else:
            self.writer.out.put(payload, rotate(self._piece_key, piece.offset))
            self.writer.flush_later()

    def _begin_pieces(self, piece: Piece, violations: int) -> None:
        frame = Frame(
            piece.opcode,
            b"",
            piece.fin,
            rsv1=piece.rsv1,
            rsv2=piece.rsv2,
            rsv3=piece.rsv3,
            mask=piece.mask,
        )
        if frame.is_control:
            raise ValueError("a control frame is sent whole, with send()")
        if piece.length > MAX_LENGTH:
            raise ValueError(f"a frame has at most 2**63 - 1 bytes, got {piece.length}")
        self._piece_key = self._put_header(frame._head, piece.length, frame._mask, violations)
        self._piece_length = self.unfinished = piece.length

    # -- what another session has received -------------------------------------------------

    def forward(self, item: "Frame | Piece") -> None:
        """Send a frame or a piece as another session has received it.

        A frame that broke rules goes on as it stood: unmasked, masked, with a longer length,
        behind a Close.
        """
        if not isinstance(item, Frame):
            self.send_piece(item, item.violations.value)
            return
        frame = item
        if frame._violations:
            self._put_as_it_stood(frame)
        else:
            self.send(frame)

    def forward_octets(self, data: bytearray, size: int, unfinished: int) -> None:
        """Send `data[:size]`, which are frames masked as this side sends them.

        `unfinished` bytes of the last frame are still to come.
        """
        if not self.is_open():
            # Whoever receives from this connection sees why.
            return
        self.writer.put_octets(data, size)
        self.unfinished = unfinished

    def _put_as_it_stood(self, frame: Frame) -> None:
        if not self._may_send(frame._violations):
            raise self.closed_error()
        if self.unfinished:
            raise half_sent()
        if frame._head & 0x0F == 8 and self.close_sent is None:
            self.close_sent = frame
        payload = frame._payload
        key = self._put_header(frame._head, len(payload), frame._mask, frame._violations)
        if key is None:
            self.writer.put(payload)
        else:
            self.writer.out.put(payload, key)
            self.writer.flush_later()

    def _may_send(self, violations: int) -> bool:
        """Return True if a frame may be sent that broke these rules where it was received."""
        if violations & AFTER_CLOSE:
            return not (self.eof_sent or self.link.is_gone())
        return self.is_open()

    def _put_header(
        self, head: int, length: int, mask: "bytes | None", violations: int
    ) -> "bytes | None":
        """Put the header of a frame as it stood. Return the masking key, None without one."""
        key = None
        if violations & MASKED or (self.masking and not violations & UNMASKED):
            key = self._key_for(mask)
        if violations & LENGTH_ENCODING:
            form = 127 if violations & LENGTH_64 or length > 125 else 126
            self.writer.out.put(header_octets(head, length, key, form), None)
        else:
            self.writer.out.put_header(head, length, key)
        return key


def half_sent() -> RuntimeError:
    """Return the error for a frame that would stand within another one."""
    return RuntimeError("a frame is half sent: send the rest of its pieces first")


def check_piece(piece: Piece, offset: int, length: int, size: int) -> None:
    """ValueError unless a piece of `size` bytes stands at `offset` of a frame of `length`."""
    if piece.offset != offset or piece.length != length:
        raise ValueError(
            f"the next piece of a frame is at {offset} of {length}, "
            f"got one at {piece.offset} of {piece.length}"
        )
    end = piece.offset + size
    if end > length or piece.last != (end == length):
        raise ValueError(
            f"a piece must end within its frame, and `last` tell whether it ends it: "
            f"got {piece.offset} to {end} of {length}, last={piece.last}"
        )


def header_octets(head: int, length: int, mask: bytes | None, form: int) -> bytes:
    """Return a header whose length has a longer form than it needs (section 5.2).

    `form` is the 7-bit length that announces it: 126 for 16 bits, 127 for 64.
    """
    second = form if mask is None else form | 0x80
    return bytes((head, second)) + length.to_bytes(2 if form == 126 else 8, "big") + (mask or b"")
