"""The opening handshake of RFC 6455 section 4, for both roles: pure functions over headers.

A server checks a request with `check_request` and answers it with `response_headers`. A client
sends a `new_key` and checks the answer with `wrong_answer`. Nothing here reads or writes.
"""

import base64
import binascii
import enum
import hashlib
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from multidict import CIMultiDict, MultiMapping, istr

from .header_lists import fold, has_token, lines, only_line, tokens, too_long, wrong_length

__all__ = (
    "UPGRADE_LISTS",
    "HandshakeRequest",
    "HandshakeRule",
    "Refusal",
    "accept_key",
    "check_request",
    "choose_protocol",
    "chosen_protocol",
    "extension_names",
    "has_body",
    "is_upgrade",
    "names_websocket_alone",
    "new_key",
    "response_headers",
    "wrong_answer",
)

# RFC 6455 section 1.3
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# 16 bytes are always 22 characters and two of padding. The last character may carry bits that
# mean nothing: the example of RFC 6455 section 4.1, "AQIDBAUGBwgJCgsMDQ4PEC==", does.
KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)"
)

# Names that need not be made lower case each time.
CONNECTION = istr("Connection")
UPGRADE = istr("Upgrade")
VERSION = istr("Sec-WebSocket-Version")
KEY_NAME = istr("Sec-WebSocket-Key")
ACCEPT = istr("Sec-WebSocket-Accept")
PROTOCOL = istr("Sec-WebSocket-Protocol")
EXTENSIONS = istr("Sec-WebSocket-Extensions")
ORIGIN = istr("Origin")
CONTENT_LENGTH = istr("Content-Length")
TRANSFER_ENCODING = istr("Transfer-Encoding")

#: The headers of an opening handshake that are comma lists.
UPGRADE_LISTS = (CONNECTION, UPGRADE)
OFFERS = (PROTOCOL, EXTENSIONS)

#: A rule for the `Origin` header: this very text, a pattern that fully matches, or None for a
#: request without the header.
OriginRule = str | re.Pattern[str] | None


class HandshakeRule(enum.Flag):
    """The rules of RFC 6455 section 4 that one may let a peer break, one bit each."""

    NONE = 0
    #: Server: the version is a list with 13 in it, as `13, 8` (section 4.2.1).
    VERSION_LIST = 1
    #: Server: the key is base64 of fewer or more than 16 bytes (section 4.2.1).
    KEY_LENGTH = 2
    #: Client: the 101 has a subprotocol that was not offered (section 4.1).
    UNASKED_PROTOCOL = 4
    #: Client: the 101 has an empty `Sec-WebSocket-Protocol` (section 4.1).
    EMPTY_PROTOCOL = 8
    ALL = 15


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that is not upgraded. `headers` are added to the usual ones."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


def accept_key(key: str) -> str:
    """Return the `Sec-WebSocket-Accept` for a key: proof of reading it (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


def new_key() -> str:
    """Return a fresh `Sec-WebSocket-Key`: 16 random bytes in base64 (RFC 6455 section 4.1)."""
    return base64.b64encode(os.urandom(16)).decode()


def is_upgrade(headers: MultiMapping[str]) -> bool:
    """Tell whether headers ask for an upgrade to websocket, or grant one (RFC 6455 section 4.2.1).

    False if `Connection` or `Upgrade` is too long.
    """
    return has_token(headers, CONNECTION, "upgrade") and has_token(headers, UPGRADE, "websocket")


def names_websocket_alone(headers: MultiMapping[str]) -> bool:
    """Tell whether `Upgrade` holds nothing but websocket."""
    return fold(only_line(headers, UPGRADE) or "") == "websocket"


def has_body(headers: MultiMapping[str]) -> bool:
    """Tell whether headers announce a body (RFC 9112 section 6)."""
    if TRANSFER_ENCODING in headers:
        return True
    return CONTENT_LENGTH in headers and any(
        line.strip("0") for line in lines(headers, CONTENT_LENGTH)
    )


def choose_protocol(offered: Sequence[str], wanted: Collection[str]) -> str | None:
    """Return the first subprotocol of the client's offer that is wanted; case matters."""
    return next((name for name in offered if name in wanted), None)


