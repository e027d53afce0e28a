"""The path of a request below the prefix that an application is mounted at."""

import re

from aiohttp import web

__all__ = ("strip_prefix",)


def strip_prefix(request: web.Request, prefix: str) -> str:
    """Return path and query as the visitor wrote them, without the prefix of the path.

        url = URL("http://addon:8099" + strip_prefix(request, "/apps/x"), encoded=True)

    Nothing is decoded, so that `%2F`, `..`, `//` and a lonely `?` stay as they are. The prefix is
    compared as it was written, too: `/apps/a%20b` is not `/apps/a b`. The prefix alone gives "/".

    Raises ValueError for a path that does not begin with the prefix, and for a prefix that does
    not begin with "/"; TypeError for one that is no str.
    """
    if not isinstance(prefix, str):
        raise TypeError(f'the prefix must be a str, as "/apps/x"; got {prefix!r}')
    if not prefix.startswith("/"):
        raise ValueError(f'the prefix must begin with a slash, as "/apps/x"; got {prefix!r}')
    path, query = target_of(request)
    mount = prefix.rstrip("/")
    rest = path[len(mount) :]
    if not path.startswith(mount) or not (rest.startswith("/") or not rest):
        raise ValueError(f"the path {path!r} is not below {prefix!r}")
    return (rest or "/") + query


def target_of(request: web.Request) -> tuple[str, str]:
    """Return the path, and the query with its "?", of a request as they were written."""
    target = request.raw_path
    if not target.startswith("/"):
        # The absolute form, which proxies are asked in (RFC 9112 section 3.2.2).
        target = re.sub("^[^/?]*", "", target.partition("://")[2])
        if not target.startswith("/"):
            target = f"/{target}"
    path, mark, query = target.partition("?")
    return path, mark + query
