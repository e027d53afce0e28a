"""`connect` through an HTTP proxy: a tunnel for plain connections as for TLS (RFC 6455, 4.1)."""

import asyncio
import base64
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from multidict import CIMultiDict

from aiohttp_rawws import Frame, HandshakeRefused, RawWebSocketSession, add_raw_websocket, connect
from tests.support.handshakes import Opening, answer
from tests.support.http_proxies import Proxy, tinyproxy
from tests.support.octets import masked
from tests.support.servers import (
    BOTH,
    Contexts,
    Serve,
    application,
    echo,
    forgotten,
    ingress,
    left,
    running,
)
from tests.support.sockets import reset
from tests.support.waiting import patience, soon, turns, until
from tests.support.wire import Address, ByHand, Wire, read_opening

CREDENTIALS = "Basic " + base64.b64encode(b"me:secret").decode()
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


async def assert_works(session: RawWebSocketSession) -> None:
    """A megabyte there and back, and the closing handshake."""
    payload = os.urandom(2**20)
    await session.send(Frame.binary(payload))
    assert await soon(session.receive()) == Frame.binary(payload)
    await session.close()
    assert await soon(session.receive()) == Frame.close(1000)


# -- a proxy that is not ours ----------------------------------------------------------------


@pytest.fixture(scope="module")
def real_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tinyproxy(tmp_path_factory.mktemp("open")) as address:
        yield address


@pytest.fixture(scope="module")
def closed_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that wants credentials."""
    with tinyproxy(tmp_path_factory.mktemp("closed"), "BasicAuth me secret") as address:
        yield address


@pytest.fixture(scope="module")
def strict_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that opens tunnels to HTTPS's port only."""
    with tinyproxy(tmp_path_factory.mktemp("strict"), "ConnectPort 443") as address:
        yield address


@pytest_asyncio.fixture
async def behind(contexts: Contexts) -> AsyncIterator[Serve]:
    """`await behind(app, tls=False)` starts a server to be reached through a real proxy.

    That passes the ends of the connections on a moment later; they are waited for.
    """
    runners: list[web.AppRunner] = []
    async with contextlib.AsyncExitStack() as stack:

        async def start(app: web.Application, *, tls: bool = False) -> Address:
            server = running(app, contexts if tls else None)
            runner, address = await stack.enter_async_context(server)
            runners.append(runner)
            return address

        yield start
        for runner in runners:
            await forgotten(runner)


@BOTH
@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_through_a_real_proxy(
    behind: Serve, http: aiohttp.ClientSession, real_proxy: str, tls: bool, scheme: str
) -> None:
    url = (await behind(application(echo), tls=tls)).url("/", scheme)
    async with connect(http, url, proxy=f"http://{real_proxy}") as session:
        assert session.response.url.path == "/"
        await assert_works(session)


@BOTH
@pytest.mark.parametrize("where", ["the client session", "the environment"])
async def test_a_proxy_of_all_requests(
    behind: Serve,
    client_tls: ssl.SSLContext,
    real_proxy: str,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,
    where: str,
) -> None:
    url = (await behind(application(echo), tls=tls)).url()
    options: dict[str, Any] = {"proxy": f"http://{real_proxy}"}
    if where == "the environment":
        options = {"trust_env": True}
        monkeypatch.setenv("ws_proxy", f"http://{real_proxy}")
        monkeypatch.setenv("wss_proxy", f"http://{real_proxy}")
        monkeypatch.setenv("no_proxy", "")
    connector = aiohttp.TCPConnector(ssl=client_tls)
    async with (
        aiohttp.ClientSession(connector=connector, **options) as http,
        connect(http, url) as session,
    ):
        port = int(real_proxy.split(":")[1])
        assert session.get_extra_info("peername")[1] == port
        await assert_works(session)


@BOTH
@pytest.mark.parametrize("how", ["in the URL", "proxy_headers"])
async def test_a_real_proxy_that_wants_credentials(
    behind: Serve, http: aiohttp.ClientSession, closed_proxy: str, tls: bool, how: str
) -> None:
    url = (await behind(application(echo), tls=tls)).url()
    options: dict[str, Any] = {"proxy": f"http://me:secret@{closed_proxy}"}
    if how == "proxy_headers":
        options = {
            "proxy": f"http://{closed_proxy}",
            "proxy_headers": {"Proxy-Authorization": CREDENTIALS},
        }
    async with connect(http, url, **options) as session:
        await assert_works(session)


