"""LISTEN and UPSTREAM: addresses of TCP, and paths of Unix sockets.

Each function raises ArgumentTypeError for a usage error.
"""

import re
import socket
from argparse import ArgumentTypeError
from dataclasses import dataclass

from yarl import URL

__all__ = (
    "Destination",
    "ListenAddress",
    "destination",
    "listen_address",
    "server_url",
    "websocket_url",
)

#: Plain schemes may stand before a Unix socket, as nginx has it. aiohttp speaks no TLS there.
UNIX_UPSTREAM = re.compile(r"(?:(ws|http|wss|https)://)?unix:([^\0]+?)(?::(/[^\0]*))?")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen: on a host and a port, or on the Unix socket `path`."""

    host: str = ""
    port: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """The upstream: the base of its URLs, the path of its Unix socket if it has one."""

    text: str
    url: URL
    path: str = ""


def listen_address(text: str) -> ListenAddress:
    """Return a host, 127.0.0.1 by default, and a port, or the path of a Unix socket."""
    if text.startswith("unix:"):
        return ListenAddress(path=unix_path(text.removeprefix("unix:")))
    found = re.fullmatch(r"(?:(?:\[([^\[\]]+)\]|([^:\[\]]*)):)?(\d{1,5})", text, re.ASCII)
    if found is None or int(found[3]) > 65535:
        raise ArgumentTypeError(
            "not PORT, :PORT, HOST:PORT or [IPV6]:PORT with a port from 0 to 65535, "
            f"nor unix:PATH: {text!r}"
        )
    return ListenAddress(found[1] or found[2] or "127.0.0.1", int(found[3]))


def destination(text: str) -> Destination:
    """Return an upstream. Its URL has no query, fragment, user and password."""
    url, path = url_and_socket(text)
    return Destination(text, upstream_url(url), path)


def server_url(text: str) -> Destination:
    """Return a server to connect to. Its URL may have a query, but no user and password."""
    address, path = url_and_socket(text)
    url = websocket_url(address, or_else=", nor unix:PATH")
    if url.user is not None or url.password is not None:
        raise ArgumentTypeError("no user or password in the URL: give a header, Authorization")
    return Destination(text, url, path)


def url_and_socket(text: str) -> tuple[str, str]:
    """Return a URL, and the path of the Unix socket that unix:PATH:/BASE names, else ""."""
    found = UNIX_UPSTREAM.fullmatch(text)
    if found is None:
        return text, ""
    scheme, path, base = found.groups()
    if scheme in ("wss", "https"):
        raise ArgumentTypeError(f"there is no TLS to a Unix socket: {text!r}")
    return f"http://localhost{base or ''}", unix_path(path)


def upstream_url(text: str) -> URL:
    url = websocket_url(text, or_else=", nor unix:PATH")
    if url.user is not None or url.password is not None:
        raise ArgumentTypeError("no user or password here: use --header Authorization:...")
    if "?" in text or "#" in text:
        raise ArgumentTypeError(f"the query is the visitor's, leave it out: {text!r}")
    return url


def websocket_url(text: str, or_else: str = "") -> URL:
    """Return the URL of a server, with any path and query. An error names what else will do."""
    try:
        url = URL(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{error}: {text!r}") from None
    if url.scheme not in ("ws", "wss", "http", "https") or not url.host:
        raise ArgumentTypeError(f"not a ws, wss, http or https URL{or_else}: {text!r}")
    return url


def unix_path(path: str) -> str:
    """Return the path of a Unix socket."""
    if not hasattr(socket, "AF_UNIX"):  # pragma: no cover - Windows
        raise ArgumentTypeError("this system has no Unix sockets")
    if not path or "\0" in path:
        raise ArgumentTypeError(f"not the path of a Unix socket: {path!r}")
    return path
