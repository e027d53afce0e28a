"""What the arguments of all subcommands have in common."""

import argparse
import platform
from typing import TYPE_CHECKING

import aiohttp

from .._build import COMPILED
from .._version import __version__
from .loop import EVENT_LOOP

__all__ = ("PROGRAM", "Commands", "make_parser")

PROGRAM = "aiohttp-rawws"

VERSION = (
    f"aiohttp_rawws {__version__} ({'compiled' if COMPILED else 'interpreted'}, {EVENT_LOOP}), "
    f"aiohttp {aiohttp.__version__}, Python {platform.python_version()}"
)

if TYPE_CHECKING:
    #: Where a subcommand adds its parser.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = argparse._SubParsersAction


def make_parser() -> tuple[argparse.ArgumentParser, Commands]:
    """Return the parser of the command, and that to which subcommands are added."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Raw WebSockets for aiohttp, as a command."
    )
    parser.add_argument("--version", action="version", version=VERSION)
    return parser, parser.add_subparsers(
        title="commands", required=True, dest="command", metavar="COMMAND"
    )