@BOTH
async def test_a_real_proxy_that_gets_no_credentials(
    behind: Serve, http: aiohttp.ClientSession, closed_proxy: str, tls: bool
) -> None:
    url = (await behind(application(echo), tls=tls)).url()
    with pytest.raises(HandshakeRefused, match="the proxy opened no tunnel: ") as caught:
        await connect(http, url, proxy=f"http://{closed_proxy}")
    error = caught.value
    assert error.status == 407
    assert error.headers is not None
    assert error.headers["Proxy-Authenticate"].startswith("Basic ")
    assert error.request_info.method == "CONNECT"
    assert isinstance(error.__cause__, aiohttp.ClientHttpProxyError)


@BOTH
async def test_a_real_proxy_that_forbids_the_port(
    behind: Serve, http: aiohttp.ClientSession, strict_proxy: str, tls: bool
) -> None:
    url = (await behind(application(echo), tls=tls)).url()
    with pytest.raises(HandshakeRefused, match="opened no tunnel") as caught:
        await connect(http, url, proxy=f"http://{strict_proxy}")
    assert caught.value.status == 403


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_real_proxy_that_reaches_nobody(
    http: aiohttp.ClientSession, real_proxy: str, scheme: str
) -> None:
    with pytest.raises(HandshakeRefused, match="opened no tunnel") as caught:
        await connect(http, f"{scheme}://127.0.0.1:1/", proxy=f"http://{real_proxy}")
    assert caught.value.status in (500, 502)


@BOTH
async def test_the_server_s_refusal_through_a_real_proxy(
    behind: Serve, http: aiohttp.ClientSession, real_proxy: str, tls: bool
) -> None:
    url = (await behind(application(echo, "chat"), tls=tls)).url()
    with pytest.raises(HandshakeRefused) as caught:
        await connect(http, url, proxy=f"http://{real_proxy}")
    assert caught.value.status == 400
    assert b"chat" in caught.value.body


async def test_redirects_through_a_real_proxy(
    behind: Serve, http: aiohttp.ClientSession, real_proxy: str
) -> None:
    """Each server gets a tunnel of its own."""
    there = (await behind(application(echo))).url("/", "http")

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound(there)

    app = web.Application()
    app.router.add_get("/here", elsewhere)
    url = (await behind(app)).url("/here")
    async with connect(http, url, proxy=f"http://{real_proxy}") as session:
        assert len(session.response.history) == 1
        await assert_works(session)


async def test_a_tunnel_serves_nobody_else(
    behind: Serve, http: aiohttp.ClientSession, real_proxy: str
) -> None:
    """Neither one that was refused through nor one with a connection of its own is kept."""
    proxied: list[bool] = []

    async def hello(request: web.Request) -> web.Response:
        proxied.append("Via" in request.headers)
        return web.Response(text="hello")

    app = application(echo, "chat")
    app.router.add_get("/hello", hello)
    add_raw_websocket(app.router, "/echo", echo)
    address = await behind(app)
    proxy = f"http://{real_proxy}"
    for _ in range(3):
        with pytest.raises(HandshakeRefused):
            await connect(http, address.url(), proxy=proxy)
        async with connect(http, address.url("/echo"), proxy=proxy) as session:
            await assert_works(session)
        async with http.get(address.url("/hello", "http"), proxy=proxy) as response:
            assert await response.text() == "hello"
    # In a tunnel a proxy adds nothing.
    assert proxied == [True] * 3


# -- what is sent ----------------------------------------------------------------------------


