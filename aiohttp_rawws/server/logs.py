"""The log lines of this package, on the logger `aiohttp_rawws`."""

import logging
from collections import defaultdict

from aiohttp import web

from .installed import installed_in
from .ratelimit import RateLimit

__all__ = ("describe", "logger", "warn")

logger = logging.getLogger("aiohttp_rawws")

#: How much of a path stands in a line, in characters.
PATH_LIMIT = 200

#: The limits where no application has any.
LIMITS: defaultdict[str, RateLimit] = defaultdict(RateLimit)


def warn(where: "web.Request | web.Application | None", message: str, *args: object) -> None:
    """Log a WARNING line that a peer can cause, at most 20 at once and 20 a minute of a kind.

    The limit is counted for each application that `setup` was called on, and for each `message`
    as it is before `args` are put in. The next line that passes tells how many were left out.
    """
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
    """The request and its peer, as in `GET /ws from 127.0.0.1:1234`, fit for one line of a log.

    The path is as it was sent, without the query, which may hold secrets. The address is the
    one that `request.remote` tells; the port stands with it where that is the peer's own.
    """
    # An octet that is no ASCII may be a lone surrogate, which no file takes.
    path = repr(request.rel_url.raw_path)[1:-1]
    if len(path) > PATH_LIMIT:
        path = f"{path[:PATH_LIMIT]}..."
    return f"{request.method} {path} from {peer_of(request)}"


def peer_of(request: web.Request) -> str:
    peername = request.protocol.peername
    if not isinstance(peername, tuple):
        return request.remote or "a Unix socket"
    host, port = peername[:2]
    if request.remote != host:
        return str(request.remote)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
