"""`proxy` between clients and servers of other libraries."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import picows
import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from aiohttp_rawws import Frame
from tests.support.clients import Aiohttp, Peer, Picows, Websockets
from tests.support.servers import Serve, running
from tests.support.waiting import patience
from tests.support.wire import Address


@contextlib.asynccontextmanager
async def websockets_server() -> AsyncIterator[Address]:
    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve_websockets(handler, "127.0.0.1", 0, max_size=None) as server:
        yield Address(*next(iter(server.sockets)).getsockname())


@contextlib.asynccontextmanager
async def aiohttp_server() -> AsyncIterator[Address]:
    async def handler(asked: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(max_msg_size=0)
        await response.prepare(asked)
        async for message in response:
            if message.type is aiohttp.WSMsgType.TEXT:
                await response.send_str(message.data)
            else:
                await response.send_bytes(message.data)
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with running(app) as (_, address):
        yield address


class Echo(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(payload)
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, payload, frame.fin)


@contextlib.asynccontextmanager
async def picows_server() -> AsyncIterator[Address]:
    server = await picows.ws_create_server(
        lambda asked: Echo(), "127.0.0.1", 0, max_frame_size=2**30
    )
    yield Address(*server.sockets[0].getsockname())
    server.close()


class Compressing(Aiohttp):
    """aiohttp's client, which has to be told."""

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, address: Address) -> AsyncIterator[Peer]:
        async with aiohttp.ClientSession() as session:
            connecting = session.ws_connect(
                address.url(), compress=15, autoping=False, max_msg_size=0, ssl=address.ssl or True
            )
            async with connecting as socket:
                assert socket.compress
                yield cls(socket)


SERVERS: list[Callable[[], Any]] = [websockets_server, aiohttp_server, picows_server]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("peer", [Websockets, Aiohttp, Compressing, Picows])
@pytest.mark.parametrize("kind", ["plain", "tls", "tapped"])
async def test_peers(through: Serve, server: Any, peer: Any, kind: str) -> None:
    """Messages of all sizes, fragments, a Ping and the closing handshake."""
    if (peer, server) == (Compressing, picows_server):
        pytest.skip("this server does not compress")
    seen: list[Frame] = []
    tap = {"tap": lambda direction, frame: seen.append(frame)} if kind == "tapped" else {}
    async with patience(), server() as address:
        ours = await through(address, tls=kind == "tls", **tap)
        async with peer.connect(ours) as visitor:
            for size in (0, 1, 125, 126, 65_535, 65_536, 2**20):
                await visitor.send("x" * size)
                assert await visitor.receive() == "x" * size
                await visitor.send(bytes(size))
                assert await visitor.receive() == bytes(size)
            await visitor.ping(b"are you there?")
            await visitor.close(1000, "bye")
    compressed = peer in (Websockets, Compressing) and server is not picows_server
    assert any(frame.rsv1 for frame in seen) == (compressed and kind == "tapped")


async def test_an_offer_that_is_kept_back_keeps_frames_readable(through: Serve) -> None:
    """Both peers would have compressed."""
    seen: list[Frame] = []
    async with patience(), websockets_server() as address:
        ours = await through(
            address, extensions=lambda offer: None, tap=lambda direction, frame: seen.append(frame)
        )
        async with Websockets.connect(ours) as visitor:
            await visitor.send("Hello" * 100)
            assert await visitor.receive() == "Hello" * 100
    assert seen[:2] == [Frame.text("Hello" * 100)] * 2
