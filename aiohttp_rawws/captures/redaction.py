"""Secrets of handshakes that are not shown: in headers, subprotocols and queries."""

import re
from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import unquote

__all__ = (
    "REDACTED",
    "Headers",
    "Redaction",
    "redact_header",
    "redact_headers",
    "redact_protocols",
    "redact_query",
)

Headers: TypeAlias = Iterable[tuple[str, str]]

REDACTED = "[redacted]"

#: A header, a subprotocol or a parameter of a query whose name holds one of these is a secret.
SECRET_NAME = re.compile(
    "auth|cookie|credential|csrf|jwt|passw|pwd|secret|session|signature|ticket|token|xsrf"
    "|(?<![a-z])(?:api|access)?key(?![a-z])|(?<![a-z])(?:pass|sig)(?![a-z])",
    re.IGNORECASE,
)

#: The names of these headers look secret, and their values are not.
OPEN_HEADERS = frozenset(
    {
        "proxy-authenticate",
        "sec-websocket-accept",
        "sec-websocket-key",
        "www-authenticate",
    }
)

#: The scheme of credentials is shown.
SCHEME = re.compile(r"(?:basic|bearer|digest|negotiate|token) ", re.IGNORECASE)

#: Not where one more parameter begins.
NEXT = r"(?![;?][^?&=#;/\s]+=)"
#: A parameter of a query, or one behind a semicolon, of any URL that stands in a text.
PARAMETER = re.compile(
    rf"([?&])([^?&=#\s]+)=((?:{NEXT}[^&#\s])+)|(;)([^?&=#;/\s]+)=((?:{NEXT}[^?&#\s])+)"
)

#: User and password of a URL.
USER = re.compile(r"(?<=://)[^/?#\s]+(?=@)")

#: A subprotocol that is too long or too random to be a name.
TOKEN = re.compile(r"[^\s,]{33,}|(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}")
PROTOCOL = re.compile(r"[^\s,]+")


class Redaction:
    """What is shown of a handshake: all of it if `show_secrets` is set."""

    def __init__(self, *, show_secrets: bool) -> None:
        self._show_secrets = show_secrets

    def headers(self, headers: Headers) -> list[tuple[str, str]]:
        return list(headers) if self._show_secrets else redact_headers(headers)

    def path(self, text: str) -> str:
        """Return a path or a URL as it is shown."""
        return text if self._show_secrets else redact_query(text)

    def protocol(self, text: str | None) -> str | None:
        """Return a subprotocol as it is shown."""
        return text if text is None or self._show_secrets else redact_protocols(text)

    def handshake(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return a handshake as it is shown. What is None is not known."""
        shown = dict(fields)
        for key in ("request", "response"):
            if fields[key] is not None:
                shown[key] = self.headers(fields[key])
        if fields.get("url") is not None:
            shown["url"] = self.path(fields["url"])
        return shown


def redact_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers without secrets."""
    return [(name, redact_header(name, value)) for name, value in headers]


def redact_header(name: str, value: str) -> str:
    """Return the value of a header without secrets."""
    folded = name.lower()
    if folded == "sec-websocket-protocol":
        return redact_protocols(value)
    if folded in OPEN_HEADERS or not SECRET_NAME.search(name):
        return redact_query(value)
    scheme = SCHEME.match(value) if folded.endswith("authorization") else None
    return f"{scheme[0]}{REDACTED}" if scheme is not None else REDACTED


def redact_protocols(value: str) -> str:
    """Return a list of subprotocols without those that look like a secret."""
    return PROTOCOL.sub(lambda found: redact_protocol(found[0]), value)


def redact_protocol(name: str) -> str:
    return REDACTED if TOKEN.search(name) or SECRET_NAME.search(name) else name


def redact_query(text: str) -> str:
    """Return a text without the users and the secret parameters of the URLs in it."""
    return PARAMETER.sub(redact_parameter, USER.sub(REDACTED, text))


def redact_parameter(found: "re.Match[str]") -> str:
    separator, name, value = filter(None, found.groups())
    is_secret = SECRET_NAME.search(unquote(name)) or has_secret(unquote(value))
    return f"{separator}{name}={REDACTED}" if is_secret else found[0]


def has_secret(text: str) -> bool:
    """Return whether a text, the value of a parameter, is a URL with a secret."""
    names = (found[2] or found[5] for found in PARAMETER.finditer(text))
    return USER.search(text) is not None or any(SECRET_NAME.search(name) for name in names)
