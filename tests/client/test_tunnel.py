"""`connect` through tinyproxy: a tunnel, plain or for TLS (RFC 6455 section 4.1)."""

import os
import ssl
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import Frame, HandshakeRefused, RawWebSocketSession, add_raw_websocket, connect
from tests.support.http_proxies import CREDENTIALS, tinyproxy
from tests.support.servers import BOTH, Serve, application, echo
from tests.support.waiting import soon


async def assert_works(session: RawWebSocketSession) -> None:
    """A megabyte there and back, and the closing handshake."""
    payload = os.urandom(2**20)
    await session.send(Frame.binary(payload))
    assert await soon(session.receive()) == Frame.binary(payload)
    await session.close()
    assert await soon(session.receive()) == Frame.close(1000)


@pytest.fixture(scope="session")
def closed_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that wants credentials."""
    with tinyproxy(tmp_path_factory.mktemp("closed"), "BasicAuth me secret") as address:
        yield address


@pytest.fixture(scope="session")
def strict_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that opens tunnels to HTTPS's port only."""
    with tinyproxy(tmp_path_factory.mktemp("strict"), "ConnectPort 443") as address:
        yield address


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
        peer: Any = session.get_extra_info("peername")
        assert peer[1] == port
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
