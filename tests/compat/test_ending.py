"""How a WebSocketResponse ends: closing handshakes, returns, exceptions and shutdowns."""

import asyncio
import logging

import aiohttp
import pytest
from aiohttp import WSMsgType, web

import aiohttp_rawws
from aiohttp_rawws.compat import WebSocketResponse
from tests.compat.conftest import Held
from tests.support.octets import masked
from tests.support.servers import Serve, running
from tests.support.waiting import soon, turns, until
from tests.support.wire import Wire


async def test_the_closing_handshake(held: Held) -> None:
    async with held() as (websocket, wire):
        closing = asyncio.ensure_future(websocket.close(code=4000, message=b"bye"))
        assert await wire.read_frame() == (0x88, b"\x0f\xa0bye")
        wire.send(masked(0x81, b"late") + masked(0x88, b"\x0f\xa1"))
        assert await closing
        assert websocket.close_code == 4001
        assert websocket.exception() is None
        assert await wire.read_to_end() == b""


async def test_a_peer_that_does_not_close(held: Held) -> None:
    async with held(timeout=0) as (websocket, wire):
        assert await websocket.close()
        assert websocket.close_code == 1006
        assert isinstance(websocket.exception(), asyncio.TimeoutError)
        assert await wire.read_frame() == (0x88, b"\x03\xe8")
        assert await wire.read_to_end() == b""


async def test_a_close_from_another_task(held: Held) -> None:
    async with held() as (websocket, wire):
        receiving = asyncio.ensure_future(websocket.receive())
        await asyncio.sleep(0)
        assert await websocket.close(code=1001)
        assert await receiving == (WSMsgType.CLOSING, None, None)
        assert (await websocket.receive()).type is WSMsgType.CLOSED
        assert websocket.close_code == 1000
        assert await wire.read_frame() == (0x88, b"\x03\xe9")


async def test_a_close_that_is_cancelled(held: Held) -> None:
    async with held() as (websocket, wire):
        closing = asyncio.ensure_future(websocket.close())
        await wire.read_frame()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert websocket.close_code == 1006
        assert await wire.read_to_end() == b""


@pytest.mark.parametrize(
    ("code", "payload"), [(0, b""), (1005, b""), (3000, b"\x0b\xb8" + 40 * "ä€".encode()[:123])]
)
async def test_what_a_close_can_say(held: Held, code: int, payload: bytes) -> None:
    async with held(timeout=0) as (websocket, wire):
        await websocket.close(code=code, message=40 * "ä€".encode())
        opcode, sent = await wire.read_frame()
        assert opcode == 0x88
        assert sent[:2] == payload[:2]
        assert len(sent) <= 125


async def test_a_close_that_may_not_be_sent(held: Held) -> None:
    async with held(timeout=0) as (websocket, _):
        with pytest.raises(ValueError, match="1006"):
            await websocket.close(code=1006)
        assert not websocket.closed
        assert await websocket.close()


async def test_a_return_closes(serve: Serve) -> None:
    prepared: list[WebSocketResponse] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse(timeout=0)
        prepared.append(websocket)
        await websocket.prepare(request)
        await websocket.send_str("1")
        return websocket

    app = web.Application()
    app.router.add_get("/", handler)
    wire = await Wire.upgrade(await serve(app))
    assert await wire.read(3 + 4) == b"\x81\x011" + b"\x88\x02\x03\xe8"
    assert await wire.read_to_end() == b""
    await soon(wire.close())
    await until(lambda: prepared[0].body_length == 3 + 4)
    assert prepared[0].close_code == 1006


async def test_a_handler_that_raises(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse()
        await websocket.prepare(request)
        raise ArithmeticError

    app = web.Application()
    app.router.add_get("/", handler)
    with caplog.at_level(logging.ERROR):
        wire = await Wire.upgrade(await serve(app))
        assert await wire.read_to_end() == b""
        await soon(wire.close())
    assert [record.name for record in caplog.records] == ["aiohttp.server"]


@pytest.mark.parametrize("handler_cancellation", [False, True])
async def test_the_option_handler_cancellation(serve: Serve, handler_cancellation: bool) -> None:
    """It is aiohttp's, and means what it means there."""
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse()
        await websocket.prepare(request)
        try:
            while request.transport is not None:
                await asyncio.sleep(0)
            await turns()
        except asyncio.CancelledError:
            ended.set_result(True)
            raise
        ended.set_result(False)
        return websocket

    app = web.Application()
    app.router.add_get("/", handler)
    wire = await Wire.upgrade(await serve(app, handler_cancellation=handler_cancellation))
    await soon(wire.close())
    assert await soon(ended) is handler_cancellation


@pytest.mark.parametrize("installed", [False, True])
async def test_a_shutdown(installed: bool) -> None:
    """With `setup` it closes what is open. Without, `on_shutdown` does, as with aiohttp."""
    websockets: list[WebSocketResponse] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse()
        await websocket.prepare(request)
        websockets.append(websocket)
        async for _ in websocket:
            pass
        return websocket

    async def close(app: web.Application) -> None:
        for websocket in websockets:
            await websocket.close(code=1001)

    app = web.Application()
    if installed:
        aiohttp_rawws.setup(app)
    else:
        app.on_shutdown.append(close)
    app.router.add_get("/", handler)
    async with running(app) as (runner, address):
        wire = await Wire.upgrade(address)
        wire.send(masked(0x89))
        await wire.read_frame()
        cleaning = asyncio.ensure_future(runner.cleanup())
        assert await wire.read_frame() == (0x88, b"\x03\xe9")
        assert await wire.read_to_end() == b""
        await soon(wire.close())
        await soon(cleaning)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_lets_everything_go(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    """Its buffers and its zlib are big."""
    websockets: list[WebSocketResponse] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse(heartbeat=20)
        websockets.append(websocket)
        await websocket.prepare(request)
        async for message in websocket:
            await websocket.send_str(message.data)
        return websocket

    app = web.Application()
    app.router.add_get("/", handler)
    address = await serve(app, tls=tls)
    async with http.ws_connect(address.url(), compress=15) as client:
        await client.send_str("1")
        assert await client.receive_str() == "1"
        conversation = websockets[0]._conversation
        assert conversation is not None
    await until(lambda: websockets[0].session.closed)
    assert conversation._inbox is None
    assert conversation._heartbeat is None
