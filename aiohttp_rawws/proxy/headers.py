"""The headers that the proxy passes on, and those that it writes itself."""

import re
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp import web
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict, MultiMapping

from ..client.request import upgrade_headers
from ..session.options import TOKEN
from ..wire.handshake import lines, tokens

__all__ = (
    "end_to_end",
    "extra_headers",
    "is_writable",
    "offer_of",
    "refusal_headers",
    "upstream_headers",
)

#: The headers between two ends of one connection (RFC 9110 section 7.6.1). `Connection` may name
#: more.
HOP_BY_HOP = (
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
)

#: Each of the two connections has an opening handshake of its own (RFC 6455 section 4).
HANDSHAKE = (
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)

#: The headers of a request that aiohttp writes for the upstream from the URL and the body. It
#: has answered `Expect` itself, with a 100.
MADE_ANEW = ("Content-Length", "Expect", "Host")

#: The headers that tell the upstream about the visitor.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")

#: Control characters, and the surrogates that aiohttp reads for bytes that are not UTF-8.
UNWRITABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\udc80-\udcff]")

#: The headers that the caller cannot set. A handshake has no body, and so no length.
NOT_SET = {name.lower(): name for name in (*HOP_BY_HOP, *HANDSHAKE, "Content-Length")}


def extra_headers(headers: LooseHeaders | None) -> "CIMultiDict[str | None]":
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
    """Return all headers but those of the hop and of the handshake."""
    passed = CIMultiDict(headers)
    for name in (*HOP_BY_HOP, *HANDSHAKE, *tokens(headers, "Connection")):
        passed.popall(name, None)
    return passed


def is_writable(line: str, headers: MultiMapping[str]) -> bool:
    """Return True if aiohttp can write a line and headers as it has read them.

    It silently drops bytes that are not UTF-8, and it refuses to write control characters.
    """
    return not any(UNWRITABLE.search(text) for text in (line, *headers.keys(), *headers.values()))


def offer_of(request: web.Request, choose: Callable[[str], str | None] | None) -> str | None:
    """Return the extensions to offer to the upstream, or None."""
    offer = ", ".join(lines(request.headers, "Sec-WebSocket-Extensions"))
    return (choose(offer) if offer and choose is not None else offer) or None


def upstream_headers(
    request: web.Request, extra: "CIMultiDict[str | None]", offer: str | None
) -> "CIMultiDict[str]":
    """Return the headers of the opening handshake with the upstream."""
    headers = end_to_end(request.headers)
    for name in (*MADE_ANEW, *FORWARDED, *extra):
        headers.popall(name, None)
    headers.extend((name, line) for name, line in forwarded(request).items() if name not in extra)
    headers.extend((name, value) for name, value in extra.items() if value is not None)
    headers.extend(upgrade_headers())
    protocols = lines(request.headers, "Sec-WebSocket-Protocol")
    if protocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(protocols)
    if offer is not None:
        headers["Sec-WebSocket-Extensions"] = offer
    return of_one_case(headers)


def forwarded(request: web.Request) -> "CIMultiDict[str]":
    """Return the headers that tell who the visitor is and which host it asked for."""
    headers = CIMultiDict({"X-Forwarded-Proto": request.scheme})
    # Without a Host `request.host` is the name of this machine, which may take a while to find.
    if "Host" in request.headers:
        headers["X-Forwarded-Host"] = request.host
    # A visitor on a Unix socket has no address.
    steps = (*lines(request.headers, "X-Forwarded-For"), request.remote)
    addresses = ", ".join(filter(None, steps))
    if addresses:
        headers["X-Forwarded-For"] = addresses
    return headers


def of_one_case(headers: MultiMapping[str]) -> "CIMultiDict[str]":
    """Return the same header lines, with all names that differ only in case as the first one.

    Of lines whose names differ in case aiohttp sends only the last one.
    """
    written: dict[str, str] = {}
    return CIMultiDict(
        (written.setdefault(name.lower(), name), value) for name, value in headers.items()
    )


def refusal_headers(answer: aiohttp.ClientResponse) -> "CIMultiDict[str]":
    """Return the headers of a refusal, with those that name what the upstream wants instead."""
    headers = end_to_end(answer.headers)
    # RFC 6455 section 4.4
    wanted = ["Sec-WebSocket-Version"]
    if answer.status == 426:
        # RFC 9110 section 15.5.22
        wanted.append("Upgrade")
        headers["Connection"] = "Upgrade, close"
    for name in wanted:
        headers.extend((name, line) for line in lines(answer.headers, name))
    return headers
