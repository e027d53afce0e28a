"""The answers of an HTTP proxy that open a tunnel, and those that do not."""

import asyncio

import aiohttp
import pytest

from aiohttp_rawws import Frame, HandshakeRefused, connect
from tests.support.handshakes import Opening
from tests.support.http_proxies import ESTABLISHED, Recorder
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application, echo, ingress, left
from tests.support.sockets import reset
from tests.support.waiting import soon, turns
from tests.support.wire import ByHand, Wire, read_opening

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
