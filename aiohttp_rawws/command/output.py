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
from typing import Protocol, TextIO, TypeAlias

from .ending import Failure, Stop
from .text import escaped

__all__ = (
    "FileOutput",
    "Output",
    "StreamOutput",
    "fill_standard_files",
    "line_output",
    "output_to",
    "reason_of",
    "standard_file",
)

#: The bytes of lines that may wait for a reader. One more line may begin below it.
LIMIT = 4 * 2**20

#: The bytes that a thread writes at once.
CHUNK = 2**16

#: The end of the command waits for a reader that takes nothing for so long, in seconds.
PATIENCE = 1.0

#: Called with the error that ends an output.
Fail: TypeAlias = Callable[[OSError], object]

#: Makes a line of the number of lines that were left out.
Notice: TypeAlias = Callable[[int], bytes]


class Output(Protocol):
    """A file that takes whole lines, each with its line end."""

    def write(self, line: bytes) -> None: ...


class FileOutput:
    """A file that takes each line before `write` returns. `fail` is called with an error."""

    def __init__(self, file: FileIO, fail: Fail) -> None:
        self._file = file
        self._fail = fail
        self._over = False

    def write(self, line: bytes) -> None:
        """Write a line. Does nothing after an error."""
        if self._over:
            return
        try:
            write_all(self._file, line)
        except OSError as error:
            self._over = True
            self._fail(error)


class StreamOutput:
    """A file with a reader: a pipe, a terminal, a device. `write` never waits for it.

    Lines wait for a thread to write them. Once LIMIT bytes wait, all further lines are left out
    until the thread has written the rest, and the line that `notice` makes of their number. The
    thread calls `fail` with an error.
    """

    def __init__(self, open_file: Callable[[], FileIO], fail: Fail, notice: Notice) -> None:
        self._open_file = open_file
        self._fail = fail
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
        self._thread = threading.Thread(target=self._run, daemon=True)
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
            with self._open_file() as file:
                self._is_open = True
                while lines := self._next_lines():
                    self._write_chunks(file, lines)
        except OSError as error:
            with self._changed:
                self._over = True
                self._lines.clear()
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


def write_all(file: FileIO, data: bytes | memoryview) -> None:
    """Write all of data, and wait for it."""
    left = memoryview(data)
    while left:
        # None from a file that another process has made non-blocking.
        written: int | None = file.write(left)
        if written is None:
            select.select([], [file], [])
        left = left[written or 0 :]


# -- which file ------------------------------------------------------------------------------------


@contextlib.contextmanager
def output_to(path: str, stop: Stop, notice: Notice) -> Iterator[Output]:
    """Open an output to append to, "-" for standard output. Raises Failure.

    `notice` makes the line that stands for a number of lines that were left out. An error ends
    the command: as a failure, unless the output has lost its reader.
    """
    name = "to standard output" if path == "-" else escaped(path)

    def fail(error: OSError) -> None:
        stop.request("" if isinstance(error, BrokenPipeError) else failure_of(name, error))

    if path != "-" and is_named_pipe(path):
        # It opens once it has a reader.
        with stream_output(lambda: open_to_append(path), fail, notice) as stream:
            yield stream
        return
    try:
        file = standard_file(sys.stdout) if path == "-" else open_to_append(path)
    except OSError as error:
        raise Failure(failure_of(name, error)) from None
    if file is None:
        raise Failure("cannot write to standard output: it is closed")
    with line_output(file, fail, notice) as output:
        yield output


@contextlib.contextmanager
def line_output(file: FileIO, fail: Fail, notice: Notice) -> Iterator[Output]:
    """Write lines to a file that is open."""
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        with file:
            yield FileOutput(file, fail)
    else:
        with stream_output(lambda: file, fail, notice) as stream:
            yield stream


@contextlib.contextmanager
def stream_output(
    open_file: Callable[[], FileIO], fail: Fail, notice: Notice
) -> Iterator[StreamOutput]:
    stream = StreamOutput(open_file, fail, notice)
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


def standard_file(file: TextIO | None) -> FileIO | None:
    """Return a standard file without its buffer, None if the command has none."""
    return None if file is None else FileIO(file.fileno(), "w", closefd=False)


def failure_of(name: str, error: OSError) -> str:
    return f"cannot write {name}: {reason_of(error)}"


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
    # aiohttp's errors hold the one of the system.
    if number is None or isinstance(getattr(error, "os_error", error), socket.gaierror):
        return getattr(error, "strerror", None) or str(error)
    return os.strerror(number)
