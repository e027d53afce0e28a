"""The steps that begin a script: an opening handshake of either role, right or wrong."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from multidict import CIMultiDict

from ..wire.handshake import accept_key
from .arguments import Split, check_count, check_octets, check_seconds, check_text, split_of
from .errors import NotHttp, PeerEnded, PeerSilent, Unexpected
from .http import HeaderLines, HttpHead, head_bytes
from .player import Player

__all__ = ("Answer", "Request")

#: Reason phrases of the statuses that one may answer an opening handshake with.
REASONS = {101: "Switching Protocols", 200: "OK", 301: "Moved Permanently", 401: "Unauthorized"}


@dataclass(frozen=True)
class Answer:
    """A server's part: read the request, then answer it. By default a right 101.

    `headers` replace those of a right answer, and a value "" leaves one out; pairs are added as
    they are. `accept`, `protocol` and `extensions` are the values of these headers. `raw` is sent
    in place of all: octets, or a function of the request's head. `behind` is sent in the same
    write. `cut` sends only so many octets.
    """

    status: int = 101
    headers: HeaderLines = ()
    body: bytes = b""
    accept: str | None = None
    protocol: str | None = None
    extensions: str | None = None
    raw: bytes | Callable[[HttpHead], bytes] | None = None
    behind: bytes = b""
    split: Split = ()
    gap: float = 0.0
    cut: int | None = None

    def __post_init__(self) -> None:
        check_count("the status of an answer", self.status, 100, 999)
        check_octets("body", self.body)
        for name in ("accept", "protocol", "extensions"):
            check_text(name, getattr(self, name), optional=True)
        if not callable(self.raw):
            check_octets("raw", self.raw, optional=True)
        check_sent(self)

    async def run(self, player: Player) -> None:
        if player.wire.is_client:
            raise Unexpected("a script that answers is a server's, but this peer is a client")
        request = await read_head(player, "a request")
        await send_head(self, self.octets(request), player)

    def octets(self, request: HttpHead) -> bytes:
        """Return the answer to a request."""
        if self.raw is not None:
            return self.raw(request) if callable(self.raw) else self.raw
        headers: CIMultiDict[str] = CIMultiDict()
        if self.status == 101:
            headers["Upgrade"] = "websocket"
            headers["Connection"] = "Upgrade"
            headers["Sec-WebSocket-Accept"] = (
                accept_key(request.key) if self.accept is None else self.accept
            )
            if self.protocol is not None:
                headers["Sec-WebSocket-Protocol"] = self.protocol
            if self.extensions is not None:
                headers["Sec-WebSocket-Extensions"] = self.extensions
        else:
            headers["Content-Length"] = str(len(self.body))
            headers["Connection"] = "close"
        line = f"HTTP/1.1 {self.status} {REASONS.get(self.status, '')}".rstrip()
        return head_bytes(line, changed(headers, self.headers)) + self.body

    def __str__(self) -> str:
        return f"answer {self.status}"


@dataclass(frozen=True)
class Request:
    """A client's part: send a request, then read the head of the answer. By default a right one.

    `headers` and `raw` are as in `Answer`. `status` is that of the answer that is expected; None
    takes any, and 0 does not wait for one. A 101 has to have the right accept. `method` and
    `version` stand in the request line.
    """

    path: str = "/"
    headers: HeaderLines = ()
    host: str = "localhost"
    protocols: Sequence[str] = ()
    extensions: str | None = None
    raw: bytes | None = None
    behind: bytes = b""
    split: Split = ()
    gap: float = 0.0
    cut: int | None = None
    status: int | None = 101
    method: str = "GET"
    version: str = "HTTP/1.1"

    def __post_init__(self) -> None:
        if isinstance(self.protocols, str) or not isinstance(self.protocols, Sequence):
            raise TypeError(f"protocols are a sequence of names, got {self.protocols!r}")
        for name in self.protocols:
            check_text("a protocol", name)
        for name in ("path", "host", "method", "version"):
            check_text(name, getattr(self, name))
        check_text("extensions", self.extensions, optional=True)
        check_octets("raw", self.raw, optional=True)
        check_count("the status of an answer", self.status, 0, 999, optional=True)
        check_sent(self)

    async def run(self, player: Player) -> None:
        if not player.wire.is_client:
            raise Unexpected("a script that requests is a client's, but this peer is a server")
        key = base64.b64encode(player.random.randbytes(16)).decode()
        await send_head(self, self.raw if self.raw is not None else self.octets(key), player)
        if self.status == 0:
            return
        answer = await read_head(player, f"status {self.status or 'any'}")
        player.transcript.compare(f"status {self.status or 'any'}", answer.line)
        if self.status is not None and answer.status != self.status:
            raise Unexpected(f"got {answer.line!r}")
        accept = answer.headers.get("Sec-WebSocket-Accept", "")
        if self.status == 101 and self.raw is None and accept != accept_key(key):
            raise Unexpected(f"the Sec-WebSocket-Accept is {accept!r}")

    def octets(self, key: str) -> bytes:
        """Return the request with this key."""
        headers = CIMultiDict(
            {
                "Host": self.host,
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": key,
            }
        )
        if self.protocols:
            headers["Sec-WebSocket-Protocol"] = ", ".join(self.protocols)
        if self.extensions is not None:
            headers["Sec-WebSocket-Extensions"] = self.extensions
        line = f"{self.method} {self.path} {self.version}"
        return head_bytes(line, changed(headers, self.headers))

    def __str__(self) -> str:
        return f"request {self.path}"


def check_sent(step: Answer | Request) -> None:
    check_octets("behind", step.behind)
    check_seconds("gap", step.gap)
    check_count("cut", step.cut, optional=True)
    object.__setattr__(step, "split", split_of(step.split))
    object.__setattr__(step, "headers", header_lines(step.headers))


def header_lines(headers: HeaderLines) -> HeaderLines:
    """Return a mapping, or pairs as a tuple. TypeError or ValueError for anything else."""
    given: object = headers
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"headers are a mapping, or pairs of a name and a value, got {given!r}")
    # An iterator would do for one time only.
    lines = headers if isinstance(headers, Mapping) else tuple(headers)
    for pair in lines.items() if isinstance(lines, Mapping) else lines:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError(f"a header is a name and a value, got {pair!r}")
        for each in pair:
            check_text("a header", each)
    return lines


async def send_head(step: Answer | Request, head: bytes, player: Player) -> None:
    """Send a head and what comes behind it, and note them apart."""
    sent = (head + step.behind)[: step.cut]
    end = sent.find(b"\r\n\r\n") + 4
    if end > 3:
        player.transcript.note("sent", HttpHead.of(sent[:end]))
    rest = sent[end:] if end > 3 else sent
    if rest:
        player.transcript.note("sent", rest)
    await player.write(sent, split=step.split, gap=step.gap, note=False)


def changed(headers: CIMultiDict[str], changes: HeaderLines) -> list[tuple[str, str]]:
    """Return headers with changes: a mapping replaces, "" removes; pairs are added."""
    if not isinstance(changes, Mapping):
        return [*headers.items(), *changes]
    for name, value in changes.items():
        headers.pop(name, None)
        if value:
            headers[name] = value
    return list(headers.items())


async def read_head(player: Player, wanted: str) -> HttpHead:
    try:
        return await player.read_head()
    except (PeerEnded, PeerSilent, NotHttp) as error:
        seen = "nothing"
        if isinstance(error, PeerEnded):
            seen = "RST" if error.reset else "FIN"
        elif isinstance(error, NotHttp):
            seen = str(error)
        player.transcript.compare(wanted, seen)
        raise Unexpected(str(error)) from None
