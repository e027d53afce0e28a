"""Echo over loopback, peer beside peer: CPU time of the server process per message."""

from . import rounds
from .command import ROLES

if __name__ == "__main__":
    rounds.main("benchmarks.echo", __doc__ or "", ROLES["echo"])
