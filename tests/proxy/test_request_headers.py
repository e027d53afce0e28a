"""The request that `proxy` sends to the upstream."""

import asyncio
import base64
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws.proxy.proxy import proxy
from tests.support.handshakes import ACCEPT, KEY, PATHS, Opening, answer, asks, request
from tests.support.http_proxies import Proxy
from tests.support.octets import masked
from tests.support.servers import BOTH, Contexts, Serve, ingress, left, running
from tests.support.waiting import until
from tests.support.wire import (
    NOWHERE,
    Address,
    ByHand,
    Script,
    Wire,
    only_response,
    raw_bytes,
    read_opening,
    tell,
)


async def test_the_opening_handshake(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening]
) -> None:
    """Nothing but what the visitor said, and what a request and a handshake need."""
    ours = await through(await by_hand(upstream))
    status, headers = await tell(ours, request("/chat"))
    assert status == 101
    assert headers["Sec-WebSocket-Accept"] == ACCEPT
    [opening] = heard
    assert opening.line == "GET /chat HTTP/1.1"
    assert len(base64.b64decode(opening.key, validate=True)) == 16
    assert opening.key != KEY
    del opening.headers["Sec-WebSocket-Key"]
    assert dict(opening.headers) == {
        "Host": "example.test",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "example.test",
    }


@pytest.mark.parametrize("path", PATHS)
async def test_path_and_query(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening], path: str
) -> None:
    """As the docstring of `proxy` has it written."""
    ours = await through(await by_hand(upstream))
    await tell(ours, request(path))
    await tell(ours, request(f"http://example.test{path}"))
    assert [opening.line for opening in heard] == [f"GET {path} HTTP/1.1"] * 2


async def test_a_plain_str_is_quoted_anew(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, upstream: Script, heard: Any
) -> None:
    """Which is why the docstring says how to write it."""
    address = await by_hand(upstream)

    async def handler(asked: web.Request) -> web.StreamResponse:
        return await proxy(asked, bare, address.url(str(asked.rel_url)))

    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    ours = await serve(app)
    for path in PATHS[:3]:
        assert (await tell(ours, request(path)))[0] == 101
    assert [opening.line.split(" ")[1] for opening in heard] == [
        "/a%2Fb/~x/%C3%A4?a=/&b=%20+c&d=~",
        "////evil.test/x//y/",
        "/?../x",
    ]


async def test_end_to_end_headers(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening]
) -> None:
    lines = [
        "oRiGiN: https://a.test",
        "Cookie: a=1; b=2",
        "cookie: c=3",
        "Authorization: Bearer x",
        "User-Agent: mine/1",
        "ACCEPT: */*",
        "accept-encoding: br;q=1",
        "x-oDd: 1",
        "X-Own: 1",
        "x-own: 2",
        "X-OWN: 1",
        "X-Empty: ",
        "X-UTF-8: \xc3\xa4",
        "Via: 1.0 other",
        "Content-Type: text/plain",
    ]
    await tell(await through(await by_hand(upstream)), asks(*lines))
    [opening] = heard
    # Lines of one name are written as the first of them is.
    wanted = [line for line in lines if line.startswith("x-oDd")]
    wanted += ["X-Own: 1", "X-Own: 2", "X-Own: 1", "X-UTF-8: \xe4"]
    sent = [f"{name}: {value}" for name, value in opening.headers.items()]
    assert [line for line in sent if line.lower().startswith("x-o") or "\xe4" in line] == wanted
    # Of names that it knows aiohttp does not keep the case.
    wanted += [line for line in lines if not line.lower().startswith("x-")]
    assert {line.lower() for line in wanted} | {"x-empty: "} <= {line.lower() for line in sent}
    assert len(sent) == len(lines) + 8


@pytest.mark.parametrize("connection", ["Connection: keep-alive, X-Mine", "connection: , x-mine ,"])
async def test_headers_of_the_hop(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening], connection: str
) -> None:
    lines = [
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic x",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Trailer: X-T",
        "X-Mine: 1",
        "X-Mine: 2",
        "Content-Length: 0",
        connection,
    ]
    await tell(await through(await by_hand(upstream)), asks(*lines))
    [opening] = heard
    assert opening.headers.getall("Connection") == ["Upgrade"]
    assert not {line.partition(":")[0] for line in lines[:-1]} & {*opening.headers}


