"""What was done to a frame."""

from typing import NamedTuple

__all__ = ("FaultRecord",)


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
