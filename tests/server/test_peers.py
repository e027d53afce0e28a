"""WebSocket clients of other libraries on raw routes.

The handlers do by hand what a well-behaved endpoint does.
"""

import asyncio
from typing import Any

import aiohttp
import pytest
import websockets.asyncio.client

from aiohttp_rawws import Frame, Opcode, RawWebSocketSession
from tests.support.clients import Aiohttp, Picows, Websockets
from tests.support.servers import BOTH, Serve, application
from tests.support.waiting import patience, soon

EVERY_PEER = pytest.mark.parametrize("peer", [Websockets, Aiohttp, Picows])


async def attend(session: RawWebSocketSession) -> None:
    """Echo messages, answer Pings and the Close."""
    async for frame in session:
        if frame.opcode == Opcode.PING:
            await session.send(Frame.pong(frame.payload))
        elif frame.opcode == Opcode.CLOSE:
            await session.close(frame.close_code, frame.close_reason)
        elif frame.opcode != Opcode.PONG:
            await session.send(frame)


@BOTH
@EVERY_PEER
async def test_echo(serve: Serve, peer: Any, tls: bool) -> None:
    address = await serve(application(attend), tls=tls)
    async with patience(), peer.connect(address) as client:
        for message in ("", "Hello", "Grüße", b"", b"\x00\xff", "long " * 50_000, bytes(2**20)):
            await client.send(message)
            assert await client.receive() == message
        await client.close(1000, "bye")


@BOTH
@EVERY_PEER
async def test_messages_in_flight(serve: Serve, peer: Any, tls: bool) -> None:
    address = await serve(application(attend), tls=tls)
    async with patience(), peer.connect(address) as client:
        for number in range(1000):
            await client.send(str(number))
        assert [await client.receive() for _ in range(1000)] == [str(n) for n in range(1000)]


@BOTH
@EVERY_PEER
async def test_fragments_come_back_as_fragments(serve: Serve, peer: Any, tls: bool) -> None:
    address = await serve(application(attend), tls=tls)
    async with patience(), peer.connect(address) as client:
        await client.send_parts("Hel", "", "lo, ", "wor" * 30_000, "ld")
        assert await client.receive() == "Hello, " + "wor" * 30_000 + "ld"


@EVERY_PEER
async def test_fragments_from_the_server_with_a_ping_between(serve: Serve, peer: Any) -> None:
    frames: list[Frame] = []

    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("Hel", fin=False))
        await session.send(Frame.ping(b"between"))
        await session.send(Frame.continuation(b"lo"))
        async for frame in session:
            frames.append(frame)
            if frame.opcode == Opcode.CLOSE:
                await session.send(frame)

    async with patience(), peer.connect(await serve(application(handler))) as client:
        assert await client.receive() == "Hello"
        await client.close(1000, "")
    assert frames == [Frame.pong(b"between"), Frame.close(1000)]


@BOTH
@EVERY_PEER
async def test_pings_are_answered_by_hand(serve: Serve, peer: Any, tls: bool) -> None:
    address = await serve(application(attend), tls=tls)
    async with patience(), peer.connect(address) as client:
        for payload in (b"1", b"two", b"x" * 125):
            await client.ping(payload)


@BOTH
@EVERY_PEER
@pytest.mark.parametrize("data", [[], ["one", b"two"]], ids=["at once", "after data"])
async def test_the_client_closes(
    serve: Serve, peer: Any, data: "list[str | bytes]", tls: bool
) -> None:
    done: asyncio.Future[RawWebSocketSession] = asyncio.get_running_loop().create_future()

    async def handler(session: RawWebSocketSession) -> None:
        await attend(session)
        done.set_result(session)

    address = await serve(application(handler), tls=tls)
    async with patience(), peer.connect(address) as client:
        for message in data:
            await client.send(message)
        for message in data:
            assert await client.receive() == message
        await client.close(3000, "enough")
        session = await done
    assert session.close_received == Frame.close(3000, "enough")
    assert session.close_sent == Frame.close(3000, "enough")


@BOTH
@EVERY_PEER
@pytest.mark.parametrize("data", [[], ["one", "two"]], ids=["at once", "after data"])
async def test_the_server_closes(serve: Serve, peer: Any, data: list[str], tls: bool) -> None:
    done: asyncio.Future[list[Frame]] = asyncio.get_running_loop().create_future()

    async def handler(session: RawWebSocketSession) -> None:
        for text in data:
            await session.send(Frame.text(text))
        await session.close(4000, "enough")
        done.set_result([frame async for frame in session])

    address = await serve(application(handler), tls=tls)
    async with patience(), peer.connect(address) as client:
        for text in data:
            assert await client.receive() == text
        assert await client.closed() == (4000, "enough")
        [answer] = await done
    assert answer.opcode == Opcode.CLOSE  # aiohttp answers with 1000, whatever it got


@EVERY_PEER
async def test_a_handler_that_returns_sends_no_close(serve: Serve, peer: Any) -> None:
    """As its client tells it: 1006, or no code at all."""

    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text("bye"))

    async with patience(), peer.connect(await serve(application(handler))) as client:
        assert await client.receive() == "bye"
        if isinstance(client, Picows):
            await soon(client.transport.wait_disconnected())
            assert not client.end.done()
        elif isinstance(client, Aiohttp):
            assert (await client.socket.receive()).type is aiohttp.WSMsgType.CLOSED
            assert client.socket.close_code == 1006
        else:
            assert (await client.closed())[0] == 1006


@EVERY_PEER
async def test_a_subprotocol(serve: Serve, peer: Any) -> None:
    if peer is Picows:
        pytest.skip("it takes headers, not subprotocols")

    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text(str(session.protocol)))
        await attend(session)

    address = await serve(application(handler, "chat"))
    if peer is Websockets:
        async with websockets.asyncio.client.connect(
            address.url(), subprotocols=[websockets.Subprotocol("chat")]
        ) as connection:
            assert connection.subprotocol == "chat"
            assert await soon(connection.recv()) == "chat"
    else:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address.url(), protocols=["chat"]) as socket,
        ):
            assert socket.protocol == "chat"
            assert await soon(socket.receive_str()) == "chat"
