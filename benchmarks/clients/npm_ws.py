"""npm's `ws` on Node, without compression and limit; its client is npm/echo-client.js."""

from .. import npm
from ..servers import parse

if __name__ == "__main__":
    options = parse()
    tls = [str(options.tls)] if options.tls else []
    npm.become("echo-client.js", str(options.upstream), str(options.connections), *tls)
