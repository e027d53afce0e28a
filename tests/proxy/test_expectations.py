"""What jupyter-server-proxy's `tests/test_proxies.py` expects of a proxy, in our words.

- A path and a query arrive as they were written: `test_path_and_query` in test_http.py and
  test_request_headers.py.
- What stands behind a `#` does not arrive, and an escaped one does: `test_a_fragment`.
- The upstream may be on a Unix socket: `test_an_upstream_on_a_unix_socket` here, and in
  test_request_headers.py for upgrades.
- The path below the prefix arrives, and the prefix is told; or the whole path, and nothing is told:
  `test_an_upstream_for_each_name`, test_prefix.py.
- The path chooses the upstream, among those that may be chosen: `test_an_upstream_for_each_name`.
- A path that looks like an authority chooses none: `test_no_path_is_an_authority`.
- A path is mapped to another one, and the query stays: `test_a_mapped_path`.
- Headers of a request and of a handshake are replaced:
  `test_headers_that_are_removed_or_replaced` in test_upstream.py,
  `test_own_headers_replace_the_visitors` in test_request_headers.py.
- Headers of an answer are added and changed: `test_an_answer_that_is_changed`.
- A compressed answer stays as it is: `test_bodies` in test_http_answers.py.
- Each server-sent event arrives before the next one is sent: `test_events_pass_as_they_arrive` in
  test_http_answers.py.
- Messages pass both ways: `test_peers` in test_proxy_peers.py.
- The upstream chooses the subprotocol or none, and the visitor is told: `test_subprotocols`.
- The refusal of an upgrade arrives: `test_refusals` in test_refusals.py.
- Redirects are put right below a prefix: `test_redirects_below_a_prefix` in
  tests/project/test_docs_proxy.py. They pass as they are where the upstream knows its prefix:
  `test_answers` in test_http_answers.py.

Not for a function that answers one request:

- programs that are started at the first request, with their ports, Unix sockets, environments and
  icons; logins
- another status or body in place of the upstream's (`rewrite_response`): answers pass while they
  arrive, so that a handler which changes one has to ask the upstream itself
- WebSockets to a server that speaks another protocol (`rawsocket`): these are no proxied WebSockets
"""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from aiohttp_rawws import proxy, strip_prefix
from tests.support.forwarding import Recorder, plain
from tests.support.handshakes import request
from tests.support.servers import Serve, ingress, running
from tests.support.waiting import soon
from tests.support.wire import Address, ByHand, Wire, read_opening, tell

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\nNo"


@pytest.fixture(name="upstream")
def an_upstream() -> Recorder:
    return Recorder()


@pytest.mark.parametrize(
    ("target", "arrives"),
    [("/#a?b", "/"), ("/%23a?b", "/%23a?b"), ("/a?b=c#d", "/a?b=c"), ("/a?b=%23d", "/a?b=%23d")],
)
async def test_a_fragment(
    by_hand: ByHand, through: Serve, upstream: Recorder, target: str, arrives: str
) -> None:
    """No client should send one (RFC 9110 section 7.1)."""
    await tell(await through(await by_hand(upstream.script)), plain(target))
    assert upstream.request.line == f"GET {arrives} HTTP/1.1"


async def test_an_upstream_on_a_unix_socket(upstream: Recorder, tmp_path: Path) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        try:
            await upstream.script(wire, await read_opening(wire))
        except asyncio.IncompleteReadError:
            await wire.close()

    path = str(tmp_path / "socket")
    server = await asyncio.start_unix_server(connected, path)
    connector, jar = aiohttp.UnixConnector(path), aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http,
        running(ingress(http, Address("application", 80))) as (_, ours),
    ):
        for body in (b"Hello", b"Hi"):
            data = plain("/a%2Fb", f"Content-Length: {len(body)}", method="POST", body=body)
            assert (await tell(ours, data))[0] == 200
    server.close()
    assert [(each.line, each.body) for each in upstream.requests] == [
        ("POST /a%2Fb HTTP/1.1", b"Hello"),
        ("POST /a%2Fb HTTP/1.1", b"Hi"),
    ]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("ask", [plain, request])