class HandshakeRequest:
    """A request that may be an opening handshake. Each of its comma lists is split once.

    `version` is the version of HTTP.
    """

    __slots__ = ("_is_upgrade", "_offered", "_protocols", "headers", "method", "version")

    def __init__(self, method: str, version: tuple[int, int], headers: MultiMapping[str]) -> None:
        self.method = method
        self.version = version
        self.headers = headers
        # Each is None until it is asked for.
        self._is_upgrade: bool | None = None
        self._protocols: tuple[str, ...] | None = None
        self._offered: frozenset[str] | None = None

    @property
    def is_upgrade(self) -> bool:
        """True if the request asks for an upgrade to websocket."""
        if self._is_upgrade is None:
            self._is_upgrade = is_upgrade(self.headers)
        return self._is_upgrade

    @property
    def may_be_upgrade(self) -> bool:
        """True if the request asks for an upgrade, or its lists are too long to tell."""
        return self.is_upgrade or too_long(self.headers, UPGRADE_LISTS) is not None

    @property
    def protocols(self) -> tuple[str, ...]:
        """The subprotocols that are offered, in order; none if the list is too long."""
        if self._protocols is None:
            too_many = too_long(self.headers, [PROTOCOL]) is not None
            offered = () if too_many else tokens(self.headers, PROTOCOL)
            self._protocols = tuple(dict.fromkeys(offered))
        return self._protocols

    def offers(self, wanted: Collection[str]) -> bool:
        """Tell whether one of the wanted subprotocols is offered, or none is wanted."""
        if not wanted:
            return True
        if self._offered is None:
            self._offered = frozenset(self.protocols)
        return not self._offered.isdisjoint(wanted)


def check_request(
    request: HandshakeRequest,
    *,
    wanted: tuple[str, ...] = (),
    origins: Collection[OriginRule] | None = None,
    reject: HandshakeRule = HandshakeRule.ALL,
    allow: Collection[str] = ("GET",),
) -> Refusal | None:
    """Return why a server refuses an opening handshake, None to accept it (RFC 6455 4.2.1).

    `wanted` are the subprotocols to choose from; without any, every offer will do. `origins` are
    the origins to let in; None lets in all. `reject` names the rules that must be kept. `allow`
    are the methods of the path.

    The first reason in this order counts: method, upgrade, version of the protocol, key, body,
    version of HTTP, subprotocol, origin.
    """
    headers = request.headers
    if request.method != "GET":
        allowed = ", ".join(sorted(allow))
        return Refusal(405, f"Method not allowed here; use {allowed}.", {"Allow": allowed})
    if not request.is_upgrade:
        if wrong := wrong_length(headers, UPGRADE_LISTS):
            return Refusal(400, wrong)
        # RFC 9110 section 15.5.22: a 426 names in Upgrade what to upgrade to.
        return Refusal(
            426,
            "This is a WebSocket endpoint: send Connection: Upgrade and Upgrade: websocket.",
            {"Upgrade": "websocket", "Connection": "Upgrade, close"},
        )
    if not names_websocket_alone(headers):
        return Refusal(400, "Upgrade must hold nothing but websocket.")
    if not has_version(headers, reject):
        # RFC 6455 section 4.4
        return Refusal(
            426,
            "Sec-WebSocket-Version must be 13, in one header line.",
            {"Sec-WebSocket-Version": "13"},
        )
    wrong = (
        wrong_key(headers, reject)
        or (has_body(headers) and "A WebSocket handshake has no body: send none.")
        or (request.version != (1, 1) and "A WebSocket handshake needs HTTP/1.1.")
        or wrong_length(headers, OFFERS)
        or wrong_protocol(request, wanted)
    )
    if wrong:
        return Refusal(400, wrong)
    if origins is not None and not is_welcome(headers, origins):
        # RFC 6455 section 10.2
        return Refusal(403, "The Origin of this request is not let in here.")
    return None


def response_headers(key: str, *, protocol: str | None, extensions: str | None) -> CIMultiDict[str]:
    """Return the headers of the 101 (RFC 6455 section 4.2.2)."""
    headers = CIMultiDict(
        {
            UPGRADE: "websocket",
            CONNECTION: "Upgrade",
            ACCEPT: accept_key(key),
        }
    )
    if protocol is not None:
        headers[PROTOCOL] = protocol
    if extensions is not None:
        headers[EXTENSIONS] = extensions
    return headers


