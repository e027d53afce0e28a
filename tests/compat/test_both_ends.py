"""Both classes, joined: every method, and a heartbeat that is answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMessage, WSMsgType, web

from aiohttp_rawws.compat import ClientWebSocketResponse, WebSocketResponse, ws_connect
from tests.compat.conftest import Held, Holder
from tests.support.octets import masked
from tests.support.servers import Serve
from tests.support.waiting import patience, soon, until

Pair = tuple[WebSocketResponse, ClientWebSocketResponse]


@asynccontextmanager
async def joined(
    serve: Serve, http: aiohttp.ClientSession, tls: bool, **options: Any
) -> AsyncIterator[Pair]:
    holder = Holder(options)
    app = web.Application()
    app.router.add_get("/", holder.handle)
    address = await serve(app, tls=tls)
    async with patience():
        websocket: Any = await ws_connect(http, address.url(), compress=15, **options)
        try:
            yield await holder.given, websocket
        finally:
            holder.released.set()
            await websocket.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_every_method(serve: Serve, http: aiohttp.ClientSession, tls: bool) -> None:
    async with joined(serve, http, tls, autoping=False) as pair:
        one: Any
        other: Any
        for one, other in (pair, pair[::-1]):
            await one.ping(b"1")
            await one.pong(b"2")
            await one.send_bytes(bytearray(b"3"))
            await one.send_json_bytes([4], dumps=lambda data: json.dumps(data).encode())
            await one.send_frame(b"5", WSMsgType.TEXT)
            await one.send_str("6", compress=15)
            await one.send_json(7)
            got = [await other.receive() for _ in range(7)]
            kinds = [message.type for message in got]
            assert kinds[:2] == [WSMsgType.PING, WSMsgType.PONG]
            assert kinds[2:4] == [WSMsgType.BINARY] * 2
            assert kinds[4:] == [WSMsgType.TEXT] * 3
            assert [message.data for message in got] == [b"1", b"2", b"3", b"[4]", "5", "6", "7"]
            await one.send_bytes(b"8")
            assert await other.receive_bytes() == b"8"
            for wrong in (one.send_str(b""), one.send_bytes("")):
                with pytest.raises(TypeError):
                    await wrong
            with pytest.raises(ValueError, match="125"):
                await one.ping(bytes(126))
            assert one.exception() is None
            assert one.get_extra_info("peername") is not None


async def test_a_heartbeat_that_is_answered(held: Held) -> None:
    """A second Ping shows that the first answer counted."""
    async with held(heartbeat=1.0) as (websocket, wire):
        receiving = asyncio.ensure_future(websocket.receive())
        assert await wire.read_frame() == (0x89, b"")
        wire.send(masked(0x8A))
        assert await wire.read_frame() == (0x89, b"")
        wire.send(masked(0x81, b"1"))
        assert (await soon(receiving)).data == "1"


async def test_sends_that_wait_hear_of_the_loss(held: Held) -> None:
    async with held() as (websocket, wire):
        data = bytes(2**23)
        sends: list[Any] = [websocket.send_bytes(data), websocket.send_str(data.decode())]
        sends.append(websocket.send_frame(data, WSMsgType.BINARY))
        tasks = [asyncio.ensure_future(send) for send in sends]
        await asyncio.sleep(0)
        wire.transport.abort()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(error, aiohttp.ClientConnectionResetError)


async def test_a_violation_behind_a_message(held: Held) -> None:
    behind = masked(0x81, b"1") + masked(0x81, b"\xff")
    async with held(behind=behind, compress=False) as (websocket, _):
        assert [message.type async for message in websocket] == [WSMsgType.TEXT, WSMsgType.ERROR]
    async with held(behind=behind, compress=False) as (websocket, _):
        assert (await websocket.receive()).data == "1"
        assert (await websocket.receive()).data.code == 1007


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (WebSocketResponse, web.WebSocketResponse),
        (ClientWebSocketResponse, aiohttp.ClientWebSocketResponse),
    ],
)
def test_nothing_of_the_base_class_runs(ours: type, theirs: type) -> None:
    """It has no reader and no writer. `write` only raises."""
    public = {name for name in vars(theirs) if not name.startswith("_")} - {"write"}
    inherited = {name for name in public if getattr(ours, name) is getattr(theirs, name)}
    assert not inherited
    assert len(public) > 15


class Noting(WebSocketResponse):
    """A subclass that does more, as an application may have one."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[Any] = []

    async def receive(self, timeout: float | None = None) -> WSMessage:
        message: WSMessage = await super().receive(timeout)
        self.noted.append(message.data)
        return message

    async def send_str(self, data: str, compress: int | None = None) -> None:
        self.noted.append(data)
        await super().send_str(data, compress)

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        self.noted.append(data)
        await super().send_bytes(data, compress)

    async def close(self, **options: Any) -> bool:
        self.noted.append("close")
        return await super().close(**options)


async def test_the_methods_of_a_subclass_are_called(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    """Where aiohttp calls them, too."""

    async def handler(request: web.Request) -> web.StreamResponse:
        websocket = Noting()
        noted.append(websocket.noted)
        await websocket.prepare(request)
        async for message in websocket:
            await websocket.send_json(message.json())
        websocket.noted.append("end")
        return websocket

    noted: list[list[Any]] = []
    app = web.Application()
    app.router.add_get("/", handler)
    url = (await serve(app)).url()
    async with patience(), ws_connect(http, url) as websocket:
        await websocket.send_str("1")
        assert await websocket.receive_str() == "1"
    await until(lambda: "end" in noted[0] and "close" in noted[0])
    assert noted[0] == ["1", "1", 1000, "end", "close"]
