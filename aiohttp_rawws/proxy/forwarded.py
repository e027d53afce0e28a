"""What the upstream is told of the visitor: `X-Forwarded-For`, `-Proto` and `-Host`.

A peer that the caller trusts is a proxy itself. What it says of the visitors before it is
continued. What any other peer says of itself is removed, for anybody can write these headers.
"""

import functools
import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias

from aiohttp import web
from multidict import CIMultiDict, istr

from ..session.kernel import is_unix
from ..wire.header_lists import lines

__all__ = ("Address", "Peers", "is_about_visitor", "peers_of", "tell_of_visitor")

Address: TypeAlias = (
    str
    | ipaddress.IPv4Address
    | ipaddress.IPv6Address
    | ipaddress.IPv4Network
    | ipaddress.IPv6Network
)

FOR, HOST, PROTO = istr("X-Forwarded-For"), istr("X-Forwarded-Host"), istr("X-Forwarded-Proto")

#: The names of headers that tell of a visitor. Some servers read an underscore as a hyphen.
ABOUT_VISITOR = re.compile(r"(?:forwarded|x[-_]real[-_]ip)\Z|x[-_]forwarded[-_]", re.IGNORECASE)


class Peers:
    """The peers that are trusted: networks, and whoever connects by a Unix socket."""

    def __init__(self, trusted: Iterable[Address]) -> None:
        self._unix = False
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for each in trusted:
            if each == "unix":
                self._unix = True
            else:
                self._networks.append(network(each))

    def include(self, request: web.Request) -> bool:
        """Tell whether the peer of a request is one of these."""
        transport = request.transport
        if transport is None or not (self._unix or self._networks):
            return False
        if is_unix(transport.get_extra_info("socket")):
            return self._unix
        peername = transport.get_extra_info("peername")
        if not isinstance(peername, tuple):
            return False
        # A link-local address names its interface behind a "%".
        address = ipaddress.ip_address(peername[0].partition("%")[0])
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in each for each in self._networks)


def network(trusted: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return an address or a network as a network; a mapped IPv4 address as its IPv4."""
    if not isinstance(trusted, Address):
        raise TypeError(
            'trusted takes addresses and networks, as str or of `ipaddress`, and "unix"; '
            f"got {trusted!r}"
        )
    try:
        found = ipaddress.ip_network(trusted)
    except ValueError as error:
        raise ValueError(
            f'trusted: {error}; write an address as 10.0.0.1, a network as 10.0.0.0/8, or "unix"'
        ) from error
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is not None and found.prefixlen >= 96:
        return ipaddress.ip_network((mapped, found.prefixlen - 96))
    return found


def peers_of(trusted: Iterable[Address]) -> Peers:
    """Check `trusted` and return it as Peers.

    Raise TypeError for anything but a collection of addresses and networks, ValueError for a str
    that is neither.
    """
    if isinstance(trusted, (str, bytes)) or not isinstance(trusted, Iterable):
        raise TypeError(
            f'trusted must be a collection of addresses and networks, as ["10.0.0.0/8"]; '
            f"got {trusted!r}"
        )
    return cached_peers(tuple(trusted))


# An application gives the same few at every request.
@functools.lru_cache(maxsize=16)
def cached_peers(trusted: tuple[Address, ...]) -> Peers:
    return Peers(trusted)


def tell_of_visitor(headers: "CIMultiDict[str]", request: web.Request, trusted: Peers) -> None:
    """Set the headers that tell the upstream who the visitor is, and what it asked for."""
    believed = trusted.include(request)
    for name in filter(ABOUT_VISITOR.match, list(headers)):
        # A server that reads an underscore as a hyphen would take it for a real one.
        if "_" in name or not believed:
            headers.popall(name, None)
    steps = [*lines(headers, FOR), request.remote]
    headers.popall(FOR, None)
    # A visitor on a Unix socket has no address.
    addresses = ", ".join(filter(None, steps))
    if addresses:
        headers[FOR] = addresses
    if PROTO not in headers:
        headers[PROTO] = request.scheme
    # Without a Host `request.host` is the name of this machine, which may take a while to find.
    if HOST not in headers and "Host" in request.headers:
        headers[HOST] = request.host


def is_about_visitor(name: str) -> bool:
    """Return True for the name of a header that tells of a visitor, or may be taken for one."""
    return ABOUT_VISITOR.match(name) is not None
