"""Clients that echo, peer beside peer: CPU time of the client process per message."""

from . import rounds
from .command import ROLES

if __name__ == "__main__":
    rounds.main("benchmarks.client", __doc__ or "", ROLES["client"])
