"""From the command line to an exit status."""

import argparse
import os
import sys
from importlib import import_module

from .arguments import PROGRAM, make_parser
from .ending import Failure

__all__ = ("main",)

#: Modules. Each has `add_parser(commands)`, which adds its parser and sets the default `run`: a
#: function that gets the arguments and returns the exit status. `run` raises ArgumentTypeError for
#: a usage error, and Failure for what ends the command with its exit status.
SUBCOMMANDS = ("proxy", "play", "chaos", "check", "convert", "replay")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status.

    Raises SystemExit after `--help` and `--version`, and with status 2 for a usage error.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser, commands = make_parser()
    # All are imported for the help alone: each costs time.
    named = [name for name in SUBCOMMANDS if name in arguments[:1]]
    for name in named or SUBCOMMANDS:
        import_module(f".{name}", __package__).add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        status = int(options.run(options))
        # There may be no standard output.
        print(end="", flush=True)
        return status
    except argparse.ArgumentTypeError as error:
        commands.choices[options.command].error(str(error))
    except BrokenPipeError:
        # As `| head` has it. What is left to be written at the exit has no reader either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Failure as failure:
        print(f"{PROGRAM}: {failure}", file=sys.stderr)
        return failure.status
