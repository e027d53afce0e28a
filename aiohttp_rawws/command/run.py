"""From the command line to an exit status."""

import sys

from .arguments import PROGRAM, parse
from .ending import Failure
from .ingress import run

__all__ = ("main",)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status.

    Raises SystemExit after `--help` and `--version`, and with status 2 for a usage error.
    """
    options = parse(arguments)
    try:
        run(options)
    except Failure as failure:
        print(f"{PROGRAM}: {failure}", file=sys.stderr)
        return 1
    return 0
