"""The subcommand `convert`: a capture in a format that other tools open."""

import argparse
import os
from pathlib import Path

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
    parser.add_argument("capture", metavar="CAPTURE", help="what --capture has written")
    parser.add_argument("out", metavar="OUT", help="the file to write; one that is there is lost")
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
        with open(options.capture, "rb") as capture, open(options.out, "wb") as out:
            FORMATS[name](capture, out)
    except CaptureError as error:
        # What is there is no file of that format.
        if os.path.isfile(options.out):
            os.remove(options.out)
        raise Failure(f"{escaped(options.capture)}: {escaped(str(error))}") from None
    except OSError as error:
        where = escaped(str(error.filename or options.out))
        raise Failure(f"{where}: {reason_of(error)}") from None
    return 0


def is_same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
