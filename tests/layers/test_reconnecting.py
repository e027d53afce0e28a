"""Connections one after another: `reconnecting`, and docs/reconnecting.md."""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aiohttp_rawws import Frame, HandshakeRefused, RawWebSocketSession, SessionClosed, connect
from aiohttp_rawws.layers import WebSocketSession, is_transient, reconnecting
from aiohttp_rawws.layers.reconnecting import Pauses, retry_after
from tests.support.handshakes import Opening, answer
from tests.support.octets import CLOSE, HELLO
from tests.support.waiting import patience, soon, turns, until
from tests.support.wire import NOWHERE, ByHand, Wire

AT_ONCE: dict[str, Any] = {"delay": 0, "max_delay": 0}


def refusal(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} No", "Content-Length: 0", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


class Server:
    """Answers one connection after another, each in its way. The last way is for all others."""

    def __init__(self, *answers: "bytes | None") -> None:
        self.answers = list(answers)
        self.connections = 0
        self.ends: list[bytes] = []

    async def __call__(self, wire: Wire, opening: Opening) -> None:
        data = self.answers[min(self.connections, len(self.answers) - 1)]
        self.connections += 1
        wire.send(answer(opening) + HELLO + CLOSE if data is None else data)
        wire.end()
        self.ends.append(await wire.read_to_end())


# -- rounds ----------------------------------------------------------------------------------------


