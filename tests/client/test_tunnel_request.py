"""The requests for a tunnel that `connect` sends to an HTTP proxy."""

import asyncio
import base64
import ssl
import sys

import aiohttp
import pytest
from multidict import CIMultiDict

from aiohttp_rawws import Frame, connect
from tests.support.handshakes import Opening, answer
from tests.support.http_proxies import CREDENTIALS, ESTABLISHED, Proxy, Recorder
from tests.support.servers import BOTH, Serve, application, echo, left
from tests.support.waiting import patience, soon, until
from tests.support.wire import ByHand, Wire, read_opening


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
