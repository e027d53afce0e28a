"""How `proxy` asks the upstream: its time, its limits, and the Host that it is asked for."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientTimeout

from tests.support.forwarding import Recorder, plain
from tests.support.handshakes import Opening, asks, request
from tests.support.scripts import says
from tests.support.servers import BOTH, Serve, ingress, running
from tests.support.waiting import soon
from tests.support.wire import Address, ByHand, Script, Wire, tell

# -- time ------------------------------------------------------------------------------------------

TIMES = [ClientTimeout(total=0.2), ClientTimeout(sock_read=0.2), ClientTimeout(5, sock_read=0.2)]


async def silent(wire: Wire, opening: Opening) -> None:
    with contextlib.suppress(ConnectionError):
        await wire.read_to_end()


@pytest.mark.parametrize("timeout", TIMES, ids=["total", "sock_read", "both"])
@pytest.mark.parametrize(
    "data", [plain(), plain("/", "Content-Length: 2", method="POST", body=b"Hi"), request()]
)
async def test_an_upstream_that_never_answers(
    by_hand: ByHand,
    through: Serve,
    caplog: pytest.LogCaptureFixture,
    timeout: ClientTimeout,
    data: bytes,
) -> None:
    address = await by_hand(silent)
    ours = await through(address, timeout=timeout)
    assert (await tell(ours, data))[0] == 504
    assert caplog.messages == [f"Proxy: ws://127.0.0.1:{address.port} did not answer in time"]


async def test_the_time_of_the_client_session(by_hand: ByHand) -> None:
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(cookie_jar=jar, timeout=TIMES[0]) as http,
        running(ingress(http, await by_hand(silent))) as (_, ours),
    ):
        assert (await tell(ours, plain()))[0] == 504


@pytest.mark.parametrize("timeout", TIMES, ids=["total", "sock_read", "both"])
async def test_an_upload_takes_its_time(
    by_hand: ByHand, through: Serve, timeout: ClientTimeout
) -> None:
    """The upstream's begins once it has the request."""
    wire = await Wire.open(await through(await by_hand(Recorder().script), timeout=timeout))
    wire.send(plain("/", "Content-Length: 8", method="POST"))
    for _ in range(8):
        await asyncio.sleep(0.06)
        wire.send(b"x")
    assert (await wire.read_head())[0] == 200
    await wire.close()


async def test_the_time_counts_from_the_end_of_an_upload(by_hand: ByHand, through: Serve) -> None:
    wire = await Wire.open(await through(await by_hand(silent), timeout=TIMES[0]))
    wire.send(plain("/", "Content-Length: 2", method="POST"))
    await asyncio.sleep(0.3)
    wire.send(b"Hi")
    assert (await wire.read_head())[0] == 504
    await wire.close()


@pytest.mark.parametrize("timeout", TIMES, ids=["total", "sock_read", "both"])
@pytest.mark.parametrize("data", [plain(), request()])
async def test_the_body_of_an_answer_takes_its_time(
    by_hand: ByHand, through: Serve, timeout: ClientTimeout, data: bytes
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nHello")
        await asyncio.sleep(0.5)
        wire.send(b"World")
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script), timeout=timeout))
    wire.send(data)
    assert (await wire.read_head())[0] == 403
    assert await wire.read(10) == b"HelloWorld"
    await wire.close()


# -- limits ----------------------------------------------------------------------------------------

LONG = "x" * 9000


@pytest.mark.parametrize(
    ("said", "option"),
    [
        (f"HTTP/1.1 403 No\r\nX-A: {LONG}\r\n", "max_field_size"),
        (f"HTTP/1.1 403 {LONG}\r\n", "max_line_size"),
    ],
)
@pytest.mark.parametrize("data", [plain(), request()])
async def test_a_head_over_the_limits(
    by_hand: ByHand,
    through: Serve,
    caplog: pytest.LogCaptureFixture,
    said: str,
    option: str,
    data: bytes,
) -> None:
    address = await by_hand(says(f"{said}Content-Length: 0\r\n\r\n".encode()))
    assert (await tell(await through(address), data))[0] == 502
    [message] = caplog.messages
    assert "cannot be read: Got more than 8190 bytes" in message
    assert message.endswith("raise the limit with max_field_size= or max_line_size=")
    assert LONG not in message
    options = {"max_field_size": 16_000, "max_line_size": 16_000}
    assert (await tell(await through(address, **options), data))[0] == 403