def has_version(headers: MultiMapping[str], reject: HandshakeRule) -> bool:
    if only_line(headers, VERSION) == "13":
        return True
    if HandshakeRule.VERSION_LIST in reject or too_long(headers, [VERSION]):
        return False
    return "13" in tokens(headers, VERSION)


def wrong_key(headers: MultiMapping[str], reject: HandshakeRule) -> str | None:
    key = only_line(headers, KEY_NAME)
    if key is not None and (
        KEY.fullmatch(key) or (HandshakeRule.KEY_LENGTH not in reject and BASE64.fullmatch(key))
    ):
        return None
    return "Sec-WebSocket-Key must be 16 random bytes in base64, in one header line."


def wrong_protocol(request: HandshakeRequest, wanted: tuple[str, ...]) -> str | None:
    if request.offers(wanted):
        return None
    return f"Sec-WebSocket-Protocol must offer {' or '.join(wanted)}."


def is_welcome(headers: MultiMapping[str], origins: Collection[OriginRule]) -> bool:
    sent = lines(headers, ORIGIN)
    if not sent:
        return None in origins
    # No browser sends two Origin lines, and nobody can tell which one is true.
    return len(sent) == 1 and any(matches(rule, sent[0]) for rule in origins)


def matches(rule: OriginRule, origin: str) -> bool:
    if isinstance(rule, re.Pattern):
        return rule.fullmatch(origin) is not None
    return rule == origin


# The client's side.


def wrong_answer(
    sent: MultiMapping[str],
    got: MultiMapping[str],
    reject: HandshakeRule = HandshakeRule.ALL,
) -> str:
    """Return what is wrong with the headers of a 101, "" if nothing is (RFC 6455 section 4.1).

    `sent` are the headers of the request, `got` those of the 101. `reject` names the rules that
    must be kept.
    """
    if wrong := wrong_length(got, (*UPGRADE_LISTS, *OFFERS)):
        return wrong
    if not names_websocket_alone(got):
        return "Upgrade is not websocket"
    if not has_token(got, CONNECTION, "upgrade"):
        return "Connection has no upgrade"
    if only_line(got, ACCEPT) != accept_key(sent.get(KEY_NAME, "")):
        return "Sec-WebSocket-Accept does not prove that the server has read the key"
    if wrong := wrong_choice(sent, lines(got, PROTOCOL), reject):
        return wrong
    unoffered = extension_names(got) - extension_names(sent)
    if unoffered:
        return f"extensions that were not offered: {shortened(', '.join(sorted(unoffered)))}"
    return ""


def shortened(text: str) -> str:
    """Return a text that is short enough for a line of a log."""
    return text if len(text) <= 100 else f"{text[:100]}..."


def wrong_choice(sent: MultiMapping[str], protocols: list[str], reject: HandshakeRule) -> str:
    """Return what is wrong with the subprotocols of a 101, "" if nothing is."""
    # Section 11.3.4: the header must not appear more than once in a response.
    if len(protocols) > 1:
        return f"more than one subprotocol: {shortened(', '.join(protocols))}"
    if protocols == [""]:
        return "the subprotocol is empty" if HandshakeRule.EMPTY_PROTOCOL in reject else ""
    if protocols and HandshakeRule.UNASKED_PROTOCOL in reject:
        [protocol] = protocols
        if protocol not in tokens(sent, PROTOCOL):
            return f"the subprotocol {shortened(protocol)!r} was not offered"
    return ""


def chosen_protocol(headers: MultiMapping[str]) -> str | None:
    """Return the subprotocol of a 101, None if there is none or it is empty."""
    return next(filter(None, lines(headers, PROTOCOL)), None)


def extension_names(headers: MultiMapping[str]) -> set[str]:
    """Return the names of the extensions in a header, without parameters (RFC 6455 section 9.1).

    Every comma ends an extension: a quoted parameter has to be a token, which has none.
    """
    elements = tokens(headers, EXTENSIONS)
    return {element.partition(";")[0].rstrip(" \t") for element in elements}