class Recorder:
    """A proxy that answers every CONNECT, and a server behind it; both note what they hear."""

    def __init__(self, answers: bytes = ESTABLISHED) -> None:
        self.answers = answers
        self.asked: list[Opening] = []
        self.heard: list[Opening] = []

    async def script(self, wire: Wire, opening: Opening) -> None:
        self.asked.append(opening)
        wire.send(self.answers)
        request = await read_opening(wire)
        self.heard.append(request)
        wire.send(answer(request) + b"\x81\x05Hello")
        await wire.read_to_end()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("ws://example.com/chat?a=1", "example.com:80"),
        ("ws://example.com:8080/chat?a=1", "example.com:8080"),
        ("http://[::1]:81/chat?a=1", "[::1]:81"),
        ("ws://me:secret@example.com/chat?a=1#here", "example.com:80"),
        ("ws://b\u00fccher.example/chat?a=1", "xn--bcher-kva.example:80"),
    ],
)
async def test_what_the_proxy_gets_and_what_the_server_gets(
    by_hand: ByHand, http: aiohttp.ClientSession, url: str, target: str
) -> None:
    recorder = Recorder()
    proxy = (await by_hand(recorder.script)).url("", "http")
    async with connect(
        http,
        url,
        proxy=proxy.replace("//", "//you:hidden@"),
        proxy_headers={"X-Proxy": "1"},
        headers={"X-Mine": "2"},
        cookies={"a": "b"},
        protocols=None,
    ) as session:
        assert await soon(session.receive()) == Frame.text("Hello")
    [asked], [heard] = recorder.asked, recorder.heard
    assert asked.line == f"CONNECT {target} HTTP/1.1"
    assert asked.headers.getall("Host") == [target]
    assert asked.headers["X-Proxy"] == "1"
    you = "Basic " + base64.b64encode(b"you:hidden").decode()
    assert asked.headers.getall("Proxy-Authorization") == [you]
    for name in ("X-Mine", "Cookie", "Authorization", "Upgrade", "Content-Length"):
        assert name not in asked.headers
    assert not any(name.startswith("Sec-WebSocket") for name in asked.headers)
    assert heard.line == "GET /chat?a=1 HTTP/1.1"
    assert heard.headers["Host"] == target.removesuffix(":80")
    assert heard.headers["X-Mine"] == "2"
    assert heard.headers["Cookie"] == "a=b"
    assert ("Authorization" in heard.headers) == ("me:" in url)
    for name in ("X-Proxy", "Proxy-Authorization"):
        assert name not in heard.headers


