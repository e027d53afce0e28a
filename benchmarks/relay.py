"""Proxies before an echo server, peer beside peer: CPU time of the proxy process per message."""

from . import rounds
from .command import ROLES

if __name__ == "__main__":
    rounds.main("benchmarks.relay", __doc__ or "", ROLES["relay"])
