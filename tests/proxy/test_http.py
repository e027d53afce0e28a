"""The request that `proxy` forwards as plain HTTP."""

import asyncio
import contextlib
import gzip
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws.proxy.proxy import proxy
from tests.support.forwarding import Recorder, exchange, of_chunks, plain, read_body
from tests.support.handshakes import PATHS, Opening
from tests.support.handshakes import request as upgrading
from tests.support.servers import BOTH, Serve
from tests.support.wire import NOWHERE, ByHand, Wire, tell

OLD = aiohttp.__version__ == "3.13.0"

#: What the upstream is told of every visitor.
TOLD = {
    "Host": "example.test",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "example.test",
}


@pytest.fixture(name="upstream")
def an_upstream() -> Recorder:
    return Recorder()


# -- the head --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PROPFIND"])
async def test_method(by_hand: ByHand, through: Serve, upstream: Recorder, method: str) -> None:
    """aiohttp tells the length of the body where a method may have one and there is none."""
    status, _ = await tell(
        await through(await by_hand(upstream.script)), plain("/a?b=c", method=method)
    )
    assert status == 200
    assert upstream.request.line == f"{method} /a?b=c HTTP/1.1"
    upstream.request.headers.popall("Content-Length", None)
    assert dict(upstream.request.headers) == TOLD


async def test_nothing_is_added(by_hand: ByHand, through: Serve, upstream: Recorder) -> None:
    await tell(await through(await by_hand(upstream.script)), plain())
    assert dict(upstream.request.headers) == TOLD


@pytest.mark.parametrize("path", PATHS)
async def test_path_and_query(
    by_hand: ByHand, through: Serve, upstream: Recorder, path: str
) -> None:
    ours = await through(await by_hand(upstream.script))
    await tell(ours, plain(path))
    await tell(ours, plain(f"http://example.test{path}"))
    assert [each.line for each in upstream.requests] == [f"GET {path} HTTP/1.1"] * 2


async def test_headers(by_hand: ByHand, through: Serve, upstream: Recorder) -> None:
    lines = [
        "oRiGiN: https://a.test",
        "Cookie: a=1",
        "cookie: b=2",
        "Authorization: Bearer x",
        "Accept-Encoding: br",
        "Range: bytes=0-1",
        "If-None-Match: W/x",
        "Via: 1.1 other",
        "X-Own: 1",
        "X-Own: 2",
    ]
    hop = [
        "Connection: keep-alive, X-Mine, host, content-length",
        "Keep-Alive: 5",
        "TE: trailers",
        "Trailer: X-T",
        "Upgrade: h2c",
        "Proxy-Authorization: Basic x",
        "Proxy-Connection: close",
        "X-Mine: 1",
    ]
    data = plain("/", *lines, *hop, "Content-Length: 2", method="POST", body=b"Hi")
    await tell(await through(await by_hand(upstream.script)), data)
    got = [(name.lower(), value) for name, value in upstream.request.headers.items()]
    wanted = [line.partition(": ")[::2] for line in lines] + [("Content-Length", "2")]
    wanted += [*TOLD.items()]
    assert sorted(got) == sorted((name.lower(), value) for name, value in wanted)
    assert upstream.request.body == b"Hi"


@pytest.mark.parametrize(
    "data", [plain("/", "X-Own: \xff"), plain("/\xff"), plain("/", "Cookie: a=\xe4")]
)
async def test_bytes_that_cannot_be_passed_on(through: Serve, data: bytes) -> None:
    wire = await Wire.open(await through(NOWHERE))
    wire.send(data)
    assert (await wire.read_head())[0] == 400
    await wire.close()


# -- the body --------------------------------------------------------------------------------------

CHUNKS = b"5\r\nHello\r\n3;x=y\r\n, w\r\n0\r\n\r\n"


@BOTH
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_body_with_a_length(
    by_hand: ByHand, through: Serve, upstream: Recorder, method: str, tls: bool
) -> None:
    ours = await through(await by_hand(upstream.script, tls=tls), tls=tls)
    await tell(ours, plain("/", "Content-Length: 5", method=method, body=b"Hello"))
    assert upstream.request.headers["Content-Length"] == "5"
    assert "Transfer-Encoding" not in upstream.request.headers
    assert "Content-Type" not in upstream.request.headers
    assert upstream.request.body == b"Hello"


