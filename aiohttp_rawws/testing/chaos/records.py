"""What was done to a frame, and what became of a connection."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ("ConnectionEvent", "FaultRecord")


class FaultRecord(NamedTuple):
    """One fault that was injected. Records sort by connection, direction and frame.

    The same frames and the same seed make the same records in each direction of a connection. The
    two directions may come in any order: compare `sorted(proxy.faults)`.
    """

    #: The number of the WebSocket connection, from 1.
    connection: int
    #: Who sent the frame: "client" or "upstream".
    direction: str
    #: The number of the frame among those of its direction, from 1.
    number: int
    #: The name of the fault, as in `chaos(drop=...)`: "drop", "corrupt_header".
    fault: str
    #: How it was done, "" where the name tells all: "0.134 s", "bit 7 of octet 12".
    detail: str
    #: The frame as it came: opcode, FIN and RSV bits, size and the start of the payload.
    frame: str

    def __str__(self) -> str:
        done = f"{self.fault} {self.detail}".rstrip()
        return f"#{self.connection} {self.direction} frame {self.number}: {done}: {self.frame}"


@dataclass(frozen=True)
class ConnectionEvent:
    """A connection was opened or refused, or it has ended."""

    #: "open", "refused" or "end".
    event: str
    #: The number of the connection, 0 for one that was refused.
    connection: int
    #: The request line without its version, and who sent it: "GET /chat", "127.0.0.1:55012".
    request: str = ""
    address: str = ""
    #: The answer to one that was refused, and why there was none of the upstream.
    status: int = 0
    error: str = ""
    #: Who ended first, "client" or "upstream", "" for neither.
    first: str = ""
    #: "end of stream" (a FIN), "lost" (a RST), "fault", or "stopped": the proxy was.
    reason: str = ""

    def __str__(self) -> str:
        number = f"#{self.connection} " if self.connection else ""
        return f"{number}{self.event}: {self.sentence}"

    @property
    def sentence(self) -> str:
        """The event without its name and the number."""
        if self.event == "end":
            return f"{self.first} first, {self.reason}" if self.first else ENDS[self.reason]
        asked = f"{self.request} from {self.address}"
        answer = ", ".join(filter(None, [str(self.status or ""), self.error]))
        return f"{asked}: {answer}" if answer else asked


ENDS = {"lost": "lost", "fault": "by a fault", "stopped": "the proxy was stopped"}
