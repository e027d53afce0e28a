"""The headers that the proxy passes on, and those that it writes itself."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, MultiMapping, istr

from ..client.request import upgrade_headers
from ..session.options import TOKEN
from ..wire.header_lists import lines, tokens
from .forwarded import Address, Peers, is_about_visitor, peers_of, tell_of_visitor

__all__ = (
    "HeaderRules",
    "Headers",
    "answer_headers",
    "forwarded_headers",
    "handshake_headers",
    "header_rules",
    "is_writable",
    "offer_of",
    "without_handshake",
)

#: Headers for the upstream. None instead of a value removes the visitor's.
Headers: TypeAlias = Mapping[str, str] | Mapping[str, str | None] | Iterable[tuple[str, str | None]]

#: The headers between two ends of one connection (RFC 9110 section 7.6.1). `Connection` may name
#: more. An `istr` is found sooner: its lower case is known.
HOP_BY_HOP: tuple[str, ...] = (
    istr("Connection"),
    istr("Keep-Alive"),
    istr("Proxy-Authenticate"),
    istr("Proxy-Authorization"),
    istr("Proxy-Connection"),
    istr("TE"),
    istr("Trailer"),
    istr("Transfer-Encoding"),
    istr("Upgrade"),
)

#: Each of the two connections has an opening handshake of its own (RFC 6455 section 4).
HANDSHAKE = (
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)

#: The headers of a request that depend on its body, or on the upstream. aiohttp has answered
#: `Expect` itself, with a 100.
MADE_ANEW: tuple[str, ...] = (istr("Content-Length"), istr("Expect"), istr("Host"))

#: The value of a Host header: a host that a URL can have, and a port (RFC 9110 section 7.2).
HOST = re.compile(r"[^\x00-\x20\x7f-\U0010ffff/?#@\\]+")

#: Control characters, and the surrogates that aiohttp reads for bytes that are not UTF-8.
UNWRITABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\udc80-\udcff]")

#: The headers that the caller cannot set. The subprotocols that are offered it can.
NOT_SET = {
    name.lower(): name
    for name in (*HOP_BY_HOP, *HANDSHAKE, "Content-Length")
    if name != "Sec-WebSocket-Protocol"
}

#: The headers that `Connection` cannot name away: without them a request is another one.
KEPT = frozenset({"content-length", "host"})


class HeaderRules(NamedTuple):
    """What the caller of a proxy says of the headers for the upstream."""

    #: The headers that replace the visitor's, None where one is only removed.
    extra: "CIMultiDict[str | None]"
    #: "visitor", "upstream", a name, or None for the default.
    host: str | None
    #: The proxies in front of this one.
    trusted: Peers


def header_rules(
    headers: Headers | None, host: str | None, trusted: Iterable[Address]
) -> HeaderRules:
    """Check and return the rules of one call.

    Raise TypeError for arguments of a wrong type, ValueError for headers that the caller cannot
    set, for a host that is no name, and for a Host in `headers` beside `host`.
    """
    extra = extra_headers(headers)
    if host is not None:
        if not isinstance(host, str):
            raise TypeError(f'host must be "visitor", "upstream" or a name, got {host!r}')
        if not HOST.fullmatch(host):
            raise ValueError(f"host must be the value of a Host header, got {host!r}")
        if "Host" in extra:
            raise ValueError("Host is not for headers= beside host=: leave one of them out")
    return HeaderRules(extra, host, peers_of(trusted))


def extra_headers(headers: Headers | None) -> "CIMultiDict[str | None]":
    """Check and return the headers that the caller adds to the request.

    A value of None removes the visitor's header. Raise ValueError for a header that the caller
    cannot set or that cannot stand in a request, TypeError for a value that is no str.
    """
    items = headers.items() if isinstance(headers, Mapping) else headers or ()
    extra: CIMultiDict[str | None] = CIMultiDict()
    for name, value in items:
        check_header(name, value)
        extra.add(name, value)
    return extra


def check_header(name: str, value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(
            f"headers= takes a str for each name, or None to remove the visitor's; got {value!r} "
            f"for {name}"
        )
    if not TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header (RFC 9110 section 5.1)")
    if name.lower() in NOT_SET:
        known = NOT_SET[name.lower()]
        raise ValueError(f"{known} is not for headers=: proxy sets it, leave it out")
    if value is not None and UNWRITABLE.search(value):
        raise ValueError(
            f"no header can hold {value!r}, given for {name}: it has control characters"
        )


def end_to_end(headers: MultiMapping[str]) -> "CIMultiDict[str]":
    """Return all headers but those of the hop."""
    passed = CIMultiDict(headers)
    for name in HOP_BY_HOP:
        passed.popall(name, None)
    for name in filter(may_be_named, tokens(headers, "Connection")):
        passed.popall(name, None)
    return passed


def may_be_named(name: str) -> bool:
    """Return True for a header that `Connection` can name away.

    A visitor could else have the headers removed by which a proxy in front tells of it.
    """
    return name.lower() not in KEPT and not is_about_visitor(name)


def without_handshake(headers: MultiMapping[str]) -> "CIMultiDict[str]":
    """Return all headers but those of the hop and of the opening handshake."""
    passed = end_to_end(headers)
    for name in HANDSHAKE:
        passed.popall(name, None)
    return passed


def is_writable(line: str, headers: MultiMapping[str]) -> bool:
    """Return True if aiohttp can write a line and headers as it has read them.

    It silently drops bytes that are not UTF-8, and it refuses to write control characters.
    """
    text = " ".join((line, *headers.keys(), *headers.values()))
    return text.isprintable() or not UNWRITABLE.search(text)


def offer_of(request: web.Request, choose: Callable[[str], str | None] | None) -> str | None:
    """Return the extensions to offer to the upstream, or None."""
    offer = ", ".join(lines(request.headers, "Sec-WebSocket-Extensions"))
    return (choose(offer) if offer and choose is not None else offer) or None


def request_headers(request: web.Request, to_tls: bool, rules: HeaderRules) -> "CIMultiDict[str]":
    """Return the headers of any request to the upstream but those of its body."""
    headers = end_to_end(request.headers)
    for name in MADE_ANEW:
        headers.popall(name, None)
    tell_of_visitor(headers, request, rules.trusted)
    host = host_of(request, to_tls, rules.host)
    if host is not None:
        headers["Host"] = host
    for name in rules.extra:
        headers.popall(name, None)
    for name, value in rules.extra.items():
        if value is not None:
            headers.add(name, value)
    return headers


def host_of(request: web.Request, to_tls: bool, host: str | None) -> str | None:
    """Return the Host to send, None for that of the URL, which aiohttp sends."""
    if host is None:
        # A certificate, and with it the server that TLS chooses, is for the name in the URL.
        host = "upstream" if to_tls else "visitor"
    if host == "upstream":
        return None
    return request.headers.get("Host") if host == "visitor" else host


def handshake_headers(
    request: web.Request, to_tls: bool, rules: HeaderRules, offer: str | None
) -> "CIMultiDict[str]":
    """Return the headers of the opening handshake with the upstream."""
    headers = request_headers(request, to_tls, rules)
    # Of the visitor's handshake only the subprotocols are passed on, unless the caller's are.
    protocols = lines(headers, "Sec-WebSocket-Protocol")
    headers = without_handshake(headers)
    headers.extend(upgrade_headers())
    if protocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(protocols)
    if offer is not None:
        headers["Sec-WebSocket-Extensions"] = offer
    return of_one_case(headers)


def forwarded_headers(request: web.Request, to_tls: bool, rules: HeaderRules) -> "CIMultiDict[str]":
    """Return the headers of a request that is forwarded as plain HTTP."""
    headers = request_headers(request, to_tls, rules)
    if is_inflated(request):
        headers.popall("Content-Encoding", None)
    elif "Content-Length" in request.headers:
        headers["Content-Length"] = request.headers["Content-Length"]
    return of_one_case(headers)


def is_inflated(request: web.Request) -> bool:
    """Return True if aiohttp decompresses the body of a request.

    It does unless told otherwise, and leaves the headers of the compressed body as they are.
    """
    return request.body_exists and request.content.total_compressed_bytes is not None


def of_one_case(headers: "CIMultiDict[str]") -> "CIMultiDict[str]":
    """Return the same header lines, with all names that differ only in case as the first one.

    Of lines whose names differ in case aiohttp sends only the last one.
    """
    if len({name.lower() for name in headers}) == len(headers):
        return headers
    written: dict[str, str] = {}
    return CIMultiDict(
        (written.setdefault(name.lower(), name), value) for name, value in headers.items()
    )


def answer_headers(answer: aiohttp.ClientResponse) -> "CIMultiDict[str]":
    """Return the headers of an answer, with the one that names what the upstream wants instead."""
    headers = end_to_end(answer.headers)
    if answer.status == 426:
        # RFC 9110 section 15.5.22
        headers["Connection"] = "Upgrade, close"
        headers.extend(("Upgrade", line) for line in lines(answer.headers, "Upgrade"))
    return headers
