"""The tunnel of demo/websockify.py, between a WebSocket and a TCP server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from aiohttp_rawws import Frame, RawWebSocketSession, connect
from aiohttp_rawws.layers import read_stream, write_stream
from demo import websockify
from tests.support.servers import Serve
from tests.support.waiting import patience, soon

Target = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def tunnelled(
    serve: Serve, http: aiohttp.ClientSession, target: Target, *protocols: str
) -> AsyncIterator[RawWebSocketSession]:
    """Yield a client's session of a tunnel to a TCP server."""
    server = await asyncio.start_server(target, "127.0.0.1", 0)
    address = await serve(websockify.make_app(*server.sockets[0].getsockname()[:2]))
    try:
        async with patience(), connect(http, address.url(), protocols=protocols) as session:
            yield session
    finally:
        server.close()


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data.upper())
    writer.close()


@pytest.mark.parametrize("protocols", [(), ("binary",)])
async def test_bytes_pass_both_ways(
    serve: Serve, http: aiohttp.ClientSession, protocols: tuple[str, ...]
) -> None:
    async with tunnelled(serve, http, shout, *protocols) as session:
        assert session.protocol == (protocols[0] if protocols else None)
        reader, writer = read_stream(session), write_stream(session)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        writer.write_eof()
        assert await reader.read() == b""


async def test_the_end_of_the_target_is_a_close(serve: Serve, http: aiohttp.ClientSession) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with tunnelled(serve, http, greet) as session:
        assert await read_stream(session).read() == b"hello"
        assert session.close_received == Frame.close(1000)


async def test_a_loss_is_a_loss_on_the_other_side(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        try:
            await reader.read()
        except ConnectionError as error:
            lost.set_result(error)
        writer.close()

    async with tunnelled(serve, http, listen) as session:
        assert await read_stream(session).readexactly(5) == b"hello"
        session.abort()
        assert isinstance(await soon(lost), ConnectionResetError)

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        websockify.reset(writer)

    async with tunnelled(serve, http, reset) as session:
        write_stream(session).write(b"hello")
        with pytest.raises(ConnectionError):
            await read_stream(session).read(1)
        assert isinstance(session.exception, ConnectionResetError)


async def test_a_target_that_is_not_there(serve: Serve, http: aiohttp.ClientSession) -> None:
    address = await serve(websockify.make_app("127.0.0.1", 1))
    async with connect(http, address.url()) as session:
        assert await soon(session.receive()) == Frame.close(1014, "no connection to 127.0.0.1:1")