@BOTH
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_body_in_chunks(
    by_hand: ByHand, through: Serve, upstream: Recorder, method: str, tls: bool
) -> None:
    ours = await through(await by_hand(upstream.script, tls=tls), tls=tls)
    await tell(ours, plain("/", "Transfer-Encoding: chunked", method=method, body=CHUNKS))
    assert "Content-Length" not in upstream.request.headers
    assert upstream.request.headers.getall("Transfer-Encoding") == ["chunked"]
    assert of_chunks(upstream.request.body) == b"Hello, w"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_length_of_nothing(
    by_hand: ByHand, through: Serve, upstream: Recorder, method: str
) -> None:
    ours = await through(await by_hand(upstream.script))
    await tell(ours, plain("/", "Content-Length: 0", method=method))
    assert upstream.request.headers.getall("Content-Length") == ["0"]
    assert "Transfer-Encoding" not in upstream.request.headers


ZIPPED = gzip.compress(b"Hello" * 1000)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_compressed_body_that_aiohttp_inflates(
    by_hand: ByHand, through: Serve, upstream: Recorder, chunked: bool
) -> None:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(ZIPPED)}"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(ZIPPED), ZIPPED) if chunked else ZIPPED
    data = plain("/", "Content-Encoding: gzip", framing, method="POST", body=body)
    await tell(await through(await by_hand(upstream.script)), data)
    assert "Content-Encoding" not in upstream.request.headers
    assert "Content-Length" not in upstream.request.headers
    assert of_chunks(upstream.request.body) == b"Hello" * 1000


@pytest.mark.parametrize("encoding", ["gzip", "identity", "nonsense"])
async def test_a_compressed_body_as_it_came(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, upstream: Recorder, encoding: str
) -> None:
    """What aiohttp does not know it does not inflate."""
    address = await by_hand(upstream.script)

    async def handler(asked: web.Request) -> web.StreamResponse:
        return await proxy(asked, bare, address.url())

    app = web.Application()
    app.router.add_post("/", handler)
    ours = await serve(app, auto_decompress=encoding != "gzip")
    lines = [f"Content-Encoding: {encoding}", f"Content-Length: {len(ZIPPED)}"]
    await tell(ours, plain("/", *lines, method="POST", body=ZIPPED))
    assert upstream.request.headers["Content-Encoding"] == encoding
    assert upstream.request.headers["Content-Length"] == str(len(ZIPPED))
    assert upstream.request.body == ZIPPED


@pytest.mark.parametrize("lines", [(), ("Content-Length: 2",)])
async def test_an_expectation_is_met_here(
    by_hand: ByHand, through: Serve, upstream: Recorder, lines: tuple[str, ...]
) -> None:
    wire = await Wire.open(await through(await by_hand(upstream.script)))
    wire.send(plain("/", "Expect: 100-continue", *lines, method="POST"))
    assert (await wire.read_head())[0] == 100
    wire.send(b"Hi" if lines else b"")
    assert (await wire.read_head())[0] == 200
    await wire.close()
    assert "Expect" not in upstream.request.headers
    assert upstream.request.body == (b"Hi" if lines else b"")


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
async def test_an_upload_begins_with_its_head(
    by_hand: ByHand, through: Serve, framing: str
) -> None:
    """It is answered before anything else is sent."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        assert await wire.read_to_end() == b""

    wire = await Wire.open(await through(await by_hand(script)))
    wire.send(plain("/", framing, method="POST"))
    assert (await wire.read_head())[0] == 403
    await wire.close()


@BOTH
@pytest.mark.parametrize("chunked", [False, True])
async def test_an_upload_and_its_answer_pass_while_they_arrive(
    by_hand: ByHand, through: Serve, tls: bool, chunked: bool
) -> None:
    """Each byte is answered before the next one is sent."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            if chunked:
                await wire.read(3)
            wire.send(await wire.read(1))
            if chunked:
                await wire.read(2)
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script, tls=tls), tls=tls))
    framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 5"
    wire.send(plain("/", framing, method="POST"))
    for octet in b"Hello":
        byte = bytes([octet])
        wire.send(b"1\r\n%b\r\n" % byte if chunked else byte)
        if octet == ord("H"):
            assert (await wire.read_head())[0] == 200
        assert await wire.read(1) == byte
    await wire.close()


BROKEN = [
    ("Transfer-Encoding: chunked", b"5\r\nHello\r\nzz\r\n"),
    ("Transfer-Encoding: chunked", b"5\r\nHelloo\r\n0\r\n\r\n"),
    (f"Content-Encoding: gzip\r\nContent-Length: {len(ZIPPED)}", bytes(len(ZIPPED))),
]


