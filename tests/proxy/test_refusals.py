"""A refusal by the upstream reaches the visitor."""

import asyncio
import contextlib
import gzip
import ssl

import aiohttp
import pytest
from yarl import URL

from tests.support.handshakes import KEY, Opening, request
from tests.support.scripts import JUNK, says
from tests.support.servers import BOTH, Serve, left
from tests.support.sockets import reset
from tests.support.waiting import soon, until
from tests.support.wire import ByHand, Wire, only_response, raw_bytes, tell

REFUSALS = [
    (401, ["WWW-Authenticate: Basic realm=x", "WWW-Authenticate: Bearer", "Content-Length: 0"], ""),
    (403, ["Content-Length: 2", "Set-Cookie: a=1", "Set-Cookie: b=2"], "No"),
    (404, ["Content-Length: 0"], ""),
    (302, ["Location: /else%2Fwhere?%7E", "Content-Length: 4"], "else"),
    (200, ["Content-Type: text/html", "Content-Length: 5"], "Hello"),
    (503, ["Retry-After: 120", "Content-Length: 0", "Server: theirs", "X-A: 1", "x-a: 2"], ""),
    (599, ["Content-Length: 0"], ""),
]


@BOTH
@pytest.mark.parametrize(("status", "lines", "body"), REFUSALS, ids=str)
async def test_refusals(
    by_hand: ByHand, through: Serve, tls: bool, status: int, lines: list[str], body: str
) -> None:
    """As they are, but for the end of the connection."""
    head = "\r\n".join([f"HTTP/1.1 {status} For A Reason", *lines, "Keep-Alive: 5", "", ""])
    ours = await through(await by_hand(says((head + body).encode())), tls=tls)
    got = await raw_bytes(ours, request() + JUNK)
    top, _, rest = got.decode().partition("\r\n\r\n")
    first, *others = top.split("\r\n")
    assert first == f"HTTP/1.1 {status} For A Reason"
    assert rest == body
    assert sorted(others) == sorted([*lines, "Connection: close"])


async def test_a_refusal_that_wants_something_else(by_hand: ByHand, through: Serve) -> None:
    """RFC 6455 section 4.4, RFC 9110 section 15.5.22."""
    said = b"HTTP/1.1 426 No\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8, 7\r\n"
    said += b"Connection: Upgrade\r\nContent-Length: 0\r\n\r\n"
    _, headers = await tell(await through(await by_hand(says(said))), request())
    assert headers.getall("Upgrade") == ["websocket"]
    assert headers.getall("Connection") == ["Upgrade, close"]
    assert headers.getall("Sec-WebSocket-Version") == ["8, 7"]


async def test_an_upgrade_that_is_only_offered(by_hand: ByHand, through: Serve) -> None:
    said = b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"
    _, headers = await tell(await through(await by_hand(says(said))), request())
    assert "Upgrade" not in headers
    assert headers.getall("Connection") == ["close"]


ZIPPED = gzip.compress(b"Hello" * 100)
CHUNKED = b"5\r\nHello\r\n1;x=y\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "sent", "body"),
    [
        ("Transfer-Encoding: chunked", CHUNKED, b"Hello!"),
        (f"Content-Encoding: gzip\r\nContent-Length: {len(ZIPPED)}", ZIPPED, ZIPPED),
        ("Content-Encoding: nonsense\r\nContent-Length: 5", b"Hello", b"Hello"),
        ("Content-Type: a/b", b"until the end", b"until the end"),
    ],
    ids=["chunked", "gzip", "an unknown encoding", "up to the end"],
)
async def test_bodies(
    by_hand: ByHand,
    through: Serve,
    client_tls: ssl.SSLContext,
    lines: str,
    sent: bytes,
    body: bytes,
) -> None:
    said = f"HTTP/1.1 403 No\r\n{lines}\r\n\r\n".encode() + sent
    ours = await through(await by_hand(says(said)), tls=True)
    async with aiohttp.ClientSession(auto_decompress=False) as visitor:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY}
        headers["Sec-WebSocket-Version"] = "13"
        async with visitor.get(ours.url(scheme="http"), headers=headers, ssl=client_tls) as got:
            assert await soon(got.read()) == body
            for name in ("Content-Encoding", "Content-Type"):
                assert (name in got.headers) == (name in lines)


