"""Only known plain transports are bypassed; all others get the bytes through `write`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from aiohttp_rawws import Frame, Opcode, RawWebSocketSession
from aiohttp_rawws.session.transports import plain_descriptor
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application, echo
from tests.support.waiting import PATIENCE, patience, soon
from tests.support.wire import Address, Wire

#: Small, then too big to be copied behind a header, then too big for the kernel's buffers.
PAYLOADS = (b"", b"small", b"m" * 20_000, b"l" * 2**20)

Listen = Callable[[asyncio.AbstractEventLoop, Any], Awaitable[asyncio.AbstractServer]]


@contextlib.asynccontextmanager
async def serving(app: web.Application, listen: Listen) -> AsyncIterator[tuple[str, int]]:
    """aiohttp's server on connections of another making: `listen(loop, protocol_factory)`."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=PATIENCE)
    await runner.setup()
    server: Any = await listen(asyncio.get_running_loop(), runner.server)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        await soon(runner.cleanup())


# -- what is known ---------------------------------------------------------------------------


@BOTH
async def test_only_plain_transports_are_written_past(serve: Serve, tls: bool) -> None:
    kinds = []

    async def handler(session: RawWebSocketSession) -> None:
        assert session.request is not None
        transport = session.request.transport
        assert transport is not None
        sock = session.get_extra_info("socket")
        assert sock is not None
        kinds.append((plain_descriptor(transport), sock.fileno()))

    wire = await Wire.upgrade(await serve(application(handler), tls=tls))
    await wire.read_to_end()
    await wire.close()
    ((found, fileno),) = kinds
    assert found == (-1 if tls else fileno)


async def test_a_unix_socket_is_plain(tmp_path: Any) -> None:
    kinds = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kinds.append((plain_descriptor(writer.transport), writer.get_extra_info("socket").fileno()))
        writer.close()

    server = await asyncio.start_unix_server(connected, tmp_path / "socket")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
    await soon(reader.read())
    writer.close()
    await soon(writer.wait_closed())
    server.close()
    ((found, fileno),) = kinds
    assert found == fileno


def test_a_transport_without_a_socket_is_not_written_past() -> None:
    assert plain_descriptor(asyncio.Transport()) == -1


# -- a transport that changes what it is given, with no TLS to be seen -----------------------

SCRAMBLED = bytes(octet ^ 0x5A for octet in range(256))


def scramble(data: Any) -> bytes:
    return bytes(data).translate(SCRAMBLED)


class Scrambling:
    """The transport, and the protocol of the one that it wraps."""

    wrapped: Any = None

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.wrapped.write(scramble(data))

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def connection_made(self, transport: Any) -> None:
        self.wrapped = transport
        self.protocol.connection_made(self)

    def data_received(self, data: bytes) -> None:
        data = scramble(data)
        if not hasattr(self.protocol, "get_buffer"):
            self.protocol.data_received(data)
            return
        while data:
            buffer = self.protocol.get_buffer(len(data))
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    def eof_received(self) -> Any:
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()

    def connection_lost(self, error: "Exception | None") -> None:
        self.protocol.connection_lost(error)


async def listen_scrambling(loop: asyncio.AbstractEventLoop, factory: Any) -> asyncio.Server:
    def wrapping() -> Any:
        return Scrambling(factory())

    return await loop.create_server(wrapping, "127.0.0.1", 0)


async def test_nothing_is_written_past_a_transport_that_wraps() -> None:
    async with patience(), serving(application(echo), listen_scrambling) as (host, port):
        wire = await Wire.open(Address(host, port))
        wire.send(scramble(request()))
        await wire.reader.readuntil(scramble(b"\r\n\r\n"))
        for payload in PAYLOADS:
            wire.send(scramble(Frame(Opcode.BINARY, payload, mask=b"mask").encode()))
            echoed = Frame.binary(payload).encode()
            assert scramble(await wire.read(len(echoed))) == echoed
        wire.send(scramble(masked(0x88)))
        assert scramble(await wire.read_to_end()) == b"\x88\x00"
        await wire.close()