async def test_an_upstream_for_each_name(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, whole: bool, ask: Any
) -> None:
    upstreams = {"a": Recorder(), "b": Recorder()}
    addresses = {name: await by_hand(each.script) for name, each in upstreams.items()}

    async def handler(asked: web.Request) -> web.StreamResponse:
        name = asked.match_info["name"]
        if name not in addresses:
            raise web.HTTPForbidden
        path, headers = asked.rel_url.raw_path_qs, {}
        if not whole:
            path = strip_prefix(asked, f"/apps/{name}")
            headers = {"X-Forwarded-Prefix": f"/apps/{name}"}
        url = URL(addresses[name].url(path), encoded=True)
        return await proxy(asked, bare, url, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/apps/{name}{path:(/.*)?}", handler)
    ours = await serve(app)
    for name, each in upstreams.items():
        assert (await tell(ours, ask(f"/apps/{name}/x%2Fy?z")))[0] == 200
        path = f"/apps/{name}/x%2Fy?z" if whole else "/x%2Fy?z"
        assert each.request.line == f"GET {path} HTTP/1.1"
        told = None if whole else f"/apps/{name}"
        assert each.request.headers.get("X-Forwarded-Prefix") == told
    assert (await tell(ours, ask("/apps/c/")))[0] == 403


@pytest.mark.parametrize(
    "target",
    [
        "/@evil.test/",
        "/user:password@evil.test:80/",
        "//evil.test/",
        "http://user:password@evil.test/",
        "@evil.test/",
        ":80@evil.test/",
        "x:@evil.test/",
    ],
)
async def test_no_path_is_an_authority(
    by_hand: ByHand, through: Serve, upstream: Recorder, target: str
) -> None:
    """What has no path is refused, by aiohttp or because no route matches."""
    ours = await through(await by_hand(upstream.script))
    status, _ = await tell(ours, plain(target))
    if target[0] in "/h":
        path = target.removeprefix("http://user:password@evil.test")
        assert (status, upstream.request.line) == (200, f"GET {path} HTTP/1.1")
    else:
        assert status in (400, 404)
        assert not upstream.requests


@pytest.mark.parametrize(
    ("target", "arrives"),
    [("/", "/index.html"), ("/?a=%2F", "/index.html?a=%2F"), ("/b%2Fc?d", "/b%2Fc?d")],
)
async def test_a_mapped_path(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    serve: Serve,
    upstream: Recorder,
    target: str,
    arrives: str,
) -> None:
    address = await by_hand(upstream.script)

    async def handler(asked: web.Request) -> web.StreamResponse:
        path, mark, query = asked.rel_url.raw_path_qs.partition("?")
        path = {"/": "/index.html"}.get(path, path)
        return await proxy(asked, bare, URL(address.url(path + mark + query), encoded=True))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    assert (await tell(await serve(app), plain(target)))[0] == 200
    assert upstream.request.line == f"GET {arrives} HTTP/1.1"


@pytest.mark.parametrize("data", [plain(), request()], ids=["plain", "upgrade"])
async def test_an_answer_that_is_changed(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, data: bytes
) -> None:
    """Before it leaves, by a signal of aiohttp."""

    async def changed(asked: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Own"] += "2"
        response.headers.add("X-Added", asked.path)

    app = ingress(bare, await by_hand(Recorder(REFUSAL).script))
    app.on_response_prepare.append(changed)
    status, headers = await tell(await serve(app), data)
    assert status == 403
    assert [headers.getall(name) for name in ("X-Own", "X-Added")] == [["12"], ["/"]]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((), None),
        (("first",), "first"),
        (("first", "second"), "first"),
        (("first", "favoured"), "favoured"),
        (("none",), None),
    ],
)
async def test_subprotocols(
    serve: Serve, through: Serve, offered: tuple[str, ...], chosen: "str | None"
) -> None:
    """The upstream is offered what the visitor offers, and both know what it has chosen."""

    async def upstream(asked: web.Request) -> web.StreamResponse:
        wanted = [
            each.strip() for each in asked.headers.get("Sec-WebSocket-Protocol", "").split(",")
        ]
        taken = [each for each in ("favoured", "first") if each in wanted]
        socket = web.WebSocketResponse(protocols=taken[:1])
        await socket.prepare(asked)
        await socket.send_json([list(filter(None, wanted)), socket.ws_protocol])
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/", upstream)
    ours = await through(await serve(app))
    async with (
        aiohttp.ClientSession() as visitor,
        visitor.ws_connect(ours.url(), protocols=offered) as socket,
    ):
        assert socket.protocol == chosen
        assert await soon(socket.receive_json()) == [list(offered), chosen]
