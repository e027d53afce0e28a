# cython: boundscheck=False, wraparound=False
"""The frames and pieces that are complete and wait to be taken."""

from typing import Any

from .frames import FRAME_COST, Frame

__all__ = ("FrameQueue",)

#: The room of the items that were taken is given up once there are so many of them.
SHIFTED = 512


class FrameQueue:
    """A queue of frames and pieces, small while it holds no more than one.

    Most often it holds one or none. A deque would be the biggest object of an idle connection.
    """

    __slots__ = ("_behind", "_second", "cost", "first")

    def __init__(self) -> None:
        #: The next item to be taken, None if the queue is empty.
        self.first: Any = None
        # The items behind the first one. Those before `_second` were taken.
        self._behind: list[Any] | None = None
        self._second = 0
        #: What the items cost, in bytes: payloads, and FRAME_COST for each item.
        self.cost = 0

    @property
    def items(self) -> "list[Any]":
        """All that waits, in order."""
        if self.first is None:
            return []
        return [self.first] if self._behind is None else [self.first, *self._behind[self._second :]]

    def put(self, item: Any, size: int) -> None:
        """Add an item with a payload of `size` bytes."""
        if self.first is None:
            self.first = item
        elif self._behind is None:
            self._behind = [item]
        else:
            self._behind.append(item)
        self.cost += FRAME_COST + size

    def take(self) -> Any:
        """Remove the first item and return it. The queue must not be empty."""
        first = self.first
        behind = self._behind
        if behind is None:
            self.first = None
        else:
            second = self._second
            self.first = behind[second]
            behind[second] = None
            second += 1
            self._second = second
            if second == SHIFTED or second == len(behind):
                self._shift()
        self.cost -= FRAME_COST
        if isinstance(first, Frame):
            frame = first
            self.cost -= len(frame._payload)
        else:
            self.cost -= len(first.payload)
        return first

    def take_all(self) -> "list[Any]":
        """Remove all items and return them, in order."""
        items = self.items
        self.first = self._behind = None
        self._second = 0
        self.cost = 0
        return items

    def count_only_items(self) -> None:
        """Forget the cost of what did not come to the queue. It holds one frame at most."""
        frame = self.first
        self.cost = 0 if frame is None else FRAME_COST + len(frame._payload)

    def _shift(self) -> None:
        behind = self._behind[self._second :] if self._behind else []
        self._behind = behind or None
        self._second = 0
