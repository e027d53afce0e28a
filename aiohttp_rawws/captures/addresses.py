"""The addresses of peers, as captures have them."""

from typing import Any

from aiohttp import web

from ..session.kernel import is_unix

__all__ = ("address_of", "visitor_of")


def visitor_of(request: web.Request) -> str:
    """Return the address of a visitor, "unix" for one on a Unix socket, "" if it has gone."""
    if is_unix(request.get_extra_info("socket")):
        return "unix"
    return address_of(request.get_extra_info("peername"))


def address_of(peer: Any) -> str:
    """Return `host:port` or `[IPv6]:port`, or "" if the peer has gone."""
    if not isinstance(peer, tuple):
        return ""
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
