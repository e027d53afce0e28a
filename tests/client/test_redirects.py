"""The redirects of `connect`: followed as aiohttp does, or refused."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from aiohttp_rawws import Frame, HandshakeRefused, RawWebSocketSession, add_raw_websocket, connect
from tests.support.handshakes import Opening
from tests.support.servers import BOTH, Serve, application, echo
from tests.support.waiting import soon
from tests.support.wire import Address, ByHand, Script, Wire

STATUSES = pytest.mark.parametrize("status", [301, 302, 303, 307, 308])


def redirecting(path: str, *locations: str, status: int = 302, **options: Any) -> web.Application:
    """An echo at "/" that sends from `path` to each location in turn, from the last one on too."""
    app = application(echo, **options)
    turns = iter(locations)
    location = ""

    async def elsewhere(request: web.Request) -> web.Response:
        nonlocal location
        location = next(turns, location)
        return web.Response(status=status, headers={"Location": location}, text="over there")

    app.router.add_get(path, elsewhere)
    return app


async def refused(http: aiohttp.ClientSession, url: str, **options: Any) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        await soon(connect(http, url, **options))
    return caught.value


# -- followed --------------------------------------------------------------------------------


@STATUSES
async def test_redirects_are_followed(
    serve: Serve, http: aiohttp.ClientSession, status: int
) -> None:
    """The headers of the handshake go along."""

    async def handler(session: RawWebSocketSession) -> None:
        assert session.request is not None
        assert session.request.headers["Origin"] == "http://o"
        await echo(session)

    app = redirecting("/here", "/there", status=status)
    add_raw_websocket(app.router, "/there", handler, "chat")
    url = (await serve(app)).url("/here")
    async with connect(http, url, protocols="chat", origin="http://o") as session:
        assert session.protocol == "chat"
        assert session.response.url.path == "/there"
        assert [each.status for each in session.response.history] == [status]
        await session.send(Frame.ping())
        assert await soon(session.receive()) == Frame.ping()


async def test_a_redirect_to_another_server(
    serve: Serve,
    http: aiohttp.ClientSession,
    heard: list[Opening],
    upstream: Script,
    by_hand: ByHand,
) -> None:
    """From a plain one to TLS; credentials stay behind, as aiohttp has it."""
    there = await by_hand(upstream, tls=True)
    url = (await serve(redirecting("/here", there.url("/there", scheme="http")))).url("/here")
    headers = {"Authorization": "Basic eDp5", "X-Mine": "1"}
    async with connect(http, url, headers=headers, extensions="x") as session:
        assert session.get_extra_info("sslcontext") is not None
    assert heard[0].headers["X-Mine"] == "1"
    assert heard[0].headers["Sec-WebSocket-Extensions"] == "x"
    assert "Authorization" not in heard[0].headers


async def test_from_tls_to_tls(serve: Serve, http: aiohttp.ClientSession) -> None:
    there = await serve(application(echo), tls=True)
    url = (await serve(redirecting("/here", there.url(scheme="http")), tls=True)).url("/here")
    async with connect(http, url) as session:
        await session.send(Frame.ping())
        assert await soon(session.receive()) == Frame.ping()


async def test_cookies_of_a_redirect(by_hand: ByHand, heard: list[Opening]) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n"
        wire.send(
            f"{head}Location: /{len(heard)}\r\nSet-Cookie: seen={len(heard)}\r\n\r\n".encode()
        )
        await wire.writer.drain()

    url = (await by_hand(script)).url()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await refused(http, url, max_redirects=3)
    assert [each.headers.get("Cookie") for each in heard] == [None, "seen=1", "seen=2"]


# -- not followed ----------------------------------------------------------------------------


@STATUSES
async def test_a_redirect_that_is_not_to_be_followed(
    serve: Serve, http: aiohttp.ClientSession, status: int
) -> None:
    url = (await serve(redirecting("/here", "/", status=status))).url("/here")
    error = await refused(http, url, allow_redirects=False)
    assert error.status == status
    assert error.headers is not None
    assert error.headers["Location"] == "/"
    assert error.body == b"over there"
    assert error.history == ()
    assert error.__cause__ is None


def described(error: HandshakeRefused) -> tuple[int, "str | None", str, list[str]]:
    """The status, the Location, and the paths of the request and of those before it."""
    assert error.headers is not None
    return (
        error.status,
        error.headers.get("Location"),
        error.request_info.url.path,
        [each.url.path for each in error.history],
    )


FAILING: dict[str, tuple[str, type[Exception], str]] = {
    "ws": ("ws://127.0.0.1:1/", aiohttp.ClientError, "only http and https URLs are followed"),
    "wss": ("wss://127.0.0.1:1/", aiohttp.ClientError, "only http and https"),
    "no HTTP": ("ftp://127.0.0.1/", aiohttp.ClientError, "only http and https"),
    "no URL": ("http://a:b:c/", aiohttp.InvalidURL, "which cannot be followed"),
    "no port": ("http://127.0.0.1:99999/", aiohttp.InvalidURL, "which cannot be followed"),
    "no host": ("http:///path", aiohttp.ClientError, "which cannot be followed"),
}


@BOTH
@pytest.mark.parametrize(("location", "cause", "message"), FAILING.values(), ids=FAILING)
async def test_locations_that_cannot_be_followed(
    serve: Serve,
    http: aiohttp.ClientSession,
    location: str,
    cause: type[Exception],
    message: str,
    tls: bool,
) -> None:
    """Status, headers and history are those of the redirect that led there."""
    if tls:
        location = location.replace("http:", "https:")
    app = redirecting("/here", location)

    async def first(request: web.Request) -> web.Response:
        raise web.HTTPFound("/here")

    app.router.add_get("/first", first)
    error = await refused(http, (await serve(app, tls=tls)).url("/first"))
    assert described(error) == (302, location, "/here", ["/first"])
    assert message in error.message
    assert location in error.message
    assert isinstance(error.__cause__, cause)
    assert error.body == b""
    assert copy.copy(error).history == error.history


@pytest.mark.skipif(
    not hasattr(aiohttp.helpers, "is_canonical_ipv4_address"), reason="aiohttp connects to it"
)
async def test_a_location_that_is_refused_as_late_as_at_the_connection(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    url = (await serve(redirecting("/here", "http://127.1/"))).url("/here")
    error = await refused(http, url)
    assert described(error) == (302, "http://127.1/", "/here", [])
    assert "which cannot be followed" in error.message
    assert isinstance(error.__cause__, aiohttp.InvalidURL)


async def test_credentials_twice(serve: Serve, http: aiohttp.ClientSession) -> None:
    """aiohttp's ValueError is the server's doing here."""
    app = application(echo)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.url.with_user("me").with_password("secret").with_path("/"))

    app.router.add_get("/here", elsewhere)
    url = (await serve(app)).url("/here", "http")
    error = await refused(http, url, headers={"Authorization": "Basic eDp5"})
    assert error.status == 302
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize("header", ["", "Location:\r\n", "X: y\r\n"])
async def test_no_location(by_hand: ByHand, http: aiohttp.ClientSession, header: str) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(f"HTTP/1.1 302 Found\r\n{header}Content-Length: 4\r\n\r\nlost".encode())
        await wire.read_to_end()

    error = await refused(http, (await by_hand(script)).url("/first"))
    assert described(error)[0] == 302
    assert described(error)[2:] == ("/first", [])
    assert "a redirect without a Location" in error.message
    assert error.body == b"lost"


@pytest.mark.parametrize("most", [1, 3])
async def test_a_redirect_in_a_circle(serve: Serve, http: aiohttp.ClientSession, most: int) -> None:
    url = (await serve(redirecting("/here", "/here"))).url("/here")
    error = await refused(http, url, max_redirects=most)
    assert described(error) == (302, "/here", "/here", ["/here"] * (most - 1))
    assert f"redirected {most} times, up to max_redirects" in error.message
    assert isinstance(error.__cause__, aiohttp.TooManyRedirects)


async def test_a_redirect_to_where_nobody_listens(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    """There is no answer to tell of: aiohttp's own error stays."""
    url = (await serve(redirecting("/here", "http://127.0.0.1:1/"))).url("/here")
    with pytest.raises(aiohttp.ClientConnectorError):
        await connect(http, url)