@pytest.mark.filterwarnings("ignore:.*(proxy_auth|BasicAuth):DeprecationWarning")
async def test_proxy_auth(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    recorder = Recorder()
    proxy = (await by_hand(recorder.script)).url("", "http")
    async with connect(http, "ws://a/", proxy=proxy, proxy_auth=aiohttp.BasicAuth("me", "secret")):
        pass
    assert recorder.asked[0].headers.getall("Proxy-Authorization") == [CREDENTIALS]
    assert "Proxy-Authorization" not in recorder.heard[0].headers


async def test_credentials_among_the_headers_are_the_proxy_s(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """Where aiohttp wants them for plain requests."""
    recorder = Recorder()
    proxy = (await by_hand(recorder.script)).url("", "http")
    headers = CIMultiDict({"Proxy-Authorization": CREDENTIALS})
    async with connect(http, "ws://a/", proxy=proxy, headers=headers):
        pass
    assert recorder.asked[0].headers.getall("Proxy-Authorization") == [CREDENTIALS]
    assert "Proxy-Authorization" not in recorder.heard[0].headers


async def test_a_middleware_that_asks_again_goes_through_the_proxy_again(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    asked: list[Opening] = []

    async def script(wire: Wire, opening: Opening) -> None:
        asked.append(opening)
        wire.send(ESTABLISHED)
        request = await read_opening(wire)
        if len(asked) == 1:
            wire.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        else:
            wire.send(answer(request))
        await wire.read_to_end()

    async def again(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        if response.status == 401:
            response.release()
            response = await handler(request)
        return response

    proxy = (await by_hand(script)).url("", "http").replace("//", "//me:secret@")
    async with connect(http, "ws://a/", proxy=proxy, middlewares=[again]):
        pass
    assert [each.line for each in asked] == ["CONNECT a:80 HTTP/1.1"] * 2
    assert [each.headers["Proxy-Authorization"] for each in asked] == [CREDENTIALS] * 2


async def test_a_connection_to_the_proxy_that_is_there_already(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """One that has served a plain request becomes the tunnel."""
    asked: list[str] = []

    async def script(wire: Wire, opening: Opening) -> None:
        asked.append(opening.line)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        asked.append((await read_opening(wire)).line)
        wire.send(ESTABLISHED)
        request = await read_opening(wire)
        asked.append(request.line)
        wire.send(answer(request))
        await wire.read_to_end()

    proxy = (await by_hand(script)).url("", "http")
    async with http.get("http://a/x", proxy=proxy) as response:
        assert await response.text() == "hello"
    async with connect(http, "ws://a/", proxy=proxy):
        pass
    assert asked == ["GET http://a/x HTTP/1.1", "CONNECT a:80 HTTP/1.1", "GET / HTTP/1.1"]


async def test_a_connection_to_the_proxy_that_was_closed_meanwhile(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """aiohttp tries once more, on a fresh one."""
    asked: list[str] = []

    async def script(wire: Wire, opening: Opening) -> None:
        asked.append(opening.line)
        if opening.line.startswith("GET"):
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            asked.append((await read_opening(wire)).line)
            return
        wire.send(ESTABLISHED)
        wire.send(answer(await read_opening(wire)))
        await wire.read_to_end()

    proxy = (await by_hand(script)).url("", "http")
    async with http.get("http://a/x", proxy=proxy) as response:
        assert await response.text() == "hello"
    async with connect(http, "ws://a/", proxy=proxy):
        pass
    assert asked == ["GET http://a/x HTTP/1.1"] + ["CONNECT a:80 HTTP/1.1"] * 2


@BOTH
async def test_a_proxy_that_speaks_tls_itself(
    serve: Serve,
    http: aiohttp.ClientSession,
    server_tls: ssl.SSLContext,
    tls: bool,
) -> None:
    on_asyncio = isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop)
    if tls and on_asyncio and sys.version_info < (3, 11):
        pytest.skip("asyncio has no TLS in TLS")
    address = await serve(application(echo), tls=tls)
    async with Proxy.running(server_tls) as proxy:
        async with connect(http, address.url(), proxy=proxy.url) as session:
            await session.send(Frame.ping(b"x"))
            assert await soon(session.receive()) == Frame.ping(b"x")
        await until(lambda: not left(http))
    assert proxy.heard[0].line == f"CONNECT {address.host}:{address.port} HTTP/1.1"


@BOTH
async def test_the_end_of_the_server_behind_a_proxy(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + b"\x81\x05Hello")
        await wire.writer.drain()

    address = await by_hand(script, tls=tls)
    async with (
        Proxy.running() as proxy,
        connect(http, address.url(), proxy=proxy.url) as session,
        patience(),
    ):
        assert [frame async for frame in session] == [Frame.text("Hello")]


# -- what the proxy answers ------------------------------------------------------------------

OPENING = {
    "1.0": b"HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n",
    "without a phrase": b"HTTP/1.1 200\r\n\r\n",
    "another success": b"HTTP/1.1 204 No Content\r\n\r\n",
    "with a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "with no length": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "with a close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "behind others": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
    + ESTABLISHED,
    "with a cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n",
}


@pytest.mark.parametrize("answers", OPENING.values(), ids=OPENING)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "byte by byte"])
async def test_answers_that_open_a_tunnel(
    by_hand: ByHand, http: aiohttp.ClientSession, answers: bytes, split: bool
) -> None:
    """RFC 9110 section 9.3.6: any 2xx, whatever it says of a body."""
    recorder = Recorder()

    async def script(wire: Wire, opening: Opening) -> None:
        if split:
            for octet in answers:
                wire.send(bytes([octet]))
                await turns(2)
        recorder.answers = b"" if split else answers
        await recorder.script(wire, opening)

    proxy = (await by_hand(script)).url("", "http")
    async with connect(http, "ws://a/", proxy=proxy) as session:
        assert await soon(session.receive()) == Frame.text("Hello")
    assert not list(http.cookie_jar)


REFUSALS = {
    "credentials": (407, b"Proxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno"),
    "forbidden": (403, b"Content-Length: 0\r\n\r\n"),
    "a long body": (502, b"Content-Length: 100000\r\n\r\n" + bytes(100_000)),
    "an endless body": (503, b"\r\n" + bytes(100_000)),
    "a redirect": (302, b"Location: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
    "a cookie": (403, b"Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"),
    "an upgrade": (101, b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
}


@pytest.mark.parametrize("closing", [False, True], ids=["open", "closed at once"])
@pytest.mark.parametrize(("status", "rest"), REFUSALS.values(), ids=REFUSALS)
async def test_answers_that_open_none(
    by_hand: ByHand, http: aiohttp.ClientSession, status: int, rest: bytes, closing: bool
) -> None:
    """They are the proxy's: nobody is redirected, and no cookie kept."""
    sent = b"HTTP/1.1 %d No\r\nX-Why: x\r\n" % status + rest

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(sent)
        if not closing:
            assert await wire.read_to_end() == b""

    proxy = (await by_hand(script)).url("", "http")
    with pytest.raises(HandshakeRefused, match="the proxy opened no tunnel: No") as caught:
        await soon(connect(http, "ws://a/", proxy=proxy))
    error = caught.value
    assert error.status == status
    assert error.headers is not None
    assert error.headers["X-Why"] == "x"
    assert not list(http.cookie_jar)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"\x00" * 100,
    ],
    ids=["SSH", "a long status", "another version", "a long header", "nothing"],
)
async def test_answers_that_are_no_http(
    by_hand: ByHand, http: aiohttp.ClientSession, data: bytes
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(data)
        await wire.read_to_end()

    proxy = (await by_hand(script)).url("", "http")
    with pytest.raises(aiohttp.ClientError):
        await soon(connect(http, "ws://a/", proxy=proxy))


@pytest.mark.parametrize("how", ["at once", "half an answer", "reset", "behind the tunnel"])
async def test_a_connection_that_is_lost(
    by_hand: ByHand, http: aiohttp.ClientSession, how: str
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        if how == "reset":
            reset(wire)
        elif how == "half an answer":
            wire.send(ESTABLISHED[:20])
        elif how == "behind the tunnel":
            wire.send(ESTABLISHED)
            await read_opening(wire)
        await wire.writer.drain()

    proxy = (await by_hand(script)).url("", "http")
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await soon(connect(http, "ws://a/", proxy=proxy))


@pytest.mark.parametrize(
    "timeout", [aiohttp.ClientTimeout(total=0.1), aiohttp.ClientTimeout(sock_read=0.1)]
)
@pytest.mark.parametrize("data", [b"", ESTABLISHED[:20], ESTABLISHED])
async def test_a_proxy_that_does_not_answer(
    by_hand: ByHand, http: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout, data: bytes
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(data)
        await wire.reader.read()

    proxy = (await by_hand(script)).url("", "http")
    with pytest.raises(asyncio.TimeoutError):
        await soon(connect(http, "ws://a/", proxy=proxy, timeout=timeout))


async def test_cancelled_while_the_proxy_does_not_answer(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        asked.set()
        await wire.read_to_end()
        ended.set()

    async def dial() -> None:
        await connect(http, "ws://a/", proxy=proxy)

    proxy = (await by_hand(script)).url("", "http")
    task = asyncio.create_task(dial())
    await soon(asked.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await soon(ended.wait())
    assert left(http) == 0


async def test_a_client_session_that_is_closed_while_the_proxy_does_not_answer(
    by_hand: ByHand,
) -> None:
    asked = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        asked.set()
        await wire.read_to_end()

    async def dial() -> None:
        with pytest.raises(aiohttp.ClientError):
            await connect(http, "ws://a/", proxy=proxy)

    proxy = (await by_hand(script)).url("", "http")
    http = aiohttp.ClientSession()
    task = asyncio.create_task(dial())
    await soon(asked.wait())
    await soon(http.close())
    await soon(task)


async def test_a_proxy_that_nobody_runs(http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ClientProxyConnectionError):
        await connect(http, "ws://a/", proxy="http://127.0.0.1:1")


@BOTH
async def test_our_proxy_behind_a_real_one(
    behind: Serve, bare: aiohttp.ClientSession, real_proxy: str, tls: bool
) -> None:
    """`proxy` dials its upstream through a tunnel, too."""
    upstream = await behind(application(echo), tls=tls)
    ours = await behind(ingress(bare, upstream, proxy=f"http://{real_proxy}"))
    wire = await Wire.upgrade(ours)
    wire.send(masked(0x81, b"there and back"))
    assert await wire.read_frame() == (0x81, b"there and back")
    await wire.close()
