"""Files that the command writes lines to: standard output and captures.

A regular file takes each line at once, and nothing is lost. Anything else has a reader, which may
stop reading: a thread writes there, and the lines that the reader leaves no room for are counted.
"""

import contextlib
import os
import select
import socket
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Protocol

from .ending import Failure, Stop
from .text import escaped

__all__ = (
    "FileOutput",
    "Output",
    "StreamOutput",
    "fill_standard_files",
    "output_to",
    "reason_of",
    "standard_output",
)

#: The bytes of lines that may wait for a reader. One more line may begin below it.
LIMIT = 4 * 2**20

#: The bytes that a thread writes at once.
CHUNK = 2**16

#: The end of the command waits for a reader that takes nothing for so long, in seconds.
PATIENCE = 1.0

STANDARD_OUTPUT = "to standard output"


class Output(Protocol):
    """A file that takes whole lines, each with its line end."""

    def write(self, line: bytes) -> None: ...


class FileOutput:
    """A file that takes each line before `write` returns. An error ends the command."""

    def __init__(self, file: FileIO, name: str, stop: Stop) -> None:
        self._file = file
        self._name = name
        self._stop = stop
        self._over = False

    def write(self, line: bytes) -> None:
        """Write a line. Does nothing after an error."""
        if self._over:
            return
        try:
            write_all(self._file, line)
        except OSError as error:
            self._over = True
            self._stop.request(failure_of(self._name, error))


class StreamOutput:
    """A file with a reader: a pipe, a terminal, a device. `write` never waits for it.

    Lines wait for a thread to write them. Once LIMIT bytes wait, all further lines are left out
    until the thread has written the rest, and the line that `notice` makes of their number.
    """

    def __init__(
        self,
        open_file: Callable[[], FileIO],
        name: str,
        stop: Stop,
        notice: Callable[[int], bytes],
    ) -> None:
        self._open_file = open_file
        self._name = name
        self._stop = stop
        self._notice = notice
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._left_out = 0
        #: The number of chunks that were written.
        self._written = 0
        self._is_open = False
        self._ending = False
        self._over = False
        self._changed = threading.Condition()
        # A daemon: the process ends while it waits for a reader.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Have a line written, or count it as left out. Does nothing after an error."""
        with self._changed:
            if self._over:
                return
            if self._left_out or self._waiting >= LIMIT:
                self._left_out += 1
                return
            self._lines.append(line)
            self._waiting += len(line)
            self._changed.notify()

    def finish(self) -> None:
        """Wait until all lines are written, or the reader takes nothing for PATIENCE seconds."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        written = -1
        # A named pipe that is not open has no reader yet.
        while self._is_open and self._thread.is_alive() and written != self._written:
            written = self._written
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            # A named pipe opens once it has a reader.
            with self._open_file() as file:
                self._is_open = True
                while lines := self._next_lines():
                    self._write_chunks(file, lines)
        except OSError as error:
            self._fail(error)

    def _next_lines(self) -> bytes:
        """Wait for lines and return some of them, b"" at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._left_out or self._ending)
            taken: list[bytes] = []
            size = 0
            while self._lines and size < CHUNK:
                taken.append(self._lines.popleft())
                size += len(taken[-1])
            self._waiting -= size
            if not taken and self._left_out:
                taken.append(self._notice(self._left_out))
                self._left_out = 0
        return b"".join(taken)

    def _write_chunks(self, file: FileIO, lines: bytes) -> None:
        view = memoryview(lines)
        for start in range(0, len(view), CHUNK):
            write_all(file, view[start : start + CHUNK])
            self._written += 1

    def _fail(self, error: OSError) -> None:
        with self._changed:
            self._over = True
            self._lines.clear()
        reader_left = isinstance(error, BrokenPipeError)
        self._stop.request("" if reader_left else failure_of(self._name, error))


def write_all(file: FileIO, data: bytes | memoryview) -> None:
    """Write all of data, and wait for it."""
    left = memoryview(data)
    while left:
        # None from a file that another process has made non-blocking.
        written: int | None = file.write(left)
        if written is None:
            select.select([], [file], [])
        left = left[written or 0 :]


def failure_of(name: str, error: OSError) -> str:
    return f"cannot write {name}: {reason_of(error)}"


# -- which file ------------------------------------------------------------------------------------


def standard_output() -> FileIO:
    """Return standard output without its buffer. Raises Failure if the command has none."""
    if sys.stdout is None:
        raise Failure("cannot write to standard output: it is closed")
    return FileIO(sys.stdout.fileno(), "w", closefd=False)


@contextlib.contextmanager
def output_to(path: str, stop: Stop, notice: Callable[[int], bytes]) -> Iterator[Output]:
    """Open an output to append to, "-" for standard output. Raises Failure.

    `notice` makes the line that stands for a number of lines that were left out.
    """
    name = STANDARD_OUTPUT if path == "-" else escaped(path)
    if path != "-" and is_named_pipe(path):
        with stream_output(lambda: open_to_append(path), name, stop, notice) as stream:
            yield stream
        return
    try:
        file = standard_output() if path == "-" else open_to_append(path)
    except OSError as error:
        raise Failure(failure_of(name, error)) from None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        with file:
            yield FileOutput(file, name, stop)
    else:
        with stream_output(lambda: file, name, stop, notice) as stream:
            yield stream


@contextlib.contextmanager
def stream_output(
    open_file: Callable[[], FileIO], name: str, stop: Stop, notice: Callable[[int], bytes]
) -> Iterator[StreamOutput]:
    stream = StreamOutput(open_file, name, stop, notice)
    try:
        yield stream
    finally:
        stream.finish()


def open_to_append(path: str) -> FileIO:
    return open(path, "ab", buffering=0)


def is_named_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


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
