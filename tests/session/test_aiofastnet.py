"""Servers and clients on the transports of the package aiofastnet (see `--aiofastnet`, too)."""

import asyncio
import contextlib
import socket

import aiohttp
import pytest
import pytest_asyncio

from aiohttp_rawws import EndOfStream, Frame, RawWebSocketSession, connect
from aiohttp_rawws.session.session import connection_of
from aiohttp_rawws.session.transports import plain_descriptor
from tests.support import handshakes
from tests.support.loops import patched
from tests.support.octets import long_frame, masked
from tests.support.servers import BOTH, Serve, application, echo, receive_on
from tests.support.sockets import RESET_ON_CLOSE
from tests.support.waiting import patience, soon, turns
from tests.support.wire import Wire

#: Small, then too big to be copied behind a header, then too big for the kernel's buffers.
PAYLOADS = (b"", b"small", b"m" * 20_000, b"l" * 2**20)


@pytest_asyncio.fixture(autouse=True)
async def on_aiofastnet() -> None:
    patched(asyncio.get_running_loop())


@BOTH
async def test_both_roles(serve: Serve, http: aiohttp.ClientSession, tls: bool) -> None:
    address = await serve(application(echo), tls=tls)
    async with patience(), connect(http, address.url()) as session:
        transport = connection_of(session).link.transport
        assert type(transport).__module__.startswith("aiofastnet.")
        # Plain TCP is written past it, as past the loops' own.
        sock = session.get_extra_info("socket")
        assert sock is not None
        assert plain_descriptor(transport) == (-1 if tls else sock.fileno())
        for payload in PAYLOADS:
            frame = Frame.binary(payload)
            await session.send(frame)
            assert await session.receive() == frame


@BOTH
async def test_through_a_proxy(
    serve: Serve, through: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    address = await through(await serve(application(echo), tls=tls), tls=tls)
    frames = [Frame.binary(payload) for payload in PAYLOADS] * 3
    async with patience(), connect(http, address.url()) as session:
        sending = asyncio.gather(*(session.send(frame) for frame in frames))
        assert [await session.receive() for _ in frames] == frames
        await sending
        await session.send(Frame.close(1000))
        assert await session.receive() == Frame.close(1000)


@BOTH
async def test_all_of_it_comes_though_reading_pauses(serve: Serve, tls: bool) -> None:
    """Also what the transport has read, but not decrypted, when the peer ends."""
    got: list[int] = []

    async def slow(session: RawWebSocketSession) -> None:
        async for frame in session:
            got.append(len(frame.payload))
            await asyncio.sleep(0.001)

    address = await serve(application(slow, receive_limit=8 * 1024), tls=tls)
    wire = await Wire.upgrade(address)
    for _ in range(30):
        wire.send(long_frame(0x82, bytes(70_000)))
        wire.send(masked(0x82, bytes(100)) * 20)
    await soon(wire.close())
    async with patience():
        while len(got) < 21 * 30:
            await asyncio.sleep(0.01)
    assert got == [70_000, *[100] * 20] * 30


@BOTH
async def test_what_was_sent_arrives_behind_the_handler(serve: Serve, tls: bool) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        for _ in range(200):
            session.send_nowait(Frame.binary(bytes(10_000)))

    wire = await Wire.upgrade(await serve(application(handler, linger=5.0), tls=tls))
    # Input that nobody reads must not cost the output.
    wire.send(masked(0x82, bytes(1000)))
    assert await wire.read_to_end() == Frame.binary(bytes(10_000)).encode() * 200
    await wire.close()


async def test_abort_resets(serve: Serve) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        session.abort()

    wire = await Wire.upgrade(await serve(application(handler)))
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()


async def test_a_reset_behind_data_is_told(serve: Serve, request: pytest.FixtureRequest) -> None:
    if "uvloop" in request.node.name:
        mark = pytest.mark.xfail(strict=True, reason="uvloop does not tell aiofastnet of it")
        request.applymarker(mark)
    ended = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        with contextlib.suppress(EndOfStream):
            await receive_on(session)
        ended.set()

    address = await serve(application(handler))
    loop = asyncio.get_running_loop()
    with socket.create_connection((address.host, address.port)) as peer:
        peer.setblocking(False)
        await loop.sock_sendall(peer, handshakes.request())
        await soon(loop.sock_recv(peer, 2**16))
        await turns()
        # Both before the loop looks again.
        peer.send(masked(0x81, b"last words"))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    await asyncio.wait_for(ended.wait(), 1)
