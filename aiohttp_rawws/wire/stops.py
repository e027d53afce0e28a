"""The reasons why parsing stops, one at a time."""

import enum

__all__ = ("Stop",)


class Stop(enum.IntEnum):
    """The reason why bytes are not parsed. From TOO_BIG on, a receiver has to be told."""

    #: Bytes are parsed as they come.
    NONE = 0
    #: Frames of `limit` bytes wait. The bytes behind them stay as they came, until `resume`.
    LIMIT = 1
    #: The next frame is over `max_frame_size`: an error, unless it is wanted in pieces.
    TOO_BIG = 2
    #: The peer has sent its Close. Later bytes are thrown away.
    CLOSED = 3
    #: The peer has broken a rule. Later bytes are thrown away.
    VIOLATION = 4
