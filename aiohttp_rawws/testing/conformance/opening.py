"""The opening handshakes of both roles, as a case asks for them."""

import os
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import NamedTuple

from multidict import CIMultiDict
from yarl import URL

from ...session.options import TOKEN
from ...wire.handshake import accept_key, new_key
from ..http import HeaderLines, HttpHead
from ..wire import Wire
from .case import Case, Changes
from .codec import accept, offer

__all__ = (
    "Target",
    "answer_bytes",
    "faults_of_answer",
    "faults_of_request",
    "request_of",
    "write_chopped",
)


PROTOCOL = "Sec-WebSocket-Protocol"
#: The headers that a case sets, or leaves out: nobody else can.
OWN_HEADERS = (
    "connection",
    "content-length",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
)
#: A value that can be sent (RFC 9110 section 5.5).
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True)
class Target:
    """The server that is checked: its URL, and the headers that each request has besides."""

    url: URL
    headers: CIMultiDict[str]
    #: The path of its Unix socket, None on TCP.
    unix_socket: str | None = None

    @classmethod
    def of(
        cls, url: str | URL, headers: HeaderLines = (), unix_socket: str | None = None
    ) -> "Target":
        """Check and return them. Raises ValueError."""
        url = URL(url)
        if url.scheme not in ("ws", "wss", "http", "https") or not url.host:
            raise ValueError(f"not a ws, wss, http or https URL: {str(url)!r}")
        if url.user is not None or url.password is not None:
            raise ValueError("no user or password in the URL: give a header, Authorization")
        found = CIMultiDict(headers)
        for name, value in found.items():
            if name.lower() in OWN_HEADERS:
                raise ValueError(f"{name} is set by the check")
            is_text = isinstance(value, str)
            if not (is_text and TOKEN.fullmatch(name) and VALUE.fullmatch(value)):
                raise ValueError(f"not a header: {name!r}: {value!r}")
        return cls(url, found, unix_socket)

    def __str__(self) -> str:
        if self.unix_socket is None:
            return str(self.url)
        return f"unix:{self.unix_socket}:{self.url.raw_path_qs}"


class Asked(NamedTuple):
    """The request of a case: its octets, its key, and the subprotocols that it offers."""

    data: bytes
    key: str
    protocols: set[str]


def request_of(case: Case, target: Target) -> Asked:
    """Return the request of a case."""
    key, url = new_key(), target.url
    headers = CIMultiDict(
        {
            "Host": url.host_port_subcomponent or "",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
        }
    )
    if case.deflate is not None:
        headers["Sec-WebSocket-Extensions"] = offer(case.deflate)
    headers.update(target.headers)
    request = case.request
    line = f"{request.method} {url.raw_path_qs or '/'} {request.version}"
    data = head(line, headers, request.change)
    protocols = HttpHead.of(data).headers.getall(PROTOCOL, [])
    data += b"".join(part.encode(True) for part in request.behind)
    return Asked(data, key, words(protocols))


def answer_bytes(case: Case, request: HttpHead) -> tuple[bytes, str | None]:
    """Return the answer of a case to a client, and the extension that it has."""
    headers = CIMultiDict(
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_key(request.key),
        }
    )
    if offered := request.headers.get(PROTOCOL, "").split(",")[0].strip():
        # A client that offers some may need one. The first is what it prefers.
        headers[PROTOCOL] = offered
    extension = None
    if case.deflate is not None:
        extension = accept(case.deflate, request.headers.get("Sec-WebSocket-Extensions", ""))
    if extension is not None:
        headers["Sec-WebSocket-Extensions"] = extension
    answer = case.answer
    data = head(f"HTTP/1.1 {answer.status}", headers, answer.change)
    return data + answer.body, extension


def head(line: str, headers: CIMultiDict[str], change: Changes) -> bytes:
    """Return a head with some of its headers changed: by their name, whatever its case."""
    lines = [line]
    changed = {name.lower() for name in change}
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in changed]
    for name, value in change.items():
        values = (value,) if isinstance(value, str) else (value or ())
        usual = ", ".join(headers.getall(name, []))
        lines += [f"{name}: {filled(each, usual)}" for each in values]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def filled(value: str, usual: str) -> str:
    """Return a value with the usual one in place of {}, if there is a usual one."""
    return value.replace("{}", usual) if usual else value.replace(", {}", "").replace("{}", "")


async def write_chopped(wire: Wire, data: bytes, chop: int) -> None:
    """Send octets in writes of `chop`, if that is not 0, one behind the other."""
    await wire.write(data, split=range(chop, len(data), chop) if chop else ())


def faults_of_answer(answer: HttpHead, asked: Asked, case: Case) -> list[str]:
    """Return what is wrong with a 101 (RFC 6455 section 4.2.2)."""
    faults = []
    headers = answer.headers
    if headers.get("Upgrade", "").lower() != "websocket":
        faults.append("the 101 has no Upgrade: websocket")
    if "upgrade" not in tokens(headers.getall("Connection", [])):
        faults.append("the 101 has no Connection: Upgrade")
    if headers.getall("Sec-WebSocket-Accept", []) != [accept_key(asked.key)]:
        faults.append("Sec-WebSocket-Accept is not that of the key")
    if not set(headers.getall(PROTOCOL, [])) <= asked.protocols:
        faults.append("the 101 has a subprotocol that was not offered")
    if "Sec-WebSocket-Extensions" in headers and case.deflate is None:
        faults.append("the 101 has an extension that was not offered")
    return faults


def faults_of_request(request: HttpHead) -> list[str]:
    """Return what is wrong with a client's opening handshake (RFC 6455 section 4.1)."""
    faults = []
    headers = request.headers
    if not request.line.startswith("GET ") or not request.line.endswith(" HTTP/1.1"):
        faults.append(f"not a GET of HTTP/1.1: {request.line!r}")
    if len(headers.getall("Host", [])) != 1:
        faults.append("not one Host")
    if "websocket" not in tokens(headers.getall("Upgrade", [])):
        faults.append("no Upgrade: websocket")
    if "upgrade" not in tokens(headers.getall("Connection", [])):
        faults.append("no Connection: Upgrade")
    if headers.getall("Sec-WebSocket-Version", []) != ["13"]:
        faults.append("no Sec-WebSocket-Version: 13")
    keys = headers.getall("Sec-WebSocket-Key", [])
    if len(keys) != 1 or not is_key(keys[0]):
        faults.append(f"not one Sec-WebSocket-Key of 16 bytes: {keys}")
    return faults


def is_key(key: str) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def tokens(lines: list[str]) -> set[str]:
    return {each.lower() for each in words(lines)}


def words(lines: list[str]) -> set[str]:
    return {each.strip() for line in lines for each in line.split(",")}


def odd_key(size: int) -> str:
    return b64encode(os.urandom(size)).decode()
