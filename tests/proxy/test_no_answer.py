"""The visitor's answer where the upstream gives none, or is not asked."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import setup
from aiohttp_rawws.proxy.proxy import proxy
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.handshakes import KEY, Opening, answer, asks, request
from tests.support.scripts import JUNK, says
from tests.support.servers import Serve, ingress, left, running
from tests.support.sockets import reset
from tests.support.waiting import soon, until
from tests.support.wire import (
    NOWHERE,
    Address,
    ByHand,
    Script,
    Wire,
    only_response,
    raw_bytes,
    tell,
)

# -- no answer -------------------------------------------------------------------------------------


def gives(status: int, words: str, level: str = "WARNING") -> Callable[..., Awaitable[None]]:
    """A check: the visitor's answer, and the one line of the log."""

    async def check(ours: Address, caplog: pytest.LogCaptureFixture) -> None:
        data = request("/?token=secret") + JUNK
        got, body = only_response(await raw_bytes(ours, data))
        assert got == status, body
        assert b"secret" not in body
        assert b"127.0.0.1" not in body
        [record] = caplog.records
        assert (record.name, record.levelname) == ("aiohttp_rawws", level)
        message = record.getMessage()
        assert words in message
        assert "secret" not in message
        assert "\n" not in message
        assert record.exc_info is None

    return check


async def test_nobody_listens(through: Serve, caplog: pytest.LogCaptureFixture) -> None:
    ours = await through(Address("user:secret@127.0.0.1", 1))
    await gives(502, "http://127.0.0.1:1 cannot be reached".replace("http", "ws"))(ours, caplog)


async def test_an_unknown_host(through: Serve, caplog: pytest.LogCaptureFixture) -> None:
    ours = await through(Address("no.such.host.invalid", 80))
    await gives(502, "no.such.host.invalid")(ours, caplog)


async def test_a_relative_url(
    serve: Serve, caplog: pytest.LogCaptureFixture, by_hand: ByHand, upstream: Script
) -> None:
    """Of a client session with a base URL."""

    async def handler(asked: web.Request) -> web.StreamResponse:
        return await proxy(asked, asked.app[HTTP], asked.path)

    HTTP: web.AppKey[aiohttp.ClientSession] = web.AppKey("HTTP")  # noqa: N806
    for base, status in ((NOWHERE, 502), (await by_hand(upstream), 101)):
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(base.url(), cookie_jar=jar) as http:
            app = web.Application()
            app[HTTP] = http
            app.router.add_get("/", handler)
            ours = await serve(app)
            if status == 502:
                await gives(502, "the upstream cannot be reached")(ours, caplog)
            else:
                assert (await tell(ours, request()))[0] == 101
            await until(lambda: not left(http))


