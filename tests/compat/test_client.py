"""`ws_connect`: aiohttp's, over a raw session."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWSTimeout, WSMsgType, web

from aiohttp_rawws import Frame, HandshakeRefused
from aiohttp_rawws.compat import ClientWebSocketResponse, ws_connect
from tests.support.handshakes import Opening, answer
from tests.support.octets import CLOSE, HELLO
from tests.support.servers import Serve
from tests.support.waiting import until
from tests.support.wire import Address, ByHand, Wire


async def echo(request: web.Request) -> web.StreamResponse:
    """aiohttp's own echo."""
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    async for message in websocket:
        await websocket.send_frame(message.data.encode(), message.type)
    return websocket


async def echoing(serve: Serve) -> Address:
    app = web.Application()
    app.router.add_get("/", echo)
    app.router.add_get("/no", refuse)
    return await serve(app)


async def refuse(request: web.Request) -> web.Response:
    return web.Response(status=403, text="not you")


async def test_an_echo(serve: Serve, http: aiohttp.ClientSession) -> None:
    address = await echoing(serve)
    async with ws_connect(http, address.url(), compress=15) as websocket:
        assert isinstance(websocket, aiohttp.ClientWebSocketResponse)
        assert (websocket.compress, websocket.client_notakeover) == (15, False)
        await websocket.send_str(1000 * "ä")
        await websocket.send_frame(b"[1]", WSMsgType.TEXT)
        await websocket.send_json([2])
        assert await websocket.receive_str() == 1000 * "ä"
        assert websocket.session.bytes_received < 1000
        assert await websocket.receive_json() == [1]
        assert await websocket.receive_str() == "[2]"
        await websocket.session.send(Frame.close(4000))
        assert [message async for message in websocket] == []
    assert websocket.close_code == 1000
    assert websocket.get_extra_info("peername") is None


async def test_the_ways_to_begin(serve: Serve, http: aiohttp.ClientSession) -> None:
    url = (await echoing(serve)).url()
    awaited = await ws_connect(http, url)
    task = await asyncio.create_task(ws_connect(http, url))
    for websocket in (awaited, task):
        assert websocket.compress == 0
        assert await websocket.close()
        assert await websocket.close() is False
        assert (await websocket.receive()).type is WSMsgType.CLOSED
        with pytest.raises(aiohttp.ClientConnectionResetError):
            await websocket.ping()


async def test_a_refusal(serve: Serve, http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await ws_connect(http, (await echoing(serve)).url("/no"))
    assert isinstance(caught.value, HandshakeRefused)
    assert (caught.value.status, caught.value.body) == (403, b"not you")


async def test_handshake_headers_among_the_headers(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    heard: list[Opening] = []

    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening, Sec_WebSocket_Protocol="v2") + HELLO + CLOSE)
        await wire.read_to_end()

    headers = {"Origin": "http://good.test", "Sec-WebSocket-Protocol": "v1, v2", "X-Mine": "1"}
    headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with ws_connect(http, (await by_hand(script)).url(), headers=headers) as websocket:
        assert websocket.protocol == "v2"
        assert await websocket.receive_str() == "Hello"
        assert await websocket.receive() == (WSMsgType.CLOSE, 1000, "")
    for name, value in headers.items():
        assert heard[0].headers.getall(name) == [value]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"compress": 1}, ValueError),
        ({"method": "POST"}, ValueError),
        ({"headers": {"Sec-WebSocket-Version": "8"}}, ValueError),
        ({"data": b""}, TypeError),
        ({"ssl": 42}, TypeError),
    ],
)
async def test_wrong_options(
    http: aiohttp.ClientSession, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await ws_connect(http, "ws://127.0.0.1:9/", **options)


async def test_timeouts(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    times = ClientWSTimeout(ws_receive=0.001, ws_close=0)
    async with ws_connect(http, url, timeout=times) as websocket:
        with pytest.raises(asyncio.TimeoutError):
            await websocket.receive()
        assert websocket.close_code is None
    assert websocket.close_code == 1006
    assert isinstance(websocket.exception(), asyncio.TimeoutError)
    with pytest.warns(DeprecationWarning, match="timeout"):
        websocket = await ws_connect(http, url, timeout=0.0, receive_timeout=0.001)
    with pytest.raises(asyncio.TimeoutError):
        await websocket.receive()
    assert await websocket.close()


@pytest.mark.parametrize("tasks", [1, 2])
async def test_a_close_from_another_task(
    serve: Serve, http: aiohttp.ClientSession, tasks: int
) -> None:
    websocket = await ws_connect(http, (await echoing(serve)).url())
    receiving = asyncio.ensure_future(websocket.receive())
    await asyncio.sleep(0)
    done = await asyncio.gather(*(websocket.close(code=4000) for _ in range(tasks)))
    assert done == [True, False][:tasks]
    kind = WSMsgType.CLOSING if tasks == 1 else WSMsgType.CLOSED
    assert (await receiving).type is kind
    assert websocket.close_code == 1000


async def test_a_silent_server(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    """It gets a Ping, and that is all."""
    heard: list[bytes] = []

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        heard.append(await wire.read(6))
        await wire.read_to_end()

    websocket = await ws_connect(http, (await by_hand(script)).url(), heartbeat=0.02)
    message = await websocket.receive()
    assert (message.type, type(message.data)) == (WSMsgType.ERROR, aiohttp.ServerTimeoutError)
    assert str(message.data) == "No PONG received after 0.01 seconds"
    assert websocket.exception() is message.data
    assert (websocket.closed, websocket.close_code) == (True, 1006)
    assert [data[:2] for data in heard] == [b"\x89\x80"]


async def test_a_server_that_lives_is_not_pinged(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    heard: list[bytes] = []

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        for octet in HELLO:
            await asyncio.sleep(0.02)
            wire.send(bytes([octet]))
        wire.send(CLOSE)
        heard.append(await wire.read_to_end())

    async with ws_connect(
        http, (await by_hand(script)).url(), heartbeat=2, timeout=ClientWSTimeout(ws_close=0)
    ) as websocket:
        assert await websocket.receive_str() == "Hello"
        assert (await websocket.receive()).type is WSMsgType.CLOSE
    await until(lambda: bool(heard))
    assert (heard[0][:2], len(heard[0])) == (b"\x88\x82", 8)


async def test_the_class_is_generic() -> None:
    assert ClientWebSocketResponse[Any] is not None