@pytest.mark.parametrize(("lines", "body"), BROKEN, ids=["size", "end", "compression"])
@pytest.mark.parametrize("later", [False, True])
async def test_a_body_that_breaks_a_rule(
    by_hand: ByHand,
    through: Serve,
    caplog: pytest.LogCaptureFixture,
    lines: str,
    body: bytes,
    later: bool,
) -> None:
    """The upstream must not take it for complete.

    Of chunks that break a rule behind the first segment aiohttp tells nothing until the end of the
    connection.
    """
    rest: list[bytes] = []

    async def script(wire: Wire, opening: Opening) -> None:
        with contextlib.suppress(ConnectionError):
            rest.append(await wire.read_to_end())

    wire = await Wire.open(await through(await by_hand(script)))
    wire.send(plain("/", lines, method="POST"))
    if later:
        await asyncio.sleep(0.02)
    wire.send(body)
    if not later or "gzip" in lines:
        assert (await wire.read_head())[0] == 400
    await wire.close()
    await asyncio.sleep(0.01)
    assert not [each for each in rest if each.endswith(b"0\r\n\r\n")]
    ours_and_aiohttps = [each for each in caplog.records if "handling" not in each.message]
    assert not ours_and_aiohttps


# -- requests on one connection --------------------------------------------------------------------


@BOTH
async def test_the_connection_serves_on(
    by_hand: ByHand, through: Serve, upstream: Recorder, tls: bool
) -> None:
    wire = await Wire.open(await through(await by_hand(upstream.script, tls=tls), tls=tls))
    chunked = plain("/", "Transfer-Encoding: chunked", method="POST", body=CHUNKS)
    for data in (plain(), chunked, plain("/", "Content-Length: 2", method="PUT", body=b"Hi")) * 2:
        status, headers, body = await exchange(wire, data)
        assert (status, body) == (200, b"OK")
        assert "Connection" not in headers
    await wire.close()


async def test_requests_that_are_pipelined(
    by_hand: ByHand, through: Serve, upstream: Recorder
) -> None:
    wire = await Wire.open(await through(await by_hand(upstream.script)))
    post = plain("/3", "Content-Length: 2", method="POST", body=b"Hi")
    wire.send(plain("/1") + plain("/2") + post + plain("/4") + upgrading("/5"))
    for _ in range(5):
        status, headers = await wire.read_head()
        assert status == 200
        assert await read_body(wire, headers) == b"OK"
    assert await wire.read_to_end() == b""
    await wire.close()
    assert [each.line.split()[1][1:] for each in upstream.requests] == [*"12345"]


@pytest.mark.parametrize(
    "data",
    [
        upgrading(method="POST"),
        upgrading(method="POST", Content_Length="5") + b"Hello",
        upgrading(method="POST", Transfer_Encoding="chunked") + CHUNKS,
        upgrading(Upgrade="websocket, h2c"),
        upgrading(Upgrade="h2c"),
        upgrading(Connection="close"),
        upgrading(version="1.0"),
    ],
    ids=str,
)
async def test_no_upgrade_that_could_be_one(
    by_hand: ByHand, through: Serve, upstream: Recorder, data: bytes
) -> None:
    """The upstream is asked without the upgrade.

    aiohttp 3.13.0 takes a body for what follows the upgrade, and closes the connection.
    """
    wire = await Wire.open(await through(await by_hand(upstream.script)))
    wire.send(data)
    if OLD and b"Hello" in data:
        await wire.read_to_end()
        await wire.close()
        assert not upstream.requests
        return
    status, _ = await wire.read_head()
    assert (status, await wire.read(2)) == (200, b"OK")
    await wire.close()
    got = upstream.request
    assert "Upgrade" not in got.headers
    assert "Connection" not in got.headers
    if "Content-Length: 5" in data.decode():
        assert got.body == b"Hello"
    elif "chunked" in data.decode():
        assert of_chunks(got.body) == b"Hello, w"
    else:
        assert got.body == b""


async def test_a_tunnel(serve: Serve, bare: aiohttp.ClientSession) -> None:
    """No route of aiohttp's matches a CONNECT, but a middleware sees it."""

    @web.middleware
    async def ingress(request: web.Request, handler: Any) -> web.StreamResponse:
        return await proxy(request, bare, NOWHERE.url())

    ours = await serve(web.Application(middlewares=[ingress]))
    status, headers = await tell(ours, plain("example.test:80", method="CONNECT"))
    assert status == 405
    assert headers["Allow"] == "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT"
