"""Both ends of one connection in the hands of a test, and what its sockets tell."""

import asyncio
import contextlib
import fcntl
import gc
import re
import socket
import ssl
import struct
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from aiohttp_rawws import RawWebSocketSession, add_raw_websocket, setup
from aiohttp_rawws.proxy.websocket import proxy

from .wire import MASK, PATIENCE, Address, Opening, Wire, read_opening

if TYPE_CHECKING:
    from .conftest import Serve

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
#: aiohttp's option, which must make no difference.
CANCELLATION = pytest.mark.parametrize("handler_cancellation", [False, True])

Result = TypeVar("Result")
Handler: TypeAlias = Callable[[RawWebSocketSession], Awaitable[None]]
#: The server's and the client's.
Contexts: TypeAlias = tuple[ssl.SSLContext, ssl.SSLContext]
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def application(handler: Handler, protocol: "str | None" = None, **options: Any) -> web.Application:
    """An application with one raw route, at "/"."""
    app = web.Application()
    setup(app, **options)
    add_raw_websocket(app.router, "/", handler, protocol)
    return app


async def soon(awaitable: Awaitable[Result]) -> Result:
    """Its result, which no test should wait for any longer than this."""
    return await asyncio.wait_for(awaitable, PATIENCE)


def run(
    new_loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, Result]
) -> Result:
    """Run a program as `asyncio.run` does, on a loop of that kind, and leave nothing behind.

    What ends the program may be raised again by each task that waits for one that raised it.
    """
    loop = new_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(asyncio.wait(left, timeout=PATIENCE))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        # What is told of a task at its end is told here, not in the middle of another test.
        gc.collect()


@contextlib.asynccontextmanager
async def patience() -> AsyncIterator[None]:
    """A bound for everything that is awaited inside, without a task of its own."""
    task = asyncio.current_task()
    assert task is not None
    expired = asyncio.Event()

    def expire() -> None:
        expired.set()
        task.cancel()

    alarm = asyncio.get_running_loop().call_later(PATIENCE, expire)
    try:
        yield
    except asyncio.CancelledError:
        if not expired.is_set():
            raise
        raise TimeoutError(f"still waiting after {PATIENCE} s") from None
    finally:
        alarm.cancel()


@contextlib.asynccontextmanager
async def both_ends(
    serve: "Serve",
    *,
    behind: bytes = b"",
    tls: bool = False,
    handler_cancellation: bool = False,
    **options: Any,
) -> AsyncIterator[tuple[RawWebSocketSession, Wire]]:
    """A session that the test plays with itself, and its peer.

    The session's handler returns at the end of the block. `behind` are bytes in the segment of
    the request.
    """
    given: asyncio.Future[RawWebSocketSession] = asyncio.get_running_loop().create_future()
    released = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        given.set_result(session)
        await released.wait()

    address: Address = await serve(
        application(handler, **options), tls=tls, handler_cancellation=handler_cancellation
    )
    wire = await Wire.upgrade(address, behind=behind)
    try:
        async with patience():
            yield await given, wire
    finally:
        released.set()
        await soon(wire.close())


@contextlib.asynccontextmanager
async def running(
    app: web.Application,
    tls: "Contexts | None" = None,
    **options: Any,
) -> AsyncIterator[tuple[web.AppRunner, Address]]:
    """A server that the test may look into, and stop when it likes; `path` is a Unix socket's."""
    path = options.pop("path", "")
    runner = web.AppRunner(app, **{"access_log": None, "shutdown_timeout": PATIENCE} | options)
    await runner.setup()
    server_tls, client_tls = tls or (None, None)
    site: web.BaseSite
    if path:
        site = web.UnixSite(runner, path, ssl_context=server_tls)
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    try:
        host, port = ("127.0.0.1", 80) if path else runner.addresses[0][:2]
        yield runner, Address(host, port, client_tls, path)
    finally:
        await soon(runner.cleanup())


def connector_to(address: Address) -> aiohttp.BaseConnector:
    """A connector of a client session for that server."""
    if address.path:
        return aiohttp.UnixConnector(address.path)
    return aiohttp.TCPConnector(ssl=address.ssl or True)


async def forgotten(runner: web.AppRunner) -> None:
    """Wait until a server has no connection left."""
    assert runner.server is not None
    async with patience():
        while runner.server.connections:
            await asyncio.sleep(0.001)


