"""The answer to a request that `proxy` forwards as plain HTTP."""

import asyncio
import gzip

import aiohttp
import pytest
from aiohttp import web

from tests.support.forwarding import Recorder, exchange, of_chunks, plain, read_body
from tests.support.handshakes import Opening
from tests.support.scripts import says
from tests.support.servers import BOTH, Serve
from tests.support.waiting import soon
from tests.support.wire import Address, ByHand, Wire, raw_bytes, read_opening


async def lines_of(ours: Address, data: bytes) -> tuple[list[str], bytes]:
    """Return the lines of the head and the body of an answer, as they came."""
    wire = await Wire.open(ours)
    wire.send(data)
    head = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5)
    length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    body = b""
    if b"Transfer-Encoding" in head:
        body = await asyncio.wait_for(wire.reader.readuntil(b"0\r\n\r\n"), 5)
    elif length and not data.startswith(b"HEAD "):
        body = await wire.read(int(length[0].partition(b":")[2]))
    await wire.close()
    return head.decode().split("\r\n")[:-2], body


ANSWERS = [
    (200, ["Content-Type: a/b", "Server: theirs", "Content-Length: 5"], "Hello"),
    (201, ["Location: /x%2Fy", "Content-Length: 0", "Date: Mon, 01 Jan 2024 00:00:00 GMT"], ""),
    (206, ["Content-Range: bytes 0-1/5", "Content-Length: 2", "ETag: W/x"], "He"),
    (302, ["Location: http://elsewhere.test/?a=%7E", "Content-Length: 2"], "Go"),
    (307, ["Location: ../x", "Content-Length: 0"], ""),
    (401, ["WWW-Authenticate: Basic", "WWW-Authenticate: Bearer", "Content-Length: 0"], ""),
    (404, ["Set-Cookie: a=1; Path=/; HttpOnly", "Set-Cookie: b=2", "Content-Length: 2"], "No"),
    (502, ["X-A: 1", "x-a: 2", "X-A: 1", "Content-Length: 0"], ""),
    (599, ["Content-Length: 0", "Via: 1.1 x"], ""),
]


@BOTH
@pytest.mark.parametrize(("status", "lines", "body"), ANSWERS, ids=str)
async def test_answers(
    by_hand: ByHand, through: Serve, tls: bool, status: int, lines: list[str], body: str
) -> None:
    """Nothing is added, nothing is missing. aiohttp writes some names in another case."""
    head = "\r\n".join([f"HTTP/1.1 {status} For A Reason", *lines, "Keep-Alive: 5", "", ""])
    upstream = Recorder((head + body).encode())
    ours = await through(await by_hand(upstream.script, tls=tls), tls=tls)
    (first, *others), rest = await lines_of(ours, plain())
    assert first == f"HTTP/1.1 {status} For A Reason"
    assert sorted(map(str.lower, others)) == sorted(map(str.lower, lines))
    assert rest == body.encode()


ZIPPED = gzip.compress(b"Hello" * 1000)
BODIES = [
    ("Transfer-Encoding: chunked", b"5\r\nHello\r\n1;x=y\r\n!\r\n0\r\nX-T: 1\r\n\r\n", b"Hello!"),
    (f"Content-Encoding: gzip\r\nContent-Length: {len(ZIPPED)}", ZIPPED, ZIPPED),
    ("Content-Encoding: nonsense\r\nContent-Length: 5", b"Hello", b"Hello"),
    ("Content-Type: a/b", b"until the end", b"until the end"),
]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    ("lines", "sent", "body"), BODIES, ids=["chunked", "gzip", "an unknown encoding", "to the end"]
)
@pytest.mark.parametrize("upstream", ["1.1", "1.0"])
async def test_bodies(
    by_hand: ByHand,
    through: Serve,
    lines: str,
    sent: bytes,
    body: bytes,
    version: str,
    upstream: str,
) -> None:
    """A body without a length goes on in chunks, for HTTP/1.0 up to the end."""
    if upstream == "1.0" and "chunked" in lines:
        pytest.skip("HTTP/1.0 has no chunks")
    said = f"HTTP/{upstream} 200 OK\r\n{lines}\r\n\r\n".encode() + sent
    ours = await through(await by_hand(says(said)))
    wire = await Wire.open(ours)
    wire.send(plain(version=version))
    status, headers = await wire.read_head()
    assert status == 200
    if "Content-Length" in lines:
        got = await wire.read(int(headers["Content-Length"]))
    elif version == "1.1":
        assert headers["Transfer-Encoding"] == "chunked"
        got = of_chunks(await read_body(wire, headers))
    else:
        assert "Transfer-Encoding" not in headers
        got = await wire.read_to_end()
    await wire.close()
    assert got == body
    assert headers.get("Content-Encoding") == dict(
        line.split(": ") for line in lines.split("\r\n")
    ).get("Content-Encoding")


@pytest.mark.parametrize(
    ("method", "status", "lines"),
    [
        ("HEAD", 200, ["Content-Length: 12345"]),
        ("HEAD", 200, ["Transfer-Encoding: chunked"]),
        ("HEAD", 200, []),
        ("GET", 204, []),
        ("GET", 304, ["Vary: x"]),
    ],
    ids=str,
)
async def test_no_body(
    by_hand: ByHand, through: Serve, method: str, status: int, lines: list[str]
) -> None:
    """The connection serves the next request."""
    said = "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode()
    wire = await Wire.open(await through(await by_hand(Recorder(said).script)))
    for _ in range(2):
        wire.send(plain(method=method))
        head = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5)
        first, *others = head.decode().split("\r\n")[:-2]
        assert first == f"HTTP/1.1 {status} X"
        assert others == [line for line in lines if "chunked" not in line]
    await wire.close()