async def test_an_expectation_was_met_before(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening]
) -> None:
    """aiohttp's client would wait for a 100 that never comes."""
    ours = await through(await by_hand(upstream))
    wire = await Wire.open(ours)
    wire.send(asks("Expect: 100-continue"))
    assert (await wire.read_head())[0] == 100
    assert (await wire.read_head())[0] == 101
    await wire.close()
    assert "Expect" not in heard[0].headers


@pytest.mark.parametrize(
    ("lines", "addresses"),
    [
        ((), "127.0.0.1"),
        (("X-Forwarded-For: 10.0.0.1",), "127.0.0.1"),
        (("X-Forwarded-For: a, b", "x-forwarded-for: c"), "127.0.0.1"),
        (("X-Forwarded-For: a", "Connection: X-Forwarded-For"), "127.0.0.1"),
    ],
)
async def test_forwarded_for(
    by_hand: ByHand,
    through: Serve,
    upstream: Script,
    heard: list[Opening],
    lines: tuple[str, ...],
    addresses: str,
) -> None:
    await tell(await through(await by_hand(upstream)), asks(*lines))
    assert heard[0].headers.getall("X-Forwarded-For") == [addresses]


@BOTH
async def test_what_the_visitor_claims_of_itself(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening], tls: bool
) -> None:
    ours = await through(await by_hand(upstream), tls=tls)
    await tell(ours, asks("X-Forwarded-Proto: ftp", "X-Forwarded-Host: a", "X-Forwarded-Host: b"))
    headers = heard[0].headers
    assert headers.getall("X-Forwarded-Proto") == ["https" if tls else "http"]
    assert headers.getall("X-Forwarded-Host") == ["example.test"]


