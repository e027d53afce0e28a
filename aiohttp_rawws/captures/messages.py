"""The messages of one direction: fragments joined, compression taken off."""

from typing import NamedTuple

from ..wire.names import Opcode
from .format import FrameLine
from .inflation import Inflater

__all__ = ("Message", "Messages")


class Message(NamedTuple):
    """A message, or a control frame. `note` says what is wrong with it, "" if nothing is."""

    opcode: int
    payload: bytes
    note: str


class Messages:
    """Joins the frames that one side sends. `max_size` bounds a message, in bytes."""

    def __init__(self, inflater: Inflater | None, max_size: int) -> None:
        self._inflater = inflater
        self._max_size = max_size
        self._opcode: int | None = None
        self._parts: list[bytes] = []
        self._size = 0
        #: In their order, each once.
        self._notes: dict[str, None] = {}

    def feed(self, line: FrameLine) -> list[Message]:
        """Return the messages that a frame has completed."""
        frame = line.frame
        if frame.is_control:
            notes = ["only the start of the payload was kept"] if line.is_cut else []
            return [Message(frame.opcode, frame.payload, "; ".join(notes))]
        messages = []
        if frame.opcode != Opcode.CONTINUATION:
            messages += self.rest()
            self._opcode = frame.opcode
        elif self._opcode is None:
            self._opcode = frame.opcode
            self._note("a continuation of no message")
        self._add(line)
        if frame.fin:
            messages.append(self._take())
        return messages

    def rest(self) -> list[Message]:
        """Return the message that has begun and will not end, if there is one."""
        if self._opcode is None:
            return []
        self._note("the message has no end")
        return [self._take()]

    def lose(self, reason: str) -> None:
        """Note that frames may be missing here."""
        if self._opcode is not None:
            self._note(reason)
        if self._inflater is not None:
            self._inflater.lose(reason)

    def _add(self, line: FrameLine) -> None:
        payload = line.frame.payload
        if self._inflater is not None:
            payload, note = self._inflater.inflate(line.seen)
            if note.startswith("not"):
                self._note(note)
        if line.is_cut:
            self._note("only the start of a payload was kept")
        room = self._max_size - self._size
        if len(payload) > room:
            self._note(f"only {self._max_size} bytes are shown")
        if part := payload[:room]:
            self._parts.append(part)
            self._size += len(part)

    def _note(self, text: str) -> None:
        self._notes[text] = None

    def _take(self) -> Message:
        assert self._opcode is not None
        notes = "; ".join(self._notes)
        message = Message(self._opcode, b"".join(self._parts), notes)
        self._opcode, self._parts, self._size, self._notes = None, [], 0, {}
        return message
