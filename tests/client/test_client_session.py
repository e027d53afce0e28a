"""Features, timeouts and the end of the aiohttp session that `connect` uses."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from aiohttp_rawws import EndOfStream, Frame, SessionClosed
from aiohttp_rawws.client.answer import HandshakeRefused
from aiohttp_rawws.client.connect import connect
from tests.support.handshakes import Opening, answer
from tests.support.octets import HELLO
from tests.support.scripts import until_end
from tests.support.servers import BOTH, Serve, application, echo
from tests.support.sockets import MEGABYTES
from tests.support.waiting import soon, turns
from tests.support.wire import ByHand, Script, Wire

# -- aiohttp's own features ------------------------------------------------------------------------


async def test_base_url_and_params(
    by_hand: ByHand, heard: list[Opening], listening: Script
) -> None:
    address = await by_hand(listening)
    async with (
        aiohttp.ClientSession(address.url("/api/")) as http,
        connect(http, "chat", params={"a": "b"}),
    ):
        pass
    assert heard[0].line == "GET /api/chat?a=b HTTP/1.1"


async def test_credentials_in_the_url(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    url = URL((await by_hand(listening)).url()).with_user("me").with_password("secret")
    async with connect(http, url):
        pass
    credentials = base64.b64encode(b"me:secret").decode()
    assert heard[0].headers["Authorization"] == f"Basic {credentials}"


async def test_cookies_go_both_ways(by_hand: ByHand, heard: list[Opening]) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening, Set_Cookie="fresh=1"))
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookies={"own": "1"}, cookie_jar=jar) as http:
        async with connect(http, url, cookies={"once": "1"}):
            pass
        async with connect(http, url):
            pass
    first, second = (opening.headers["Cookie"].split("; ") for opening in heard)
    assert {*first} == {"own=1", "once=1"}
    assert {*second} == {"own=1", "fresh=1"}


async def test_tracing(by_hand: ByHand) -> None:
    seen: list[str] = []

    def note(name: str) -> Callable[..., Awaitable[None]]:
        async def noting(*args: Any) -> None:
            seen.append(name)

        return noting

    config = aiohttp.TraceConfig()
    for name in ("request_start", "connection_create_start", "request_end", "request_exception"):
        getattr(config, f"on_{name}").append(note(name))
    url = (await by_hand(until_end)).url()
    async with aiohttp.ClientSession(trace_configs=[config]) as http, connect(http, url):
        pass
    assert seen == ["request_start", "connection_create_start", "request_end"]


async def test_a_middleware(by_hand: ByHand, heard: list[Opening], listening: Script) -> None:
    """What it sent in truth is what the answer is held against."""

    async def offer(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["Sec-WebSocket-Protocol"] = "late"
        return await handler(request)

    url = (await by_hand(listening)).url()
    async with (
        aiohttp.ClientSession(middlewares=[offer]) as http,
        connect(http, url) as session,
    ):
        assert session.protocol == "late"


async def test_a_middleware_that_drops_the_key(by_hand: ByHand) -> None:
    async def drop(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        del request.headers["Sec-WebSocket-Key"]
        return await handler(request)

    async def script(wire: Wire, opening: Opening) -> None:
        opening.headers["Sec-WebSocket-Key"] = "x"
        wire.send(answer(opening))
        await wire.read_to_end()

    async with aiohttp.ClientSession(middlewares=[drop]) as http:
        with pytest.raises(HandshakeRefused, match="Accept"):
            await connect(http, (await by_hand(script)).url())


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    runner = web.AppRunner(application(echo), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as http,
        connect(http, "http://localhost/") as session,
    ):
        await session.send(Frame.text("Hello"))
        assert await soon(session.receive()) == Frame.text("Hello")
    await runner.cleanup()


# -- timeouts --------------------------------------------------------------------------------------


@BOTH
async def test_timeouts_end_with_the_handshake(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    """Both would have struck by then."""
    timeout = aiohttp.ClientTimeout(total=0.6, sock_read=0.3)
    address = await serve(application(echo), tls=tls)
    async with connect(http, address.url(), timeout=timeout) as session:
        await session.send(Frame.text("one"))
        assert await soon(session.receive()) == Frame.text("one")
        response: Any = session.response
        assert response.connection.protocol.read_timeout is None
        await asyncio.sleep(0.8)
        await session.send(Frame.text("two"))
        assert await soon(session.receive()) == Frame.text("two")


@pytest.mark.parametrize(
    "timeout", [aiohttp.ClientTimeout(total=0.05), aiohttp.ClientTimeout(sock_read=0.05)]
)
async def test_a_server_that_does_not_answer(
    by_hand: ByHand, http: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        await wire.read_to_end()

    with pytest.raises(asyncio.TimeoutError):
        await soon(connect(http, (await by_hand(script)).url(), timeout=timeout))


# -- the client session ends -----------------------------------------------------------------------


@BOTH
async def test_closing_the_client_session_ends_open_sessions(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool
) -> None:
    ended = 0

    async def script(wire: Wire, opening: Opening) -> None:
        nonlocal ended
        wire.send(answer(opening) + HELLO)
        with contextlib.suppress(ConnectionError):
            await wire.read_to_end()
        ended += 1
        done.set()

    done = asyncio.Event()
    url = (await by_hand(script, tls=tls)).url()
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls))
    sessions = [await connect(http, url) for _ in range(3)]
    for session in sessions:
        await soon(session.receive())
    receiving = [asyncio.create_task(session.receive()) for session in sessions]
    await turns(2)
    await soon(http.close())
    for task in receiving:
        with pytest.raises(EndOfStream):
            await soon(task)
    assert all(session.closed for session in sessions)
    while ended < 3:
        done.clear()
        await soon(done.wait())


@BOTH
@pytest.mark.parametrize("ending", [True, False], ids=["with its responses", "at once"])
async def test_closing_the_client_session_does_not_wait_for_servers_that_do_not_read(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool, ending: bool
) -> None:
    released = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        wire.transport.pause_reading()
        await released.wait()

    url = (await by_hand(script, tls=tls)).url()
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls))
    session = await connect(http, url, linger=0.1)
    for _ in range(2):
        session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    if ending:
        session.response.close()
    await soon(http.close())
    await soon(session.wait_closed())
    assert session.closed
    released.set()


async def test_closing_the_client_session_within_the_block(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async with connect(http, (await by_hand(until_end)).url()) as session:
        await soon(http.close())
        assert session.closed
        with pytest.raises(SessionClosed):
            await session.send(Frame.ping())
