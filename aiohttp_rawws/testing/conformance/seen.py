"""What was seen of a peer in one case."""

import re
from dataclasses import dataclass, field

from ...wire.frames import Frame
from ..http import HttpHead
from .case import CONTROLS, Event, Events, Part, describe, hexadecimal

__all__ = ("MAX_LOG", "NO_DEFLATE", "Seen")

NO_DEFLATE = "the peer does not have permessage-deflate, or not with these terms"
#: How many frames a report shows of a case.
MAX_LOG = 40
#: How many characters a line of it has.
MAX_LINE = 200


@dataclass
class Seen:
    """What a peer did: events, its Close, its end, and the rules that its frames broke."""

    events: list[Event] = field(default_factory=list)
    #: The payload of the peer's Close, None without one.
    close: bytes | None = None
    #: The peer closed of its own accord.
    closed_first: bool = False
    #: How the peer ended TCP: `fin` or `reset`. None if it did not.
    end: str | None = None
    #: The end came in the middle of a frame.
    partial: bool = False
    faults: list[str] = field(default_factory=list)
    #: What came of the opening: `101`, `400`, `end`, "" for nothing.
    status: str = ""
    #: The head of the answer, if one came.
    answer: HttpHead | None = None
    #: Why the case could not be run; "" if it was.
    skipped: str = ""
    #: The peer answered a Ping when it had done nothing else; None if it was not asked.
    answers: bool | None = None
    #: The message that did not come back as it was sent, in a sentence; "" if all did.
    lost: str = ""
    #: The peer does not read.
    deaf: bool = False
    #: The new connection after the case failed, and why.
    dead: str = ""
    seconds: float = 0.0
    log: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        """Log a line for the report. What a peer sends does not reach a terminal as it came."""
        shown = re.sub(CONTROLS, hexadecimal, line[:MAX_LINE])
        self.log.append(shown + ("..." if len(line) > MAX_LINE else ""))
        if len(self.log) > 2 * MAX_LOG:
            middle = MAX_LOG // 2
            del self.log[middle : len(self.log) - middle]
            self.log.insert(middle, "...")

    def sent(self, parts: tuple[Part, ...]) -> None:
        for part in parts[:MAX_LOG]:
            self.note(f"-> {part}")
        if len(parts) > MAX_LOG:
            self.note(f"-> ... {len(parts)} frames in all")

    def saw(self, frame: Frame) -> None:
        rsv = frame.rsv1 << 2 | frame.rsv2 << 1 | frame.rsv3
        self.note(f"<- {describe(frame.opcode, frame.payload, frame.fin, rsv)}")

    @property
    def is_over(self) -> bool:
        """True once the peer has closed or ended TCP."""
        return self.close is not None or self.end is not None

    @property
    def code(self) -> int | None:
        """The code of the peer's Close, None without one."""
        if self.close is None or len(self.close) < 2:
            return None
        return int.from_bytes(self.close[:2], "big")

    def events_but(self, pongs_optional: bool) -> Events:
        """Return the events, without Pongs where those are optional."""
        return tuple(event for event in self.events if not (pongs_optional and event[0] == "pong"))