async def test_reset_during_the_handshake(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        reset(wire)

    await gives(502, "cannot be reached")(await through(await by_hand(script)), caplog)


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 101 Switching Protocols\r\nA b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    ids=str,
)
async def test_no_http(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    await gives(502, "cannot be read")(await through(await by_hand(says(said))), caplog)


async def test_no_answer_at_all(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    await gives(502, "cannot be reached: Server disc")(
        await through(await by_hand(says(b""))), caplog
    )


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"]
)
async def test_a_head_that_breaks_off(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    words = "cannot be read: the connection ended within the head"
    await gives(502, words)(await through(await by_hand(says(said))), caplog)


WRONG: dict[str, dict[str, Any]] = {
    "a wrong accept": {"Sec_WebSocket_Accept": accept_key(KEY)},
    "no upgrade": {"Upgrade": ""},
    "no connection": {"Connection": ""},
    "a subprotocol": {"Sec_WebSocket_Protocol": "c"},
    "two subprotocols": {"Sec_WebSocket_Protocol": ["a", "b"]},
    "an extension": {"Sec_WebSocket_Extensions": "x, y"},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
async def test_a_101_that_is_none(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    ended = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes) + b"\x81\x05Hello")
        with contextlib.suppress(ConnectionError):
            await wire.read_to_end()
        ended.set()

    ours = await through(await by_hand(script))
    lines = ("Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: x")
    status, _ = only_response(await raw_bytes(ours, asks(*lines, path="/?secret") + JUNK))
    assert status == 502
    [message] = caplog.messages
    assert "does not speak WebSocket" in message
    assert "secret" not in message
    await soon(ended.wait())


async def test_lost_right_behind_the_101(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        reset(wire)

    wire = await Wire.open(await through(await by_hand(script)))
    wire.send(request())
    # A FIN or a RST may overtake the upgrade or not.
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        status, _ = await wire.read_head()
        assert status in (101, 502)
        await wire.read_to_end()
    await wire.close()


async def test_lost_before_it_is_taken_over(
    by_hand: ByHand, upstream: Script, caplog: pytest.LogCaptureFixture
) -> None:
    async def lose(*args: Any) -> None:
        args[2].response.connection.transport.abort()

    tracing = aiohttp.TraceConfig()
    tracing.on_request_end.append(lose)
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(cookie_jar=jar, trace_configs=[tracing]) as http,
        running(ingress(http, await by_hand(upstream))) as (_, ours),
    ):
        await gives(502, "lost right behind the 101")(ours, caplog)


async def test_a_url_that_is_none(through: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake of the handler, not of the upstream."""
    ours = await through(Address("", 1))
    assert only_response(await raw_bytes(ours, request() + JUNK))[0] == 500
    assert caplog.records[0].exc_info is not None
    assert isinstance(caplog.records[0].exc_info[1], ValueError)


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"])
async def test_what_the_client_session_offers_the_visitor_has_not(
    by_hand: ByHand, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **{name: opening.headers[name]}))
        await wire.read_to_end()

    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(headers={name: "x"}, cookie_jar=jar) as http,
        running(ingress(http, await by_hand(script))) as (_, ours),
    ):
        await gives(502, "offered")(ours, caplog)


async def test_an_extension_that_only_the_proxy_offers(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, Sec_WebSocket_Extensions="y"))
        await wire.read_to_end()

    ours = await through(await by_hand(script), extensions=lambda offer: "x, y")
    assert (await tell(ours, asks("Sec-WebSocket-Extensions: x")))[0] == 502
    assert "not offered: y" in caplog.text


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 403 No\r\nX-A: \xe4\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 N\xf6\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\xe4\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 No\r\nX-A: \x1b[2J\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_an_answer_that_cannot_be_passed_on(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    await gives(502, "printable UTF-8")(await through(await by_hand(says(said))), caplog)


async def test_a_101_that_cannot_be_passed_on(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening)[:-2] + b"Set-Cookie: a=\xe4\r\n\r\n")
        assert await wire.read_to_end() == b""

    await gives(502, "printable UTF-8")(await through(await by_hand(script)), caplog)


async def test_utf_8_is_passed_on(by_hand: ByHand, through: Serve) -> None:
    said = "HTTP/1.1 403 N\xf6 \U0001f600\r\nX-A: \xe4\r\nContent-Length: 0\r\n\r\n".encode()
    got = await raw_bytes(await through(await by_hand(says(said))), request())
    assert got.startswith("HTTP/1.1 403 N\xf6 \U0001f600\r\nX-A: \xe4\r\n".encode())


@pytest.mark.parametrize(
    "timeout", [aiohttp.ClientTimeout(total=0.1), aiohttp.ClientTimeout(sock_read=0.1)]
)
async def test_an_upstream_that_never_answers(
    by_hand: ByHand,
    through: Serve,
    caplog: pytest.LogCaptureFixture,
    timeout: aiohttp.ClientTimeout,
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        assert await wire.read_to_end() == b""

    address = await by_hand(script)
    ours = await through(address, timeout=timeout)
    await gives(504, f"ws://127.0.0.1:{address.port} did not answer in time")(ours, caplog)


async def test_a_dial_that_takes_too_long(through: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A listener whose backlog is full answers no SYN."""
    with socket.socket() as listener, contextlib.ExitStack() as callers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(3):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        timeout = aiohttp.ClientTimeout(sock_connect=0.1)
        ours = await through(Address("127.0.0.1", port), timeout=timeout)
        await gives(504, "did not answer in time")(ours, caplog)


# -- what is not dialled ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(Sec_WebSocket_Version="12"), 426),
        (request(Sec_WebSocket_Key="x"), 400),
        (request(Content_Length="1") + b"x", 400),
        (request(), 403),
        (request(Origin="https://b.test"), 403),
        (request(Origin="https://a.test"), 502),
    ],
    ids=str,
)
async def test_no_sound_opening_handshake(through: Serve, data: bytes, status: int) -> None:
    """502 is what comes of a dial here."""
    ours = await through(NOWHERE, origins=["https://a.test"])
    assert only_response(await raw_bytes(ours, data))[0] == status


async def test_origins_of_setup(bare: aiohttp.ClientSession, serve: Serve) -> None:
    async def handler(asked: web.Request) -> web.StreamResponse:
        return await proxy(asked, bare, NOWHERE.url())

    app = web.Application()
    setup(app, origins=["https://a.test"])
    app.router.add_get("/", handler)
    assert only_response(await raw_bytes(await serve(app), request()))[0] == 403


async def test_a_cookie_jar(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with aiohttp.ClientSession() as http:
        ours = await serve(ingress(http, NOWHERE))
        assert (await tell(ours, request()))[0] == 500
    assert "ValueError: proxy would hand one visitor's cookies to the next" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cookies": {}}, "TypeError: proxy takes no cookies"),
        ({"data": b"", "allow_redirects": True}, "TypeError: proxy takes no allow_redirects, data"),
        ({"auto_decompress": True}, "TypeError: proxy takes no auto_decompress"),
        ({"skip_auto_headers": []}, "TypeError: proxy takes no skip_auto_headers"),
        ({"raise_for_status": True}, "TypeError: proxy takes no raise_for_status"),
        ({"tap": 1}, "TypeError: tap must be"),
        ({"extensions": "x"}, "TypeError: extensions must be"),
        ({"origins": "x"}, "TypeError: origins must be"),
        ({"max_frame_size": 0}, "ValueError: max_frame_size"),
        ({"headers": {"connection": "x"}}, "ValueError: Connection is not for headers="),
        ({"headers": {"Sec-WebSocket-Key": "x"}}, "ValueError: Sec-WebSocket-Key is not for"),
        ({"nonsense": 1}, "TypeError: .*nonsense"),
    ],
    ids=str,
)
async def test_bad_options(
    by_hand: ByHand,
    through: Serve,
    upstream: Script,
    heard: list[Opening],
    options: dict[str, Any],
    message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = await through(await by_hand(upstream), **options)
    assert only_response(await raw_bytes(ours, request()))[0] == 500
    assert caplog.records[0].exc_info is not None
    with pytest.raises(Exception, match=message):
        raise Exception(f"{type(error := caplog.records[0].exc_info[1]).__name__}: {error}")
    assert not heard


async def test_an_upgrade_that_was_answered_before(
    serve: Serve, bare: aiohttp.ClientSession, by_hand: ByHand, upstream: Script
) -> None:
    address = await by_hand(upstream)

    async def handler(asked: web.Request) -> web.StreamResponse:
        response = await proxy(asked, bare, address.url())
        with pytest.raises(RuntimeError, match="already"):
            await proxy(asked, bare, address.url())
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    assert (await tell(await serve(app), request()))[0] == 101
