"""From the command line to an exit status."""

import argparse
import sys

from . import proxy
from .arguments import PROGRAM, make_parser
from .ending import Failure

__all__ = ("main",)

#: Each has `add_parser(commands)`, which adds its parser and sets the default `run`: a function
#: that gets the arguments and returns the exit status. `run` raises ArgumentTypeError for a usage
#: error, and Failure for what ends the command with exit status 1.
SUBCOMMANDS = (proxy,)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status.

    Raises SystemExit after `--help` and `--version`, and with status 2 for a usage error.
    """
    parser, commands = make_parser()
    for subcommand in SUBCOMMANDS:
        subcommand.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except argparse.ArgumentTypeError as error:
        commands.choices[options.command].error(str(error))
    except Failure as failure:
        print(f"{PROGRAM}: {failure}", file=sys.stderr)
        return 1
