"""Payloads inflated to be shown. What passed stays compressed."""

from ..layers.deflate_coding import Decompressor
from ..layers.deflate_negotiation import answer_of
from ..wire.errors import FrameTooBig, ProtocolError
from ..wire.frames import Frame
from ..wire.names import Opcode
from ..wire.pieces import Piece

__all__ = ("Inflater", "inflaters_of")

#: The largest window, which takes what was compressed with any other.
WINDOW = 15

#: Set in the opcodes of control frames (RFC 6455 section 5.2).
CONTROL = 0x08

TOO_BIG = "not inflated: over"
CUT = "not inflated: only the start of an earlier frame was seen"


class Inflater:
    """Inflates a copy of the payloads that one side sends.

    With `fresh` each message is compressed on its own: one that cannot be inflated does not
    affect the next. Otherwise nothing can be inflated behind it.
    """

    def __init__(self, *, fresh: bool, max_size: int) -> None:
        self._fresh = fresh
        self._max_size = max_size
        self._decompressor = self._new_decompressor()
        #: The message that runs is compressed.
        self._is_compressed = False
        #: The reason why the stream cannot be followed, "" if it can be.
        self._lost = ""

    def inflate(self, frame: Frame | Piece) -> tuple[bytes, str]:
        """Return a payload, or the start of one, and a note on what was done to it.

        A payload that cannot be inflated is returned as it is.
        """
        payload = frame.payload
        if frame.opcode & CONTROL:
            return payload, ""
        if frame.opcode != Opcode.CONTINUATION:
            self._begin(frame)
        if not self._is_compressed:
            return payload, ""
        if self._lost:
            return payload, self._lost
        return self._inflate(payload, frame)

    def lose(self, reason: str) -> None:
        """Inflate nothing behind this that needs what came before: some of that is missing."""
        self._lost = f"not inflated: {reason}"

    def _begin(self, frame: Frame | Piece) -> None:
        self._is_compressed = frame.rsv1
        if self._fresh and frame.rsv1:
            self._lost = ""
            self._decompressor = self._new_decompressor()

    def _inflate(self, payload: bytes, frame: Frame | Piece) -> tuple[bytes, str]:
        is_whole = not isinstance(frame, Piece) or frame.last
        try:
            inflated = self._decompressor.decompress(payload, frame.fin and is_whole)
        except FrameTooBig as error:
            self._lost = f"{TOO_BIG} {error.limit} bytes"
            return payload, self._lost
        except ProtocolError as error:
            self._lost = f"not inflated: {error}"
            return payload, self._lost
        if not is_whole:
            self._lost = CUT
            return inflated, "inflated, its start"
        return inflated, f"inflated, {len(inflated)} bytes"

    def _new_decompressor(self) -> Decompressor:
        return Decompressor(fresh=self._fresh, window=WINDOW, max_size=self._max_size)


def inflaters_of(extensions: str | None, max_size: int) -> dict[str, Inflater]:
    """Return the inflaters of both directions, none if nothing is compressed.

    `max_size` bounds what one message inflates to, in bytes.
    """
    try:
        agreed = answer_of(extensions)
    except ValueError:
        agreed = None
    if agreed is None:
        return {}
    return {
        "client": Inflater(fresh=agreed.client_no_context_takeover, max_size=max_size),
        "upstream": Inflater(fresh=agreed.server_no_context_takeover, max_size=max_size),
    }
