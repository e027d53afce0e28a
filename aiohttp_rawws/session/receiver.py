"""Frames and pieces for whoever receives, and why there are no more."""

from ..wire.errors import EndOfStream
from ..wire.frames import Frame, whole_piece
from ..wire.pieces import Piece
from ..wire.stops import Stop
from .link import Link
from .reader import Reader
from .waiting import Waiter

__all__ = ("Receiver",)

LIMIT = Stop.LIMIT.value
CLOSED = Stop.CLOSED.value
VIOLATION = Stop.VIOLATION.value


class Receiver:
    """The receiving half of a connection. Nothing waits here: `more` returns what to await."""

    __slots__ = ("_link", "_parser", "_queue", "close_received", "reader", "waiter")

    def __init__(self, link: Link, reader: Reader) -> None:
        self._link = link
        self._parser = reader.parser
        self._queue = reader.parser.queue
        self.reader = reader
        self.waiter = reader.waiter
        #: The peer's Close, once it was taken.
        self.close_received: Frame | None = None

    # -- frames ----------------------------------------------------------------------------

    def take(self) -> "Frame | None":
        """Return the next frame, None if there is none yet."""
        if (
            self.waiter.waiting or self._parser.pieces or self._queue.first is None
        ) and not self._prepare():
            return None
        frame: Frame = self._queue.take()
        if frame._head & 0x0F == 8 or self.reader.paused or self._parser.stop == LIMIT:
            self._note_taken(frame)
        return frame

    def take_next(self) -> "Frame | None":
        """Return the next frame for the consumer, None if there is none yet."""
        if self._queue.first is None and not self._settle():
            return None
        frame: Frame = self._queue.take()
        self._note_taken(frame)
        return frame

    def take_all(self) -> "list[Frame] | None":
        """Return all the frames that are complete, None if there are none yet."""
        if not self._prepare():
            return None
        frames: list[Frame] = self._queue.take_all()
        for frame in frames:
            self._note_taken(frame)
        return frames

    def take_or_raise(self) -> "Frame | None":
        """Return the next frame, None if there is none yet. Raise what ends the receiving."""
        frame = self.take()
        if frame is None and self.has_ended():
            raise self.end_of_stream()
        return frame

    def _prepare(self) -> bool:
        """Return True if a whole frame is there to be taken."""
        self.leave_pieces()
        return self._queue.first is not None or self._settle()

    def _settle(self) -> bool:
        """Look for a frame again. What held the reading back may be gone."""
        # Pieces, for example, or a lower max_frame_size.
        self._parser.settle()
        if self._queue.first is None and (self.reader.paused or self._parser.stop == LIMIT):
            self.reader.relieve()
        return self._queue.first is not None

    def leave_pieces(self) -> None:
        """Go over to whole frames. RuntimeError if another task is receiving."""
        self.refuse_second()
        parser = self._parser
        if not parser.pieces:
            return
        if parser.is_cutting and not parser.is_ready() and self.has_ended():
            # The rest of the frame will never come.
            return
        self._refuse_rest()
        if parser.is_cutting or isinstance(self._queue.first, Piece):
            raise RuntimeError("a frame is half read: take the rest of it from pieces() first")
        parser.whole()

    def _note_taken(self, frame: Frame) -> None:
        if frame._head & 0x0F == 8 and self.close_received is None:
            self.close_received = frame
        if self.reader.paused or self._parser.stop == LIMIT:
            self.reader.relieve()

    # -- pieces ----------------------------------------------------------------------------

    def take_piece(self) -> "Piece | Frame | None":
        """Return the next piece, or a control frame, None if there is none yet."""
        item = self.take_part()
        return whole_piece(item) if isinstance(item, Frame) and not item.is_control else item

    def take_part(self) -> "Piece | Frame | None":
        """Return the next frame, or what has come of one that is not whole. None if nothing has."""
        parser = self._parser
        self.refuse_second()
        self._refuse_rest()
        if not parser.pieces:
            parser.pieces = True
            parser.resume()
        if self._queue.first is None:
            # A control frame comes whole, and has to fit.
            parser.settle()
        if self._queue.first is None:
            piece = parser.cut()
            self.reader.relieve()
            return piece
        item: Frame | Piece = self._queue.take()
        if isinstance(item, Piece):
            self.reader.relieve()
            return item
        self._note_taken(item)
        return item

    # -- one receiver, and the end ---------------------------------------------------------

    def refuse_second(self) -> None:
        """RuntimeError if another task is receiving."""
        # One that waits for a loop that is closed will never go on.
        if self.waiter.waiting and not self._link.is_orphaned():
            raise RuntimeError("another task is receiving from this session already")

    def _refuse_rest(self) -> None:
        if self._parser.left and not self.has_ended():
            raise RuntimeError("a frame was relayed in part: its rest means nothing without that")

    def more(self) -> "Waiter | None":
        """Return what to await for more to come, None at the end. ProtocolError if that is why."""
        return None if self.has_ended() else self.waiter

    def has_ended(self) -> bool:
        """Return True if nothing more will come. ProtocolError if the peer broke a rule."""
        parser = self._parser
        if parser.stop == VIOLATION:
            error = parser.error
            assert error is not None
            # A new one each time: an exception that is raised again grows its traceback.
            raise type(error)(*error.args)
        if parser.stop == CLOSED:
            return True
        return self.reader.is_over() and parser.stop != LIMIT

    def end_of_stream(self) -> EndOfStream:
        """Return the error that tells why nothing more will come."""
        exception = self._link.exception
        if self.close_received is not None and self._parser.stop == CLOSED:
            reason = "the peer has sent a Close"
        elif self._parser.is_partial:
            reason = "the peer ended its stream in the middle of a frame"
        elif self._link.lost and exception is not None:
            reason = f"the connection was lost: {exception}"
        else:
            reason = "the peer ended its stream"
        error = EndOfStream(reason)
        error.__cause__ = exception
        return error
