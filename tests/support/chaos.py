"""A client and an upstream in the hands of a test, and the chaos proxy between them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

from aiohttp_rawws.testing import ChaosProxy, PeerEnded, Wire, chaos
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import Contexts
from tests.support.waiting import PATIENCE

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
HELLO = masked(0x81, b"hello")
TEXTS = [masked(0x81, b"%d" % number) for number in range(5)]


class Upstream:
    """A server whose connections a test takes in its own hands."""

    def __init__(self, tls: ssl.SSLContext | None, path: str = "") -> None:
        self._tls = tls
        self._path = path
        self._accepted: asyncio.Queue[Wire] = asyncio.Queue()
        self._wires: list[Wire] = []
        self.port = 0

    async def accept(self) -> Wire:
        return await asyncio.wait_for(self._accepted.get(), PATIENCE)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._wires.append(Wire(reader, writer, is_client=False, timeout=PATIENCE))
        self._accepted.put_nowait(self._wires[-1])

    async def __aenter__(self) -> "Upstream":
        if self._path:
            self._server = await asyncio.start_unix_server(self._connected, self._path)
        else:
            self._server = await asyncio.start_server(
                self._connected, "127.0.0.1", 0, ssl=self._tls
            )
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for wire in self._wires:
            await wire.close()


@contextlib.asynccontextmanager
async def toward_an_upstream(**options: Any) -> AsyncIterator[tuple[Upstream, ChaosProxy]]:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(None))
        url = f"ws://127.0.0.1:{upstream.port}/"
        yield upstream, await stack.enter_async_context(chaos(url, **options))


@contextlib.asynccontextmanager
async def between(
    tls: Contexts | None = None, **options: Any
) -> AsyncIterator[tuple[Wire, Wire, ChaosProxy]]:
    """Yield a client and an upstream behind their handshake, and the proxy between them."""
    server_tls, client_tls = tls or (None, None)
    async with Upstream(server_tls) as upstream:
        url = f"ws{'s' if tls else ''}://127.0.0.1:{upstream.port}/chat?x=%2F"
        options |= {"seed": 1, "server_ssl": server_tls, "ssl": client_tls or True}
        async with chaos(url, **options) as proxy:
            client = await reach(proxy, client_tls)
            await client.write(request("/chat?x=%2F"))
            server = await upstream.accept()
            assert (await server.read_head()).raw.startswith(b"GET /chat?x=%2F HTTP/1.1\r\n")
            await server.write(ANSWER)
            assert (await client.read_head()).raw == ANSWER
            try:
                yield client, server, proxy
            finally:
                await client.close()


async def reach(proxy: ChaosProxy, tls: ssl.SSLContext | None = None) -> Wire:
    port = int(proxy.url.split(":")[2].split("/")[0])
    name = "127.0.0.1" if tls else None
    return await Wire.connect(port=port, ssl=tls, server_hostname=name, timeout=PATIENCE)


async def octets(wire: Wire, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await wire.read_some()
    return data


async def all_octets(wire: Wire) -> tuple[bytes, bool]:
    """Return what comes up to the end, and whether that is a RST."""
    data = b""
    while True:
        try:
            data += await wire.read_some()
        except PeerEnded as end:
            return data, end.reset
