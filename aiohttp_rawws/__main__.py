"""`python -m aiohttp_rawws` runs the command."""

import sys

from .command.run import main

__all__ = ("main",)

if __name__ == "__main__":
    sys.exit(main())
