"""Plain requests written by hand, and an upstream that keeps what it gets."""

import asyncio
from dataclasses import dataclass

from multidict import CIMultiDict

from tests.support.handshakes import Opening
from tests.support.waiting import PATIENCE
from tests.support.wire import Wire, read_opening


def plain(
    path: str = "/",
    *lines: str,
    method: str = "GET",
    version: str = "1.1",
    body: bytes = b"",
) -> bytes:
    """Return a request with these header lines behind its Host."""
    head = [f"{method} {path} HTTP/{version}", "Host: example.test", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


@dataclass
class Request:
    """A request as it came: `body` has the framing that it had on the wire."""

    line: str
    headers: "CIMultiDict[str]"
    body: bytes


async def read_body(wire: Wire, headers: "CIMultiDict[str]") -> bytes:
    """Return a body with the framing that it has on the wire."""
    if "chunked" in headers.get("Transfer-Encoding", ""):
        return await asyncio.wait_for(wire.reader.readuntil(b"0\r\n\r\n"), PATIENCE)
    return await wire.read(int(headers.get("Content-Length", "0")))


class Recorder:
    """An upstream that keeps each request and gives the same answer to all."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK") -> None:
        self.answer = answer
        self.requests: list[Request] = []

    async def script(self, wire: Wire, opening: Opening) -> None:
        while True:
            body = await read_body(wire, opening.headers)
            self.requests.append(Request(opening.line, opening.headers, body))
            head, end, content = self.answer.partition(b"\r\n\r\n")
            wire.send(head + end + (b"" if opening.line.startswith("HEAD ") else content))
            opening = await read_opening(wire)

    @property
    def request(self) -> Request:
        [only] = self.requests
        return only


def of_chunks(body: bytes) -> bytes:
    """Return what chunks hold together."""
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        data += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return data


async def exchange(wire: Wire, data: bytes) -> tuple[int, "CIMultiDict[str]", bytes]:
    """Send a request, and return status, headers and body of its answer."""
    wire.send(data)
    status, headers = await wire.read_head()
    return status, headers, await read_body(wire, headers)
