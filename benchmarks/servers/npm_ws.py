"""npm's `ws` on Node, without compression and limit; its server is npm/echo-server.js."""

from .. import npm
from . import parse

if __name__ == "__main__":
    tls = parse().tls
    npm.become("echo-server.js", *([str(tls)] if tls else []))