async def test_each_round_has_a_connection_of_its_own(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    server = Server(None)
    address = await by_hand(server)
    sessions: list[RawWebSocketSession] = []
    async with patience():
        async for session in reconnecting(connect, http, address.url(), **AT_ONCE):
            assert all(other.closed for other in sessions)
            sessions.append(session)
            assert [frame async for frame in session] == [Frame.text("Hello"), Frame.close(1000)]
            if len(sessions) == 3:
                break
    assert server.connections == len(set(map(id, sessions))) == 3


@pytest.mark.parametrize("way", ["break", "error"])
async def test_a_loop_that_is_left_ends_its_connection(
    by_hand: ByHand, http: aiohttp.ClientSession, way: str
) -> None:
    left: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        left.set_result(await wire.read_to_end())

    address = await by_hand(script)
    with contextlib.suppress(ZeroDivisionError):
        async for session in reconnecting(connect, http, address.url()):
            await session.send(Frame(1, b"bye", mask=bytes(4)))
            if way == "break":
                break
            raise ZeroDivisionError
    assert await soon(left) == b"\x81\x83\x00\x00\x00\x00bye"


@contextlib.asynccontextmanager
async def messages(http: aiohttp.ClientSession, url: str) -> AsyncIterator[WebSocketSession]:
    async with connect(http, url) as session, WebSocketSession(session) as websocket:
        yield websocket


async def test_messages_over_it(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    address = await by_hand(Server(refusal(503), None))
    async for websocket in reconnecting(messages, http, address.url(), **AT_ONCE):
        assert await websocket.receive_str() == "Hello"
        break


# -- failures --------------------------------------------------------------------------------------


async def test_failures_that_pass(
    by_hand: ByHand, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(refusal(503, "Retry-After: 0"), refusal(429), refusal(502), None)
    url = (await by_hand(server)).url("/?token=secret")
    with caplog.at_level(logging.INFO, "aiohttp_rawws"):
        async for session in reconnecting(connect, http, url, **AT_ONCE):
            assert await session.receive() == Frame.text("Hello")
            break
    assert server.connections == len(caplog.messages) + 1 == 4
    assert "no connection: 503" in caplog.messages[0]
    assert "the next try is in 0.0 s" in caplog.messages[0]
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (refusal(404), HandshakeRefused),
        (refusal(101, "Upgrade: websocket"), HandshakeRefused),
        (refusal(302, "Location: ftp://x/"), HandshakeRefused),
        (b"SSH-2.0-x\r\n\r\n", aiohttp.ClientResponseError),
    ],
    ids=["404", "wrong 101", "redirect", "no HTTP"],
)
async def test_failures_that_last(
    by_hand: ByHand, http: aiohttp.ClientSession, data: bytes, error: type[Exception]
) -> None:
    server = Server(data)
    with pytest.raises(error):
        async for _ in reconnecting(connect, http, (await by_hand(server)).url(), **AT_ONCE):
            pytest.fail("there is no connection")
    assert server.connections == 1


@pytest.mark.parametrize(
    ("trust", "error"),
    [
        (True, aiohttp.ClientConnectorCertificateError),
        (aiohttp.Fingerprint(bytes(32)), aiohttp.ServerFingerprintMismatch),
    ],
    ids=["certificate", "fingerprint"],
)
async def test_a_server_that_nobody_trusts(
    by_hand: ByHand, trust: Any, error: type[Exception]
) -> None:
    url = (await by_hand(Server(None), tls=True)).url()
    async with aiohttp.ClientSession() as http, patience():
        with pytest.raises(error):
            async for _ in reconnecting(connect, http, url, ssl=trust, **AT_ONCE):
                pytest.fail("there is no connection")


async def test_a_number_of_attempts(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    server = Server(refusal(500), refusal(500), None, refusal(500), refusal(500), refusal(503))
    rounds = 0
    with pytest.raises(HandshakeRefused, match="503"):
        url = (await by_hand(server)).url()
        async for _ in reconnecting(connect, http, url, attempts=3, **AT_ONCE):
            rounds += 1
    assert (rounds, server.connections) == (1, 6)


async def test_what_is_worth_another_try_may_be_told(http: aiohttp.ClientSession) -> None:
    errors = []

    def retry(error: Exception) -> bool:
        errors.append(error)
        return len(errors) < 3

    with pytest.raises(aiohttp.ClientConnectorError):
        async for _ in reconnecting(connect, http, NOWHERE.url(), retry=retry, **AT_ONCE):
            pytest.fail("there is no connection")
    assert len(errors) == 3


async def test_a_wait_can_be_cancelled(
    by_hand: ByHand, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(refusal(503, "Retry-After: 60"))
    loop = reconnecting(connect, http, (await by_hand(server)).url())
    with caplog.at_level(logging.INFO, "aiohttp_rawws"):
        waiting = asyncio.ensure_future(loop.__anext__())
        await until(lambda: bool(caplog.messages))
    await turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert server.connections == 1


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(), asyncio.TimeoutError(), aiohttp.ServerDisconnectedError()],
    ids=repr,
)
def test_errors_worth_another_try(error: Exception) -> None:
    assert is_transient(error)
    for other in (ValueError(), ssl.SSLCertVerificationError()):
        assert not is_transient(other)


@pytest.mark.parametrize(
    ("error", "kind"), [(SessionClosed("gone"), None), (KeyError("fault"), KeyError)], ids=repr
)
async def test_an_error_where_a_connection_is_left(
    by_hand: ByHand, http: aiohttp.ClientSession, error: Exception, kind: type[Exception] | None
) -> None:
    @contextlib.asynccontextmanager
    async def subscribed(url: str) -> AsyncIterator[RawWebSocketSession]:
        async with connect(http, url) as session:
            yield session
            raise error

    url = (await by_hand(Server(None))).url()
    rounds = 0
    with pytest.raises(kind) if kind else contextlib.nullcontext():
        async for _ in reconnecting(subscribed, url, **AT_ONCE):
            rounds += 1
            if rounds == 3:
                break
    assert rounds == (1 if kind else 3)


async def test_aiohttps_own_websockets(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    url = (await by_hand(Server(refusal(503, "Retry-After: 0"), None))).url()
    async for websocket in reconnecting(http.ws_connect, url, **AT_ONCE):
        assert await websocket.receive_str() == "Hello"
        break


# -- waits -----------------------------------------------------------------------------------------


def test_waits_double_up_to_a_limit_and_begin_anew() -> None:
    for failures, limit in enumerate((1, 2, 4, 6, 6)):
        drawn = []
        for _ in range(300):
            pauses = Pauses(1.0, 6.0, 10.0)
            for _ in range(failures):
                pauses.after_error(OSError())
            drawn.append(pauses.after_error(OSError()))
        assert 0 <= min(drawn) < 0.1 * limit
        assert 0.9 * limit < max(drawn) <= limit
    pauses = Pauses(1.0, 6.0, 10.0)
    assert max(pauses.after_end(1006, 9.9) for _ in range(5000)) > 5
    assert pauses.after_end(1000, 10.0) <= 1
    assert pauses.after_end(1000, 0.1) <= 2


@pytest.mark.parametrize("code", [1012, 1013])
def test_a_service_that_restarts_is_left_alone_for_a_while(code: int) -> None:
    drawn = [Pauses(1.0, 60.0, 10.0).after_end(code, 3600) for _ in range(300)]
    assert 5 <= min(drawn) < 8
    assert 27 < max(drawn) <= 30
    assert max(Pauses(0.1, 0.6, 10.0).after_end(code, 3600) for _ in range(100)) <= 0.6


def of_aiohttp(http: aiohttp.ClientSession, url: str) -> Any:
    return http.ws_connect(url)


@pytest.mark.parametrize("function", [connect, messages, of_aiohttp])
async def test_the_close_is_looked_at(
    by_hand: ByHand, http: aiohttp.ClientSession, function: Any
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + b"\x88\x02\x03\xf4")  # 1012
        await wire.read_to_end()

    loop = reconnecting(function, http, (await by_hand(script)).url(), delay=0)
    async for _ in await loop.__anext__():
        # Up to the Close.
        pass
    waiting = asyncio.ensure_future(loop.__anext__())
    await soon(asyncio.wait([waiting], timeout=0.1))
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": " 120 "}, 120),
        ({"Retry-After": "-1"}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:50:37 GMT", "Date": DATE}, 60),
        ({"Retry-After": "Sunday, 06-Nov-94 08:50:37 GMT", "Date": DATE}, 60),
        ({"Retry-After": "Sun Nov  6 08:50:37 1994", "Date": DATE}, 60),
        ({"Retry-After": DATE, "Date": "Sun, 06 Nov 1994 08:50:37 GMT"}, 0),
        ({"Retry-After": DATE}, 0),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, 0),
    ],
    ids=str,
)
def test_what_retry_after_asks_for(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(CIMultiDict(headers)) == seconds


def test_a_date_without_the_servers_clock() -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3600))
    assert 3500 < retry_after(CIMultiDict({"Retry-After": date})) <= 3600


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("9" * 400, 3600)])
def test_retry_after_is_waited_out(value: str, seconds: float) -> None:
    none = CIMultiDictProxy(CIMultiDict[str]())
    request = aiohttp.RequestInfo(URL("http://a/"), "GET", none, URL("http://a/"))
    error = HandshakeRefused(request, (), status=503, headers=CIMultiDict({"Retry-After": value}))
    assert seconds <= Pauses(1.0, 2.0, 10.0).after_error(error) <= seconds + 1


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"delay": -1}, ValueError),
        ({"max_delay": "1"}, TypeError),
        ({"reset_after": float("inf")}, ValueError),
        ({"attempts": 0}, ValueError),
        ({"attempts": 1.5}, TypeError),
        ({"retry": True}, TypeError),
    ],
    ids=str,
)
def test_options_that_are_none(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        reconnecting(connect, **options)


def test_it_connects_by_a_function() -> None:
    wrong: Any = "ws://example.com"
    with pytest.raises(TypeError, match="connect must be a function"):
        reconnecting(wrong)
