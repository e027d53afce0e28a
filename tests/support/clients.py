"""Three WebSocket clients of other libraries, behind one interface."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import picows
import pytest
import websockets.asyncio.client

from tests.support.wire import Address


class Peer:
    """The interface of the clients."""

    async def send(self, data: "str | bytes") -> None:
        """Send a message."""
        raise NotImplementedError

    async def send_parts(self, *parts: str) -> None:
        """Send a Text message in fragments, if the client can."""
        pytest.skip("this client sends no fragments")

    async def receive(self) -> "str | bytes":
        """Return the next message."""
        raise NotImplementedError

    async def ping(self, payload: bytes) -> None:
        """Send a Ping and wait for its Pong."""
        raise NotImplementedError

    async def close(self, code: int, reason: str) -> None:
        """Start the closing handshake and wait for its end."""
        raise NotImplementedError

    async def closed(self) -> "tuple[int | None, str]":
        """Wait for the peer's Close; return its code and reason."""
        raise NotImplementedError


class Websockets(Peer):
    def __init__(self, connection: websockets.asyncio.client.ClientConnection) -> None:
        self.connection = connection

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, address: Address) -> AsyncIterator[Peer]:
        connecting = websockets.asyncio.client.connect(
            address.url(), ssl=address.ssl, max_size=None, close_timeout=1
        )
        async with connecting as connection:
            yield cls(connection)
        # Python 3.10 complains about a TLS transport that was lost and not closed.
        connection.transport.close()

    async def send(self, data: "str | bytes") -> None:
        await self.connection.send(data)

    async def send_parts(self, *parts: str) -> None:
        await self.connection.send(parts)

    async def receive(self) -> "str | bytes":
        return await self.connection.recv()

    async def ping(self, payload: bytes) -> None:
        await (await self.connection.ping(payload))

    async def close(self, code: int, reason: str) -> None:
        await self.connection.close(code, reason)
        assert self.connection.close_code == code

    async def closed(self) -> "tuple[int | None, str]":
        await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason or ""


class Aiohttp(Peer):
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, address: Address) -> AsyncIterator[Peer]:
        options: dict[str, Any] = {"ssl": address.ssl} if address.ssl else {}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address.url(), autoping=False, max_msg_size=0, **options) as socket,
        ):
            yield cls(socket)

    async def send(self, data: "str | bytes") -> None:
        if isinstance(data, str):
            await self.socket.send_str(data)
        else:
            await self.socket.send_bytes(data)

    async def receive(self) -> "str | bytes":
        message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.PING:
            await self.socket.pong(message.data)
            return await self.receive()
        data: str | bytes = message.data
        return data

    async def ping(self, payload: bytes) -> None:
        await self.socket.ping(payload)
        message = await self.socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, payload)

    async def close(self, code: int, reason: str) -> None:
        await self.socket.close(code=code, message=reason.encode())
        assert self.socket.close_code == code

    async def closed(self) -> "tuple[int | None, str]":
        message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        return message.data, message.extra or ""


class Picows(Peer, picows.WSListener):
    transport: picows.WSTransport

    def __init__(self) -> None:
        self.messages: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.pongs: asyncio.Queue[bytes] = asyncio.Queue()
        self.end: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.parts = b""
        self.is_text = False

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, address: Address) -> AsyncIterator[Peer]:
        self = cls()
        options: dict[str, Any] = {"ssl_context": address.ssl} if address.ssl else {}
        self.transport, _ = await picows.ws_connect(
            lambda: self, address.url(), max_frame_size=2**30, **options
        )
        try:
            yield self
        finally:
            self.transport.disconnect()
            await self.transport.wait_disconnected()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type == picows.WSMsgType.PONG:
            self.pongs.put_nowait(payload)
        elif frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(payload)
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            reason = payload[2:].decode()
            self.end.set_result((int.from_bytes(payload[:2], "big"), reason))
            transport.send_close(frame.get_close_code())
        else:
            if frame.msg_type != picows.WSMsgType.CONTINUATION:
                self.is_text = frame.msg_type == picows.WSMsgType.TEXT
            self.parts += payload
            if frame.fin:
                message, self.parts = self.parts, b""
                self.messages.put_nowait(message.decode() if self.is_text else message)

    async def send(self, data: "str | bytes") -> None:
        text = isinstance(data, str)
        kind = picows.WSMsgType.TEXT if text else picows.WSMsgType.BINARY
        self.transport.send(kind, data.encode() if isinstance(data, str) else data)

    async def send_parts(self, *parts: str) -> None:
        for number, part in enumerate(parts):
            kind = picows.WSMsgType.CONTINUATION if number else picows.WSMsgType.TEXT
            self.transport.send(kind, part.encode(), number == len(parts) - 1)

    async def receive(self) -> "str | bytes":
        return await self.messages.get()

    async def ping(self, payload: bytes) -> None:
        self.transport.send_ping(payload)
        assert await self.pongs.get() == payload

    async def close(self, code: int, reason: str) -> None:
        self.transport.send_close(picows.WSCloseCode(code), reason.encode())
        assert (await self.end)[0] == code

    async def closed(self) -> "tuple[int | None, str]":
        return await self.end
