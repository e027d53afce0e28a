"""Files that the command writes lines to: standard output and captures."""

import os
import select
import socket
import sys
from io import FileIO

from .ending import Failure, Stop
from .text import escaped

__all__ = ("Output", "fill_standard_files", "open_to_append", "reason_of", "standard_output")

#: The bytes of one write. A pipe with any room takes that many at once (PIPE_BUF on Linux).
CHUNK = 4096

#: A write that waits for its reader looks for a requested end this often, in seconds.
POLL = 0.1


class Output:
    """A file that takes whole lines, without a buffer.

    A slow reader slows everything. Once the end of the command is requested, no write waits. An
    error of a write ends the command: as a failure, unless the file is a `pipe` that has lost its
    reader.
    """

    def __init__(self, file: FileIO, name: str, stop: Stop, *, pipe: bool = False) -> None:
        self._file = file
        self._name = name
        self._stop = stop
        self._pipe = pipe
        self._over = False

    def write(self, line: bytes) -> None:
        """Write a line, which has its line end. Does nothing after an error."""
        left = memoryview(line)
        try:
            while left and not self._over:
                if self._has_room():
                    left = left[self._file.write(left[:CHUNK]) :]
        except OSError as error:
            self._over = True
            reader_left = self._pipe and isinstance(error, BrokenPipeError)
            self._stop.request(
                "" if reader_left else f"cannot write {self._name}: {error.strerror}"
            )

    def _has_room(self) -> bool:
        """Wait for up to POLL seconds, and tell whether a write would not have to wait."""
        if sys.platform == "win32":  # pragma: no cover - select takes only sockets there
            return True
        _, writable, _ = select.select([], [self._file], [], POLL)
        self._over = self._stop.requested and not writable
        return bool(writable)


def standard_output() -> FileIO:
    """Return standard output without its buffer. Raises Failure if the command has none."""
    if sys.stdout is None:
        raise Failure("cannot write to standard output: it is closed")
    return FileIO(sys.stdout.fileno(), "w", closefd=False)


def open_to_append(path: str) -> FileIO:
    """Open a file without a buffer. Raises Failure."""
    try:
        return open(path, "ab", buffering=0)
    except OSError as error:
        raise Failure(f"cannot write {escaped(path)}: {reason_of(error)}") from None


def fill_standard_files() -> None:
    """Open the standard files that the command was started without.

    Otherwise sockets would get their numbers, and what is printed.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def reason_of(error: Exception) -> str:
    """Return the system's text for an error, without what `socket.create_server` adds to it."""
    number = getattr(error, "errno", None)
    if number is None or isinstance(error, socket.gaierror):
        return getattr(error, "strerror", None) or str(error)
    return os.strerror(number)
