"""The opening handshake of RFC 6455 section 4, for both roles: pure functions over headers.

Nothing here reads or writes: the server asks `check_request` whether to go on and sends
`response_headers`; the client sends `new_key` and compares with `accept_key`.
"""

import base64
import hashlib
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from multidict import CIMultiDict, MultiMapping

__all__ = (
    "Refusal",
    "accept_key",
    "check_request",
    "choose_protocol",
    "has_body",
    "is_upgrade",
    "new_key",
    "response_headers",
    "tokens",
)

# RFC 6455 section 1.3
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# 16 bytes are always 22 characters and two of padding. The last character may carry bits that
# mean nothing: the example of RFC 6455 section 4.1, "AQIDBAUGBwgJCgsMDQ4PEC==", does.
KEY = re.compile(r"[A-Za-z0-9+/]{22}==")

#: What an `Origin` header may be: exactly this, fully matched by this, or (None) absent.
OriginRule = str | re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to a request that is not upgraded; `headers` are those beside the usual ones."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


def accept_key(key: str) -> str:
    """The `Sec-WebSocket-Accept` that proves a server has read `key` (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def new_key() -> str:
    """A fresh `Sec-WebSocket-Key`: 16 random bytes in base64 (RFC 6455 section 4.1)."""
    return base64.b64encode(os.urandom(16)).decode()


def tokens(headers: MultiMapping[str], name: str) -> tuple[str, ...]:
    """The comma list of all header lines of that name, in order, as written, empties dropped."""
    parts = (part.strip(" \t") for line in lines(headers, name) for part in line.split(","))
    return tuple(part for part in parts if part)


def is_upgrade(headers: MultiMapping[str]) -> bool:
    """Whether the headers ask for, or grant, an upgrade to websocket (RFC 6455 section 4.2.1)."""
    return has_token(headers, "Connection", "upgrade") and has_token(
        headers, "Upgrade", "websocket"
    )


def has_body(headers: MultiMapping[str]) -> bool:
    """Whether the headers announce a body (RFC 9112 section 6)."""
    return "Transfer-Encoding" in headers or any(
        line.strip("0") for line in lines(headers, "Content-Length")
    )


def choose_protocol(offered: Sequence[str], wanted: Collection[str]) -> str | None:
    """The first of the client's `offered` subprotocols that is `wanted`, case and all."""
    return next((name for name in offered if name in wanted), None)


def check_request(
    *,
    method: str,
    version: tuple[int, int],
    headers: MultiMapping[str],
    has_body: bool,
    wanted: tuple[str, ...],
    origins: Collection[OriginRule] | None,
    allow: Collection[str] = ("GET",),
) -> Refusal | None:
    """Why a server refuses this opening handshake, or None to go on (RFC 6455 section 4.2.1).

    `version` is that of HTTP, `wanted` are the subprotocols to choose from (none: any offer
    will do), `origins` the origins to let in (None: all), `allow` the methods of the path. Of
    several reasons the first one of this order is given: method, upgrade, version of the
    protocol, key, body, version of HTTP, subprotocol, origin.
    """
    if method != "GET":
        allowed = ", ".join(sorted(allow))
        return Refusal(405, f"Method not allowed here; use {allowed}.", {"Allow": allowed})
    if not is_upgrade(headers):
        # RFC 9110 section 15.5.22: a 426 names in Upgrade what to upgrade to.
        return Refusal(
            426,
            "This is a WebSocket endpoint: send Connection: Upgrade and Upgrade: websocket.",
            {"Upgrade": "websocket", "Connection": "Upgrade, close"},
        )
    if [fold(line) for line in lines(headers, "Upgrade")] != ["websocket"]:
        return Refusal(400, "Upgrade must hold nothing but websocket.")
    if lines(headers, "Sec-WebSocket-Version") != ["13"]:
        # RFC 6455 section 4.4
        return Refusal(
            426,
            "Sec-WebSocket-Version must be 13, in one header line.",
            {"Sec-WebSocket-Version": "13"},
        )
    wrong = (
        wrong_key(headers)
        or (has_body and "A WebSocket handshake has no body: send none.")
        or (version != (1, 1) and "A WebSocket handshake needs HTTP/1.1.")
        or wrong_protocol(headers, wanted)
    )
    if wrong:
        return Refusal(400, wrong)
    if origins is not None and not is_welcome(headers, origins):
        # RFC 6455 section 10.2
        return Refusal(403, "The Origin of this request is not let in here.")
    return None


def response_headers(key: str, *, protocol: str | None, extensions: str | None) -> CIMultiDict[str]:
    """The headers of the 101 (RFC 6455 section 4.2.2)."""
    headers = CIMultiDict(
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_key(key),
        }
    )
    if protocol is not None:
        headers["Sec-WebSocket-Protocol"] = protocol
    if extensions is not None:
        headers["Sec-WebSocket-Extensions"] = extensions
    return headers


def lines(headers: MultiMapping[str], name: str) -> list[str]:
    """All header lines of that name, without the white space around their values."""
    return [line.strip(" \t") for line in headers.getall(name, ())]


def has_token(headers: MultiMapping[str], name: str, token: str) -> bool:
    return any(fold(part) == token for part in tokens(headers, name))


def fold(text: str) -> str:
    """Lower-case ASCII alone: `str.lower` would make a k of the Kelvin sign."""
    return text.lower() if text.isascii() else text


def wrong_key(headers: MultiMapping[str]) -> str | None:
    keys = lines(headers, "Sec-WebSocket-Key")
    if len(keys) == 1 and KEY.fullmatch(keys[0]):
        return None
    return "Sec-WebSocket-Key must be 16 random bytes in base64, in one header line."


def wrong_protocol(headers: MultiMapping[str], wanted: tuple[str, ...]) -> str | None:
    if not wanted or choose_protocol(tokens(headers, "Sec-WebSocket-Protocol"), wanted):
        return None
    return f"Sec-WebSocket-Protocol must offer {' or '.join(wanted)}."


def is_welcome(headers: MultiMapping[str], origins: Collection[OriginRule]) -> bool:
    sent = lines(headers, "Origin")
    if not sent:
        return None in origins
    # Two Origin lines come from no browser; which of them would be the true one?
    return len(sent) == 1 and any(matches(rule, sent[0]) for rule in origins)


def matches(rule: OriginRule, origin: str) -> bool:
    if isinstance(rule, re.Pattern):
        return rule.fullmatch(origin) is not None
    return rule == origin
