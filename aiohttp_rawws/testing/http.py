"""Heads of HTTP messages, written and read by hand."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy

__all__ = ("HeaderLines", "HttpHead", "head_bytes")

#: Headers to send: a mapping, or pairs where a name comes more than once.
HeaderLines = Mapping[str, str] | Iterable[tuple[str, str]]

LINE_END = re.compile(r"\r?\n")


@dataclass(frozen=True)
class HttpHead:
    """The head of a request or of an answer as it came. `raw` are its octets."""

    raw: bytes
    #: The request line or the status line.
    line: str
    headers: CIMultiDictProxy[str] = field(repr=False)

    @classmethod
    def of(cls, raw: bytes) -> "HttpHead":
        """Read a head up to and with its empty line. What is no header line is left out."""
        line, *lines = LINE_END.split(raw.decode("latin-1"))
        pairs = [each.split(":", 1) for each in lines if ":" in each]
        headers = CIMultiDict([(name.strip(), value.strip()) for name, value in pairs])
        return cls(raw, line, CIMultiDictProxy(headers))

    @property
    def status(self) -> int:
        """The status of an answer, 0 for what is no status line."""
        found = re.match(r"HTTP/\d\.\d (\d{3})\b", self.line)
        return int(found[1]) if found else 0

    @property
    def path(self) -> str:
        """The path and query of a request, "" for what is no request line."""
        words = self.line.split(" ")
        return words[1] if len(words) == 3 else ""

    @property
    def key(self) -> str:
        """The `Sec-WebSocket-Key` of a request, "" without one."""
        return self.headers.get("Sec-WebSocket-Key", "")


def head_bytes(line: str, headers: HeaderLines) -> bytes:
    """Return a request line or a status line with headers, as octets. Nothing is checked."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [line, *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1")
