"""The opening handshakes of both roles, as a case asks for them."""

import os
from base64 import b64decode, b64encode

from yarl import URL

from ...wire.handshake import accept_key, new_key
from ..http import HttpHead
from ..wire import Wire
from .case import Case, Changes
from .codec import accept, offer

__all__ = (
    "answer_bytes",
    "faults_of_answer",
    "faults_of_request",
    "request_bytes",
    "write_chopped",
)


def request_bytes(case: Case, url: URL) -> tuple[bytes, str]:
    """Return the request of a case, and its key."""
    key = new_key()
    port = "" if url.is_default_port() else f":{url.port}"
    headers = {
        "Host": f"{url.raw_host if ':' not in (url.raw_host or '') else f'[{url.raw_host}]'}{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    if case.deflate is not None:
        headers["Sec-WebSocket-Extensions"] = offer(case.deflate)
    request = case.request
    line = f"{request.method} {url.raw_path_qs or '/'} {request.version}"
    data = head(line, headers, request.change)
    return data + b"".join(part.encode(True) for part in request.behind), key


def answer_bytes(case: Case, request: HttpHead) -> tuple[bytes, str | None]:
    """Return the answer of a case to a client, and the extension that it has."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_key(request.key),
    }
    extension = None
    if case.deflate is not None:
        extension = accept(case.deflate, request.headers.get("Sec-WebSocket-Extensions", ""))
    if extension is not None:
        headers["Sec-WebSocket-Extensions"] = extension
    answer = case.answer
    data = head(f"HTTP/1.1 {answer.status}", headers, answer.change)
    return data + answer.body, extension


def head(line: str, headers: dict[str, str], change: Changes) -> bytes:
    """Return a head with some of its headers changed: by their name, whatever its case."""
    lines = [line]
    changed = {name.lower() for name in change}
    usual = {name.lower(): value for name, value in headers.items()}
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in changed]
    for name, value in change.items():
        values = (value,) if isinstance(value, str) else (value or ())
        lines += [f"{name}: {each}".replace("{}", usual.get(name.lower(), "")) for each in values]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def write_chopped(wire: Wire, data: bytes, chop: int) -> None:
    """Send octets in writes of `chop`, if that is not 0, one behind the other."""
    await wire.write(data, split=range(chop, len(data), chop) if chop else ())


def faults_of_answer(answer: HttpHead, key: str, case: Case) -> list[str]:
    """Return what is wrong with a 101 (RFC 6455 section 4.2.2)."""
    faults = []
    headers = answer.headers
    if headers.get("Upgrade", "").lower() != "websocket":
        faults.append("the 101 has no Upgrade: websocket")
    if "upgrade" not in tokens(headers.getall("Connection", [])):
        faults.append("the 101 has no Connection: Upgrade")
    if headers.getall("Sec-WebSocket-Accept", []) != [accept_key(key)]:
        faults.append("Sec-WebSocket-Accept is not that of the key")
    if "Sec-WebSocket-Protocol" in headers and "Sec-WebSocket-Protocol" not in case.request.change:
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
    return {each.strip().lower() for line in lines for each in line.split(",")}


def odd_key(size: int) -> str:
    return b64encode(os.urandom(size)).decode()
