"""Opening handshakes written by hand: requests, and the answers to them."""

from dataclasses import dataclass

from multidict import CIMultiDict

from aiohttp_rawws.wire.handshake import accept_key

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the sample nonce of RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#: Paths with queries that a proxy must pass on as they were written.
PATHS = [
    "/a%2Fb/%7Ex/%c3%a4?a=%2F&b=%20+c&d=%7e",
    "//evil.test/x//y/",
    "/a/../b/./%2e%2e?../x",
    "/?q=a?b=c&&=",
    "/a;b=c:d@e?f;g",
    "/:@!$&'()*+,;=-._~[]%20%F0%9F%8E%89?:@!$&'()*+,;=/[]%C2%B1",
]


def request(path: str = "/", method: str = "GET", version: str = "1.1", **changes: str) -> bytes:
    """Return an opening handshake. `changes` replace headers (`Origin="x"`); "" drops one."""
    headers = CIMultiDict(
        {
            "Host": "example.test",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
        }
    )
    for name, value in changes.items():
        headers[name.replace("_", "-")] = value
    lines = [f"{method} {path} HTTP/{version}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class Opening:
    """An opening handshake as it was received."""

    line: str
    headers: "CIMultiDict[str]"

    @property
    def key(self) -> str:
        return self.headers["Sec-WebSocket-Key"]


def answer(opening: Opening, **changes: "str | list[str]") -> bytes:
    """Return a 101. `changes` replace headers; "" drops one, a list gives several lines."""
    headers: dict[str, str | list[str]] = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_key(opening.key),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = ["HTTP/1.1 101 Switching Protocols"]
    for name, value in headers.items():
        values = value if isinstance(value, list) else [value] if value else []
        lines += [f"{name}: {line}" for line in values]
    return "\r\n".join([*lines, "", ""]).encode()


def asks(*lines: str, path: str = "/") -> bytes:
    """Return an opening handshake with more header lines, encoded in Latin-1."""
    return request(path)[:-2] + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"
