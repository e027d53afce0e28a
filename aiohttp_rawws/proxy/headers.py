"""The headers that a proxy passes on, and those that it writes itself."""

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

#: What is said from one end of a connection to the other (RFC 9110 section 7.6.1), besides what
#: `Connection` names.
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

#: The handshakes of the two legs are two (RFC 6455 section 4).
HANDSHAKE = (
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)

#: What aiohttp makes anew for the request to the upstream, of its URL and without a body, or has
#: answered itself, with a 100.
MADE_ANEW = ("Content-Length", "Expect", "Host")

#: What is said anew of the visitor.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")

#: The bytes of a header that are not UTF-8, as aiohttp reads them, and control characters.
UNWRITABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\udc80-\udcff]")

#: What the caller cannot set: what belongs to a hop or a handshake, and the length of a body that a
#: handshake does not have.
NOT_SET = {name.lower(): name for name in (*HOP_BY_HOP, *HANDSHAKE, "Content-Length")}


def extra_headers(headers: LooseHeaders | None) -> "CIMultiDict[str | None]":
    """Check what the caller adds to the request; a value of None removes the visitor's header.

    ValueError for a header that is not the caller's to set, or that no request can have; TypeError
    for a value that is no str.
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
    """The headers that are to be passed on: all but those of the hop and of the handshake."""
    passed = CIMultiDict(headers)
    for name in (*HOP_BY_HOP, *HANDSHAKE, *tokens(headers, "Connection")):
        passed.popall(name, None)
    return passed


def is_writable(line: str, headers: MultiMapping[str]) -> bool:
    """Whether aiohttp can write what it has read.

    It drops bytes that are not UTF-8 and says nothing, and it writes no control characters.
    """
    return not any(UNWRITABLE.search(text) for text in (line, *headers.keys(), *headers.values()))


def offer_of(request: web.Request, choose: Callable[[str], str | None] | None) -> str | None:
    """The extensions to offer to the upstream."""
    offer = ", ".join(lines(request.headers, "Sec-WebSocket-Extensions"))
    return (choose(offer) if offer and choose is not None else offer) or None


def upstream_headers(
    request: web.Request, extra: "CIMultiDict[str | None]", offer: str | None
) -> "CIMultiDict[str]":
    """The headers of the opening handshake with the upstream."""
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
    """Who the visitor is, and what it asked for."""
    headers = CIMultiDict({"X-Forwarded-Proto": request.scheme})
    # Without a Host aiohttp would ask the system, and wait, for the name of this machine.
    if "Host" in request.headers:
        headers["X-Forwarded-Host"] = request.host
    # Over a Unix socket a visitor has no address.
    steps = (*lines(request.headers, "X-Forwarded-For"), request.remote)
    addresses = ", ".join(filter(None, steps))
    if addresses:
        headers["X-Forwarded-For"] = addresses
    return headers


def of_one_case(headers: MultiMapping[str]) -> "CIMultiDict[str]":
    """The same lines; all those of one name as the first is written.

    Where the case differs, aiohttp would let the last one replace the others.
    """
    written: dict[str, str] = {}
    return CIMultiDict(
        (written.setdefault(name.lower(), name), value) for name, value in headers.items()
    )


def refusal_headers(answer: aiohttp.ClientResponse) -> "CIMultiDict[str]":
    """The headers of a refusal, with what the upstream wants instead."""
    headers = end_to_end(answer.headers)
    # RFC 6455 section 4.4
    wanted = ["Sec-WebSocket-Version"]
    if answer.status == 426:
        # RFC 9110 section 15.5.22
        wanted.append("Upgrade")
        headers["Connection"] = "Upgrade, close"
    for name in wanted:
        headers.extend((name, line) for line in answer.headers.getall(name, ()))
    return headers
