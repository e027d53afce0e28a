# cython: language_level=3, annotation_typing=False, binding=False
"""The callbacks of a transport that run for each read."""

from .reader import Reader

__all__ = ("ReadCallbacks",)


class ReadCallbacks:
    """Give the transport memory to read into, and have what was read parsed."""

    __slots__ = ("reader",)

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def get_buffer(self, sizehint: int) -> memoryview:
        reader = self.reader
        return reader.link.cork.buffer.view if reader.discarding else reader.parser.writable()

    def buffer_updated(self, nbytes: int) -> None:
        reader = self.reader
        if not reader.discarding:
            reader.read(nbytes)
