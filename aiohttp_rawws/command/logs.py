"""The log lines of the command, on standard error."""

import contextlib
import logging
import sys
from collections.abc import Iterator

from aiohttp.http import HttpProcessingError

from .output import Output, line_output, standard_file
from .text import escaped

__all__ = ("log_to_standard_error",)


@contextlib.contextmanager
def log_to_standard_error() -> Iterator[None]:
    """Log there. A reader that stops, stops nothing: `2>&1 | less` is one of both outputs."""
    file = standard_file(sys.stderr)
    if file is None:
        logging.basicConfig(handlers=[logging.NullHandler()])
        yield
        return
    with line_output(file, lambda error: None, lines_left_out) as output:
        logging.basicConfig(handlers=[LineHandler(output, sys.stderr.encoding)])
        yield


def lines_left_out(count: int) -> bytes:
    return f"{count} lines of the log left out: they were not read\n".encode()


class LineHandler(logging.Handler):
    """Hands log records to an output, as bytes in an encoding."""

    def __init__(self, output: Output, encoding: str) -> None:
        super().__init__()
        self._output = output
        self._encoding = encoding
        self.setFormatter(EscapingFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n"
            self._output.write(line.encode(self._encoding, "backslashreplace"))
        except Exception:
            self.handleError(record)


class EscapingFormatter(logging.Formatter):
    """Formats log records as lines in which nothing that a peer sent controls a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            # The visitor does not speak HTTP. A traceback of aiohttp's parser would not help.
            return escaped(f"{record.getMessage()}: {error.message}")
        return "\n".join(escaped(line) for line in super().format(record).split("\n"))