async def test_a_refusal_behind_a_redirect(serve: Serve, http: aiohttp.ClientSession) -> None:
    app = redirecting("/here", "/none")
    error = await refused(http, (await serve(app)).url("/here"))
    assert described(error) == (404, None, "/none", ["/here"])


async def test_a_long_location(serve: Serve, http: aiohttp.ClientSession) -> None:
    url = (await serve(redirecting("/here", "ftp://x/" + "y" * 5000))).url("/here")
    error = await refused(http, url)
    assert len(error.message) < 400


async def test_errors_of_others_stay_what_they_are(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    """A middleware that fails behind a redirect is no redirect that fails."""

    async def fail(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if request.url.path == "/":
            raise ValueError("mine")
        return await handler(request)

    url = (await serve(redirecting("/here", "/"))).url("/here")
    with pytest.raises(ValueError, match=r"^mine$"):
        await connect(http, url, middlewares=[fail])


# -- from TLS to a plain connection ----------------------------------------------------------


@contextlib.asynccontextmanager
async def eavesdropping() -> AsyncIterator[tuple[Address, list[bytes]]]:
    """A plain server that notes every connection, and what comes on it."""
    came: list[bytes] = []
    tasks: list[asyncio.Task[None]] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(1))
        writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(note(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield Address(host, port), came
    server.close()
    await soon(asyncio.gather(*tasks))


@STATUSES
@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_no_redirect_leads_from_tls_to_a_plain_connection(
    serve: Serve, http: aiohttp.ClientSession, status: int, scheme: str
) -> None:
    async with eavesdropping() as (plain, came):
        location = plain.url("/there?token=1", "http")
        app = redirecting("/here", location, status=status)
        url = URL((await serve(app, tls=True)).url("/here")).with_scheme(scheme)
        error = await refused(http, str(url), headers={"X-Token": "secret"})
    assert came == []
    assert described(error) == (status, location, "/here", [])
    assert f"redirected from TLS to {plain.url('', 'http')}, where" in error.message
    assert "allow_redirects=False" in error.message
    assert "token" not in error.message
    assert copy.copy(error).status == status


async def test_nor_a_longer_way(serve: Serve, http: aiohttp.ClientSession) -> None:
    """From a plain connection to TLS, and back."""
    async with eavesdropping() as (plain, came):
        between = await serve(redirecting("/here", plain.url("/", "http")), tls=True)
        url = (await serve(redirecting("/first", between.url("/here", "http")))).url("/first")
        error = await refused(http, url)
    assert came == []
    assert described(error)[2:] == ("/here", ["/first"])


async def test_by_hand_it_can_be_followed(serve: Serve, http: aiohttp.ClientSession) -> None:
    there = (await serve(application(echo))).url("/", "http")
    url = (await serve(redirecting("/here", there), tls=True)).url("/here")
    error = await refused(http, url, allow_redirects=False)
    assert error.headers is not None
    async with connect(http, error.headers["Location"]) as session:
        await session.send(Frame.ping())
        assert await soon(session.receive()) == Frame.ping()


async def test_tracing_hears_of_it(serve: Serve, http: aiohttp.ClientSession) -> None:
    failed: list[BaseException] = []

    async def note(session: Any, context: Any, params: Any) -> None:
        failed.append(params.exception)

    trace = aiohttp.TraceConfig()
    trace.on_request_exception.append(note)
    address = await serve(redirecting("/here", "http://127.0.0.1:1/"), tls=True)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=address.ssl or True), trace_configs=[trace]
    ) as traced:
        error = await refused(traced, address.url("/here"))
    assert failed == [error]


# -- beside other middlewares ----------------------------------------------------------------


def counting(counts: "list[str]", name: str) -> Any:
    async def count(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        counts.append(f"{name} {request.url.path}")
        return await handler(request)

    return count


@pytest.mark.parametrize(
    ("own", "given", "counted"),
    [
        (["a", "b"], None, ["a /here", "b /here", "a /", "b /"]),
        (["a"], ["c", "d"], ["c /here", "d /here", "c /", "d /"]),
        (["a"], [], []),
        ([], ["c"], ["c /here", "c /"]),
    ],
    ids=str,
)
async def test_middlewares_run_as_they_do_for_every_request(
    serve: Serve, own: list[str], given: "list[str] | None", counted: list[str]
) -> None:
    """The client session's, or those of this request instead."""
    counts: list[str] = []

    def make(names: list[str]) -> Any:
        return [counting(counts, name) for name in names]

    options = {} if given is None else {"middlewares": make(given)}
    url = (await serve(redirecting("/here", "/"))).url("/here")
    async with (
        aiohttp.ClientSession(middlewares=make(own)) as http,
        connect(http, url, **options),
    ):
        pass
    assert counts == counted


async def test_a_middleware_that_asks_again(serve: Serve, http: aiohttp.ClientSession) -> None:
    """What it has seen itself does not count as a redirect."""

    async def log_in(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        if response.status == 303:
            response.release()
            request.headers["X-Ticket"] = "1"
            response = await handler(request)
        return response

    app = web.Application()

    async def elsewhere(request: web.Request) -> web.Response:
        if "X-Ticket" not in request.headers:
            raise web.HTTPSeeOther("ftp://x/")
        return web.Response(status=302, headers={"Location": "ftp://y/"})

    app.router.add_get("/", elsewhere)
    error = await refused(http, (await serve(app)).url(), middlewares=[log_in])
    assert described(error) == (302, "ftp://y/", "/", [])


async def test_a_middleware_may_keep_a_redirect_on_tls(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    """What is sent counts, not what the Location says (RFC 6797 section 8.3)."""

    async def keep_secure(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.url = request.url.with_scheme("https").with_port(request.url.port)
        return await handler(request)

    there = await serve(application(echo), tls=True)
    plain = there.url("/", "http").replace("https:", "http:")
    url = (await serve(redirecting("/here", plain), tls=True)).url("/here")
    async with connect(http, url, middlewares=[keep_secure]) as session:
        await session.send(Frame.ping())
        assert await soon(session.receive()) == Frame.ping()