async def echo(session: RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


async def receive_on(session: RawWebSocketSession) -> None:
    """Receive until that raises."""
    while True:
        await session.receive()


async def raw_bytes(address: Address, data: bytes) -> bytes:
    """All that a server answers to `data` until it ends the connection."""
    wire = await Wire.open(address)
    wire.send(data)
    answer = await wire.read_to_end()
    await wire.close()
    return answer


def only_response(data: bytes) -> tuple[int, bytes]:
    """The status and the body of the one HTTP response that `data` is."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    assert length is not None
    assert len(body) == int(length[1])
    assert len(re.findall(rb"HTTP/1\.\d \d\d\d ", data)) == 1
    return int(head.split(b" ")[1]), body


def handler_tasks() -> list[str]:
    """The tasks of aiohttp's server that still run a handler."""
    return [repr(task) for task in asyncio.all_tasks() if "_handle_request" in repr(task)]


def long_frame(head: int, payload: bytes) -> bytes:
    """A client's frame of any size: first octet `head`, a 64-bit length, masked with MASK."""
    size = len(payload)
    key = (MASK * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return bytes([head, 0xFF]) + size.to_bytes(8, "big") + MASK + mixed.to_bytes(size, "big")


def unread(session: RawWebSocketSession) -> int:
    """How many bytes wait in the kernel for the session to read."""
    answer = fcntl.ioctl(session.get_extra_info("socket").fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


async def turns(number: int = 20) -> None:
    """Let the loop run; enough for whatever is ready, and for what that makes ready."""
    for _ in range(number):
        await asyncio.sleep(0)


async def taken(session: RawWebSocketSession, wire: Wire) -> None:
    """Wait until the session has read all that the wire sent."""
    await turns(3)
    while wire.writer.transport.get_write_buffer_size() or unread(session):
        await asyncio.sleep(0)
    await turns(3)


def segments(wire: Wire) -> int:
    """How many segments with data have come to the wire (Linux: tcpi_data_segs_in)."""
    sock = wire.writer.get_extra_info("socket")
    number: int = struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, 11, 256), 152)[0]
    return number


def reset(wire: Wire) -> None:
    """End the connection of the wire with a RST."""
    sock = wire.writer.get_extra_info("socket")
    if sock is not None and not wire.writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        wire.writer.transport.abort()


def narrow(
    *ends: RawWebSocketSession | asyncio.StreamWriter | asyncio.BaseTransport,
    size: int = 64 * 1024,
) -> None:
    """Have the system hold little for the ends of a connection: at least what it must."""
    for end in ends:
        sock = end.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


def refuse_to_read(session: RawWebSocketSession, wire: Wire) -> None:
    """Have the peer read nothing, so that little fits the connection to it."""
    narrow(session, wire.writer)
    wire.transport.pause_reading()


def read_again(wire: Wire) -> None:
    wire.transport.resume_reading()


async def send_until_full(wire: Wire, chunk: bytes, limit: int) -> int:
    """Send until nothing moves any more, or `limit` is passed; how many bytes went through.

    A whole number of `chunk`s is sent; what does not go through waits in the wire.
    """
    transport = wire.writer.transport
    written, quiet, before = 0, 0, -1
    while written < limit and quiet < 50:
        if transport.get_write_buffer_size() == 0:
            wire.send(chunk)
            written += len(chunk)
        await asyncio.sleep(0)
        through = written - transport.get_write_buffer_size()
        quiet = quiet + 1 if through == before else 0
        before = through
    return before


def left(session: aiohttp.ClientSession) -> int:
    """How many connections of a client session are in use."""
    connector: Any = session.connector
    return len(connector._acquired) if connector is not None else 0


async def until(condition: Callable[[], bool]) -> None:
    """For what no event tells."""
    async with patience():
        while not condition():
            await asyncio.sleep(0)


class Proxy:
    """A small HTTP proxy, for CONNECT and for plain requests; `heard` are the requests to it."""

    def __init__(self) -> None:
        self.heard: list[Opening] = []
        self.url = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = await read_opening(Wire(reader, writer))
        self.heard.append(opening)
        method, target, version = opening.line.split(" ")
        url = URL(f"//{target}" if method == "CONNECT" else target)
        server_reader, server_writer = await asyncio.open_connection(url.host, url.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            lines = [f"{name}: {value}" for name, value in opening.headers.items()]
            head = "\r\n".join([f"{method} {url.path_qs} {version}", *lines, "", ""])
            server_writer.write(head.encode())
        await asyncio.gather(self.pump(reader, server_writer), self.pump(server_reader, writer))
        server_writer.close()
        writer.close()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.create_task(self.run(reader, writer)))

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, tls: "ssl.SSLContext | None" = None) -> "AsyncIterator[Proxy]":
        proxy = cls()
        server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0, ssl=tls)
        host, port = server.sockets[0].getsockname()
        proxy.url = f"http{'s' if tls else ''}://{host}:{port}"
        yield proxy
        server.close()
        await soon(asyncio.gather(*proxy._tasks))


def ingress(http: aiohttp.ClientSession, upstream: Address, **options: Any) -> web.Application:
    """An application that is nothing but a proxy to `upstream`."""

    async def handler(request: web.Request) -> web.StreamResponse:
        url = URL(upstream.url(request.rel_url.raw_path_qs), encoded=True)
        return await proxy(request, http, url, **options)

    app = web.Application()
    setup(app)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app
