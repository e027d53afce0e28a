"""The subcommand `convert`: a capture in a format that other tools open."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..captures.har import to_har
from ..captures.pcapng import to_pcapng
from ..captures.reading import CaptureError
from .arguments import Commands
from .ending import Failure
from .output import reason_of
from .text import escaped

__all__ = ("add_parser", "run")

FORMATS = {"har": to_har, "pcapng": to_pcapng}

DESCRIPTION = """\
Write a capture as HAR, which browsers' developer tools open, or as pcapng, which Wireshark opens.
"""

EPILOG = """\
examples:
  aiohttp-rawws convert frames.jsonl frames.har
  aiohttp-rawws convert frames.jsonl frames.pcapng
  aiohttp-rawws convert frames.jsonl - --to pcapng | tshark -r -

Exit status: 0, 1 if CAPTURE is no capture or a file cannot be read or written, 2 for a usage error.
"""


class Options(argparse.Namespace):
    """The arguments as values."""

    capture: str
    out: str
    to: str | None


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "convert",
        help="write a capture as HAR or pcapng",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "capture", metavar="CAPTURE", help="what --capture has written; - for standard input"
    )
    parser.add_argument(
        "out",
        metavar="OUT",
        help="the file to write; one that is there is lost; - for standard output",
    )
    parser.add_argument(
        "--to", choices=tuple(FORMATS), help="the format; by default what the name of OUT ends with"
    )
    parser.set_defaults(run=run)


def run(options: Options) -> int:
    """Convert, and return the exit status. Raises Failure, ArgumentTypeError for a usage error."""
    name = options.to or Path(options.out).suffix.removeprefix(".").lower()
    if name not in FORMATS:
        raise argparse.ArgumentTypeError(
            f"OUT ends with neither .har nor .pcapng, so say --to har or --to pcapng: "
            f"{options.out!r}"
        )
    if is_same_file(options.capture, options.out):
        raise argparse.ArgumentTypeError("CAPTURE and OUT are one file")
    try:
        with readable(options.capture) as capture, writable(options.out) as out:
            FORMATS[name](capture, out)
    except CaptureError as error:
        raise Failure(f"{escaped(options.capture)}: {escaped(str(error))}") from None
    except BrokenPipeError:
        # A reader has gone, which ends each command.
        raise
    except OSError as error:
        where = escaped(str(error.filename or options.out))
        raise Failure(f"{where}: {reason_of(error)}") from None
    except KeyboardInterrupt:
        raise Failure("interrupted: nothing was converted", 130) from None
    return 0


@contextlib.contextmanager
def readable(path: str) -> Iterator[BinaryIO]:
    """Open CAPTURE."""
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:
        yield file


@contextlib.contextmanager
def writable(path: str) -> Iterator[BinaryIO]:
    """Open OUT. A file that is not written to its end is removed: it is none of that format."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with open(path, "wb") as file:
        try:
            yield file
            # What the disk refuses is refused here, not at the close.
            file.flush()
        except BaseException:
            if os.path.isfile(path):
                os.remove(path)
            raise


def is_same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