async def test_a_request_over_the_limits(by_hand: ByHand, bare: aiohttp.ClientSession) -> None:
    """Those of aiohttp's server are options of an AppRunner."""
    data = plain("/", f"Cookie: {LONG}")
    app = ingress(bare, await by_hand(Recorder().script))
    async with running(app) as (_, ours):
        assert (await tell(ours, data))[0] == 400
    app = ingress(bare, await by_hand(Recorder().script))
    async with running(app, max_field_size=16_000) as (_, ours):
        assert (await tell(ours, data))[0] == 200


# -- Host ------------------------------------------------------------------------------------------


def own(address: Address) -> str:
    return f"{address.host}:{address.port}"


@BOTH
@pytest.mark.parametrize("asking", [plain, request], ids=["plain", "upgrade"])
@pytest.mark.parametrize(
    ("options", "plainly", "over_tls"),
    [
        ({}, "example.test", None),
        ({"host": "visitor"}, "example.test", "example.test"),
        ({"host": "upstream"}, None, None),
        ({"host": "name.test:8080"}, "name.test:8080", "name.test:8080"),
        ({"host": "[::1]:80"}, "[::1]:80", "[::1]:80"),
        ({"headers": {"host": "name.test"}}, "name.test", "name.test"),
        ({"headers": {"Host": None}}, None, None),
    ],
    ids=str,
)
async def test_host(
    by_hand: ByHand,
    through: Serve,
    tls: bool,
    asking: Any,
    options: Any,
    plainly: "str | None",
    over_tls: "str | None",
) -> None:
    """None stands for that of the URL."""
    upstream = Recorder()
    address = await by_hand(upstream.script, tls=tls)
    await tell(await through(address, **options), asking())
    expected = (over_tls if tls else plainly) or own(address)
    assert upstream.request.headers.getall("Host") == [expected]
    assert upstream.request.headers["X-Forwarded-Host"] == "example.test"


async def test_a_visitor_that_names_no_host(by_hand: ByHand, through: Serve) -> None:
    upstream = Recorder()
    address = await by_hand(upstream.script)
    assert (await tell(await through(address), b"GET / HTTP/1.0\r\n\r\n"))[0] == 200
    assert upstream.request.headers["Host"] == own(address)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": 1}, 'TypeError: host must be "visitor", "upstream" or a name'),
        ({"host": b"a"}, 'TypeError: host must be "visitor", "upstream" or a name'),
        ({"host": ""}, "ValueError: host must be the value of a Host header"),
        ({"host": "a b"}, "ValueError: host must be the value of a Host header"),
        ({"host": "http://a"}, "ValueError: host must be the value of a Host header"),
        ({"host": "a\r\nX: y"}, "ValueError: host must be the value of a Host header"),
        ({"host": "a", "headers": {"Host": "b"}}, "ValueError: Host is not for headers= beside"),
        ({"trusted": "10.0.0.1"}, "TypeError: trusted must be a collection"),
        ({"trusted": ["nobody"]}, "ValueError: trusted: 'nobody' does not appear to be"),
        ({"hots": "a"}, "TypeError: proxy has no option 'hots'"),
    ],
    ids=str,
)
async def test_bad_options(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture, options: Any, words: str
) -> None:
    upstream = Recorder()
    ours = await through(await by_hand(upstream.script), **options)
    assert (await tell(ours, plain()))[0] == 500
    assert words in caplog.text
    assert not upstream.requests


# -- headers ---------------------------------------------------------------------------------------


async def test_headers_that_are_removed_or_replaced(by_hand: ByHand, through: Serve) -> None:
    upstream = Recorder()
    headers = [("cookie", None), ("X-Own", "1"), ("x-own", "2"), ("X-Forwarded-For", None)]
    ours = await through(await by_hand(upstream.script), headers=headers)
    await tell(ours, plain("/", "Cookie: a=1", "X-Own: 3", "Authorization: x"))
    got = upstream.request.headers
    assert "Cookie" not in got
    assert "X-Forwarded-For" not in got
    assert got.getall("X-Own") == ["1", "2"]
    assert got["Authorization"] == "x"


async def test_a_secret_among_the_subprotocols(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening]
) -> None:
    """The caller's subprotocols are offered in place of the visitor's."""
    ours = await through(await by_hand(upstream), headers={"Sec-WebSocket-Protocol": "chat"})
    await soon(tell(ours, asks("Sec-WebSocket-Protocol: chat, bearer.secret")))
    assert heard[0].headers.getall("Sec-WebSocket-Protocol") == ["chat"]


async def test_no_subprotocol_at_all(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening]
) -> None:
    ours = await through(await by_hand(upstream), headers={"Sec-WebSocket-Protocol": None})
    await soon(tell(ours, asks("Sec-WebSocket-Protocol: bearer.secret")))
    assert "Sec-WebSocket-Protocol" not in heard[0].headers
