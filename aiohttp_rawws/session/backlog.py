"""What a writer holds that is seldom there: the output that waits, and a source that feeds it."""

from collections import deque
from typing import Protocol

__all__ = ("Backlog", "Source")


class Source(Protocol):
    """The receiver whose frames go to a writer."""

    def target_paused(self) -> None: ...

    def relieve(self) -> None: ...


class Backlog:
    """The output that waits until the transport holds none, before the writer's `out`."""

    __slots__ = ("_chunks", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self.size = 0

    def put(self, data: bytes) -> None:
        self._chunks.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        """Remove the first chunk and return it."""
        data = self._chunks.popleft()
        self.size -= len(data)
        return data

    def take_all(self) -> "list[bytes]":
        """Remove all chunks and return them."""
        self.size = 0
        chunks = list(self._chunks)
        self._chunks.clear()
        return chunks
