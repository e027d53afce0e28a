"""The subcommand `proxy`."""

from . import ingress
from .arguments import Commands
from .proxy_arguments import Options, complete, make_parser

__all__ = ("add_parser", "run")


def add_parser(commands: Commands) -> None:
    make_parser(commands).set_defaults(run=run)


def run(options: Options) -> int:
    """Proxy until the end is requested, and return the exit status. Raises Failure."""
    complete(options)
    ingress.run(options)
    return 0