async def test_an_upgrade_that_is_required(by_hand: ByHand, through: Serve) -> None:
    """RFC 9110 section 15.5.22."""
    said = (
        b"HTTP/1.1 426 No\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"
    )
    wire = await Wire.open(await through(await by_hand(Recorder(said).script)))
    wire.send(plain())
    status, headers = await wire.read_head()
    assert status == 426
    assert headers.getall("Upgrade") == ["websocket"]
    assert headers.getall("Connection") == ["Upgrade, close"]
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_headers_of_the_hop(by_hand: ByHand, through: Serve) -> None:
    said = b"HTTP/1.1 200 OK\r\nConnection: X-Mine, content-length\r\nX-Mine: 1\r\nUpgrade: h2c\r\n"
    said += b"Proxy-Authenticate: x\r\nTrailer: x\r\nContent-Length: 0\r\n\r\n"
    ours = await through(await by_hand(Recorder(said).script))
    (_, *others), _ = await lines_of(ours, plain())
    assert others == ["Content-Length: 0"]


async def test_interim_answers_are_left_out(by_hand: ByHand, through: Serve) -> None:
    """aiohttp's client drops them."""
    said = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    said += b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    (first, *others), _ = await lines_of(
        await through(await by_hand(Recorder(said).script)), plain()
    )
    assert [first, *others] == ["HTTP/1.1 200 OK", "Content-Length: 0"]


@BOTH
@pytest.mark.parametrize("framing", ["", "Transfer-Encoding: chunked\r\n"])
async def test_events_pass_as_they_arrive(
    by_hand: ByHand, through: Serve, tls: bool, framing: str
) -> None:
    """Each is here before the next one is sent."""
    heard = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{framing}\r\n"
        wire.send(head.encode())
        for _ in range(3):
            wire.send(b"9\r\ndata: x\n\n\r\n" if framing else b"data: x\n\n")
            await soon(heard.wait())
            heard.clear()
        wire.send(b"0\r\n\r\n" if framing else b"")
        await wire.close()

    wire = await Wire.open(await through(await by_hand(script, tls=tls), tls=tls))
    wire.send(plain())
    assert (await wire.read_head())[0] == 200
    for _ in range(3):
        assert await wire.read(14) == b"9\r\ndata: x\n\n\r\n"
        heard.set()
    assert await wire.read(5) == b"0\r\n\r\n"
    await wire.close()


@pytest.mark.parametrize("lines", [["Connection: close"], []])
async def test_an_early_answer_to_an_upload(
    by_hand: ByHand, through: Serve, lines: list[str]
) -> None:
    """The visitor gets all of it while it still uploads."""

    async def script(wire: Wire, opening: Opening) -> None:
        said = ["HTTP/1.1 413 Too Much", "Content-Length: 8", *lines, "", "too much"]
        wire.send("\r\n".join(said).encode())
        if lines:
            wire.end()
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script)))
    wire.send(plain("/", f"Content-Length: {2**30}", method="POST", body=bytes(2**20)))
    status, _ = await wire.read_head()
    assert (status, await wire.read(8)) == (413, b"too much")
    await wire.close()


async def test_a_visitor_of_http_1_0_that_asks_for_more(by_hand: ByHand, through: Serve) -> None:
    wire = await Wire.open(await through(await by_hand(Recorder().script)))
    for _ in range(2):
        data = plain("/", "Connection: keep-alive", version="1.0")
        status, headers, body = await exchange(wire, data)
        assert (status, body) == (200, b"OK")
        assert headers["Connection"] == "keep-alive"
    await wire.close()


async def test_a_visitor_that_closes(by_hand: ByHand, through: Serve) -> None:
    got = await raw_bytes(
        await through(await by_hand(Recorder().script)), plain("/", "Connection: close")
    )
    assert got == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"


async def test_connections_to_the_upstream_serve_on(
    by_hand: ByHand, through: Serve, bare: aiohttp.ClientSession
) -> None:
    connections: list[Wire] = []

    async def script(wire: Wire, opening: Opening) -> None:
        connections.append(wire)
        while True:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            await read_opening(wire)

    wire = await Wire.open(await through(await by_hand(script)))
    for _ in range(5):
        assert (await exchange(wire, plain()))[0] == 200
    await wire.close()
    assert len(connections) == 1


@BOTH
async def test_what_aiohttp_compresses(serve: Serve, through: Serve, tls: bool) -> None:
    """Between two of its own servers: each inflates by itself."""

    async def handler(asked: web.Request) -> web.StreamResponse:
        response = web.Response(body=await asked.read() * 2)
        response.enable_compression()
        return response

    app = web.Application()
    app.router.add_post("/", handler)
    ours = await through(await serve(app, tls=tls), tls=tls)
    async with aiohttp.ClientSession() as visitor:
        asking = visitor.post(
            ours.url(scheme="http"), data=b"Hello" * 1000, compress="gzip", ssl=ours.ssl or True
        )
        async with asking as got:
            assert got.headers["Content-Encoding"] in ("deflate", "gzip")
            assert await soon(got.read()) == b"Hello" * 2000