async def test_a_visitor_that_names_no_host(
    by_hand: ByHand,
    through: Serve,
    upstream: Script,
    heard: list[Opening],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for the name of this machine, and nobody is told it.

    aiohttp 3.14 refuses such a request itself.
    """
    monkeypatch.delattr(socket, "getfqdn")
    ours = await through(await by_hand(upstream))
    status, _ = await tell(ours, request(Host="", X_Forwarded_Host="a"))
    assert status == (101 if heard else 400)
    assert not [opening for opening in heard if "X-Forwarded-Host" in opening.headers]


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",), ("unix",)])
async def test_a_visitor_over_a_unix_socket(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    upstream: Script,
    heard: list[Opening],
    tmp_path: Path,
    trusted: tuple[str, ...],
) -> None:
    """It has no address of its own."""
    runner = web.AppRunner(ingress(bare, await by_hand(upstream), trusted=trusted))
    await runner.setup()
    path = str(tmp_path / "socket")
    await web.UnixSite(runner, path).start()
    wire = Wire(*await asyncio.open_unix_connection(path))
    wire.send(asks("X-Forwarded-For: a", "X-Forwarded-For: b"))
    assert (await wire.read_head())[0] == 101
    await wire.close()
    await runner.cleanup()
    assert heard[0].headers.get("X-Forwarded-For") == ("a, b" if "unix" in trusted else None)


async def test_an_upstream_on_a_unix_socket(
    contexts: Contexts, upstream: Script, heard: list[Opening], tmp_path: Path
) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        await upstream(wire, await read_opening(wire))
        await wire.close()

    path = str(tmp_path / "socket")
    server = await asyncio.start_unix_server(connected, path)
    connector = aiohttp.UnixConnector(path)
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http,
        running(ingress(http, Address("addon", 80))) as (_, ours),
    ):
        assert (await tell(ours, request("/x")))[0] == 101
        await until(lambda: not left(http))
    server.close()
    assert heard[0].headers["Host"] == "example.test"


@pytest.mark.parametrize("scheme", ["ws", "http"])
@BOTH
async def test_schemes(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    serve: Serve,
    upstream: Script,
    scheme: str,
    tls: bool,
) -> None:
    address = await by_hand(upstream, tls=tls)

    async def handler(asked: web.Request) -> web.StreamResponse:
        return await proxy(asked, bare, address.url(scheme=scheme))

    app = web.Application()
    app.router.add_get("/", handler)
    assert (await tell(await serve(app), request()))[0] == 101


@BOTH
async def test_a_proxy_in_between(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening], tls: bool
) -> None:
    address = await by_hand(upstream, tls=tls)
    async with Proxy.running() as between:
        ours = await through(address, proxy=between.url)
        assert (await tell(ours, asks("Cookie: a=1")))[0] == 101
        await until(lambda: len(heard) == 1)
    [opening] = between.heard
    # RFC 6455 section 4.1: a tunnel, for plain targets too; so it sees nothing of the visitor's.
    assert opening.line.startswith("CONNECT ")
    assert "Cookie" not in opening.headers
    assert heard[0].headers["Cookie"] == "a=1"


async def test_own_headers_replace_the_visitors(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening]
) -> None:
    own = [("Cookie", "mine=1"), ("authorization", "Bearer mine"), ("Origin", "http://mine")]
    own += [("Host", "mine.test"), ("X-Forwarded-For", "hidden"), ("X-Forwarded-Proto", "wss")]
    own += [("X-Two", "1"), ("x-two", "2")]
    ours = await through(await by_hand(upstream), headers=own)
    lines = ("Cookie: a=1", "Cookie: b=2", "Authorization: x", "Origin: y", "X-Two: 3")
    await tell(ours, asks(*lines, "X-Forwarded-For: z"))
    headers = heard[0].headers
    for name, value in own[:-2]:
        assert headers.getall(name) == [value]
    assert headers.getall("X-Two") == ["1", "2"]


async def test_headers_of_the_client_session_are_defaults(
    by_hand: ByHand, upstream: Script, heard: list[Opening]
) -> None:
    defaults = {"User-Agent": "default", "X-Default": "1", "Cookie": "default", "Upgrade": "h2c"}
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(headers=defaults, cookie_jar=jar) as http,
        running(ingress(http, await by_hand(upstream))) as (_, ours),
    ):
        await tell(ours, asks("user-agent: mine", "Cookie: a=1"))
    headers = heard[0].headers
    assert headers.getall("User-Agent") == ["mine"]
    assert headers.getall("X-Default") == ["1"]
    assert headers.getall("Cookie") == ["a=1"]
    assert headers.getall("Upgrade") == ["websocket"]


BASIC = "Basic " + base64.b64encode(b"user:secret").decode()


@pytest.mark.parametrize("how", ["url", "session"])
@pytest.mark.filterwarnings("ignore:.*(BasicAuth|auth).* is deprecated:DeprecationWarning")
async def test_credentials_replace_the_visitors(
    by_hand: ByHand, upstream: Script, heard: list[Opening], how: str
) -> None:
    """aiohttp raises a ValueError where it gets both."""
    address = await by_hand(upstream)
    options: dict[str, Any] = {"cookie_jar": aiohttp.DummyCookieJar()}
    if how == "url":
        address = Address(f"user:secret@{address.host}", address.port)
    else:
        options["auth"] = aiohttp.BasicAuth("user", "secret")
    async with (
        aiohttp.ClientSession(**options) as http,
        running(ingress(http, address)) as (_, ours),
    ):
        await tell(ours, asks("Authorization: Bearer x"))
        await tell(ours, request())
    assert [each.headers.getall("Authorization") for each in heard] == [[BASIC]] * 2


async def test_visitors_are_never_mixed(through: Serve, by_hand: ByHand) -> None:
    """What the upstream sets for one is not sent for the next, on any connection."""
    heard = []

    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening.headers.get("Cookie"))
        if opening.line.startswith("GET /no "):
            wire.send(b"HTTP/1.1 403 No\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n")
            await script(wire, await read_opening(wire))
        wire.send(answer(opening, Set_Cookie="id=2"))
        await wire.read_to_end()

    ours = await through(await by_hand(script))
    for path in ("/no", "/", "/no", "/"):
        _, headers = await tell(ours, request(path))
        assert headers["Set-Cookie"] == ("id=1" if path == "/no" else "id=2")
    await tell(ours, asks("Cookie: own=1"))
    assert heard == [None] * 4 + ["own=1"]


NOT_UTF_8 = [
    asks("X-Own: \xff"),
    asks("Cookie: a=\xe4"),
    asks("Sec-WebSocket-Protocol: \xe4"),
    asks("Sec-WebSocket-Extensions: x; y=\xe4"),
    request(Host="\xe4.test").decode().encode("latin-1"),
]


@pytest.mark.parametrize("data", NOT_UTF_8, ids=str)
async def test_bytes_that_cannot_be_passed_on(through: Serve, data: bytes) -> None:
    """Nothing is dialled; aiohttp would leave them out and say nothing."""
    status, body = only_response(await raw_bytes(await through(NOWHERE), data + masked(0x81)))
    assert status == 400
    assert b"UTF-8" in body


@pytest.mark.parametrize("path", ["/\xff", "/?\xff"])
async def test_a_path_that_cannot_be_passed_on(through: Serve, path: str) -> None:
    """aiohttp itself may see to that."""
    data = request(path).decode().encode("latin-1")
    assert only_response(await raw_bytes(await through(NOWHERE), data))[0] == 400