@pytest.mark.parametrize(
    ("status", "length"), [(204, ""), (304, "Content-Length: 5\r\n"), (304, "")]
)
async def test_a_status_that_has_no_body(
    by_hand: ByHand, through: Serve, status: int, length: str
) -> None:
    said = f"HTTP/1.1 {status} X\r\nETag: x\r\n{length}\r\n".encode()
    got = await raw_bytes(await through(await by_hand(says(said))), request())
    assert got.startswith(f"HTTP/1.1 {status} X\r\n".encode())
    assert got.endswith(b"\r\n\r\n")
    assert got.count(b"\r\n\r\n") == 1
    assert b"Transfer-Encoding" not in got
    assert b"Content-Length" not in got


@BOTH
async def test_a_big_body(by_hand: ByHand, through: Serve, tls: bool) -> None:
    """To a visitor that reads late; nothing of it is gathered meanwhile."""
    part = bytes(range(256)) * 256
    parts = 640
    passed = 0

    async def script(wire: Wire, opening: Opening) -> None:
        nonlocal passed
        wire.send(f"HTTP/1.1 403 No\r\nContent-Length: {parts * len(part)}\r\n\r\n".encode())
        for _ in range(parts):
            wire.send(part)
            await wire.writer.drain()
            passed += 1
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script, tls=tls), tls=tls))
    wire.transport.pause_reading()
    wire.send(request() + JUNK)
    before = -1
    while passed == 0 or passed != before:
        before = passed
        await asyncio.sleep(0.1)
    assert 0 < passed < parts
    wire.transport.resume_reading()
    got = await wire.read_to_end()
    await wire.close()
    assert got.partition(b"\r\n\r\n")[2] == part * parts


@pytest.mark.parametrize("lines", ["Content-Length: 10", "Transfer-Encoding: chunked"])
@BOTH
@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_body_that_breaks_off(
    by_hand: ByHand,
    through: Serve,
    caplog: pytest.LogCaptureFixture,
    lines: str,
    tls: bool,
    how: str,
) -> None:
    """The visitor must not take it for complete."""
    read = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        data = b"5\r\nHello\r\n" if "chunked" in lines else b"Hello"
        wire.send(f"HTTP/1.1 403 No\r\n{lines}\r\n\r\n".encode() + data)
        await read.wait()
        if how == "FIN":
            await wire.close()
        else:
            reset(wire)

    address = await by_hand(script, tls=tls)
    ours = await through(address, tls=tls)
    wire = await Wire.open(ours)
    wire.send(request("/?token=secret") + JUNK)
    await wire.read_head()
    await soon(wire.reader.readuntil(b"Hello"))
    read.set()
    with contextlib.suppress(ConnectionError):
        assert b"0\r\n\r\n" not in await wire.read_to_end()
    await wire.close()
    await until(lambda: bool(caplog.records))
    [message] = caplog.messages
    assert message.startswith(f"Proxy: {URL(address.url()).origin()} broke off its answer: ")
    assert "secret" not in message
    assert "\n" not in message


@pytest.mark.parametrize("when", ["during the dial", "in the body"])
@pytest.mark.parametrize("handler_cancellation", [False, True])
async def test_a_visitor_that_does_not_wait_for_the_refusal(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    through: Serve,
    caplog: pytest.LogCaptureFixture,
    when: str,
    handler_cancellation: bool,
) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        asked.set()
        if when == "during the dial":
            await gone.wait()
        wire.send(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            wire.send(b"10000\r\n" + bytes(2**16) + b"\r\n")
        wire.send(b"0\r\n\r\n")
        await wire.read_to_end()

    ours = await through(await by_hand(script), handler_cancellation=handler_cancellation)
    wire = await Wire.open(ours)
    wire.send(request())
    await soon(asked.wait())
    if when == "in the body":
        await wire.read_head()
    reset(wire)
    gone.set()
    await until(lambda: not left(bare))
    await asyncio.sleep(0.05)
    assert not caplog.records


async def test_the_connection_of_a_refusal_is_not_kept(
    by_hand: ByHand, bare: aiohttp.ClientSession, through: Serve
) -> None:
    connections = []

    async def script(wire: Wire, opening: Opening) -> None:
        connections.append(wire)
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nNo")
        assert await wire.read_to_end() == b""

    ours = await through(await by_hand(script))
    for _ in range(5):
        status, body = only_response(await raw_bytes(ours, request() + JUNK))
        assert (status, body) == (403, b"No")
        assert not left(bare)
    assert len(connections) == 5
