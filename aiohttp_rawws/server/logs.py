"""The log lines of this package, on the logger `aiohttp_rawws`."""

import logging
from collections import defaultdict

from aiohttp import web

from .installed import INSTALLED, installed_in
from .ratelimit import RateLimit

__all__ = ("describe", "logger", "warn")

logger = logging.getLogger("aiohttp_rawws")

#: The characters of a path after which a line leaves the rest out.
PATH_LIMIT = 200

#: The limits of lines about no application, by the text of the line without its arguments.
LIMITS: defaultdict[str, RateLimit] = defaultdict(RateLimit)


def warn(where: "web.Request | web.Application | None", message: str, *args: object) -> None:
    """Log a WARNING line that a peer can cause, at most 20 at once and 20 a minute.

    Each application that `setup` was called on has a limit of its own for each `message`. The
    next line that is logged tells how many were left out.
    """
    if isinstance(where, web.Application):
        installed = where.get(INSTALLED)
    else:
        installed = installed_in(where) if where is not None else None
    limits = LIMITS if installed is None else installed.warning_limits
    left_out = limits[message].take()
    if left_out is None:
        return
    if left_out:
        message += " (and %d more like this since the last such line)"
        args = (*args, left_out)
    logger.warning(message, *args, stacklevel=2)


def describe(request: web.Request) -> str:
    """Return the request and its peer for a log line, as in `GET /ws from 127.0.0.1:1234`.

    The path is as it was sent. The query is left out, for it may hold secrets. The address is
    `request.remote`, with the port if that is the address of the peer itself.
    """
    # A byte that is not ASCII may be a lone surrogate, which cannot be written to a file.
    path = repr(request.rel_url.raw_path)[1:-1]
    if len(path) > PATH_LIMIT:
        path = f"{path[:PATH_LIMIT]}..."
    return f"{request.method} {path} from {peer_of(request)}"


def peer_of(request: web.Request) -> str:
    """Return the address of the peer, with the port if it is known."""
    peername = request.protocol.peername
    if not isinstance(peername, tuple):
        return request.remote or "a Unix socket"
    host, port = peername[:2]
    if request.remote != host:
        return str(request.remote)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
