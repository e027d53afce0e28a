"""The bounds of what is gathered, copied and held back on the way to the system, in bytes."""

__all__ = (
    "BREATH",
    "COPY_LIMIT",
    "CORK_LIMIT",
    "HIGH_WATER",
    "LOW_WATER",
    "WRITE_COST",
)

#: Frames sent during one read leave together, in writes of about this size.
CORK_LIMIT = 64 * 1024
#: A payload over this size is handed to the system as it is, not copied behind its header.
COPY_LIMIT = 16 * 1024
#: A sender waits from more output than this on that the system has not taken, until no more than
#: LOW_WATER is left, in bytes: asyncio's own limits. Over TLS those of the transport hold.
HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024
#: Over TLS a transport whose connection is lost takes writes and says nothing until the loop runs.
#: So a task that only sends must give way after so many bytes, each write counted as some.
BREATH = 2**20
WRITE_COST = 1024
