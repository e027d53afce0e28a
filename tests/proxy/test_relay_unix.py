"""Relays with Unix sockets, of which the kernel tells less than of TCP."""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest

from aiohttp_rawws import RawWebSocketSession, connect, relay
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.handshakes import request
from tests.support.octets import CLOSE, masked
from tests.support.relays import between, listening
from tests.support.servers import Contexts, application, connector_to, running
from tests.support.sockets import narrow, reset
from tests.support.waiting import PATIENCE, soon
from tests.support.wire import Address, Wire

#: Much more than the buffers between two ends hold.
BULK = (b"\x82\x7e\xea\x60" + bytes(60_000)) * 5
MASKED_BULK = masked(0x82, bytes(60_000)) * 5

#: Of a slow reader, in bytes a second, so that it takes much longer than `linger`.
SPEED = 300_000
LINGER = 0.2

#: Of the two legs: whether it is a Unix socket, and whether it speaks TLS. aiohttp's client
#: speaks no TLS over a Unix socket.
LEGS = {
    "both unix": ("unix", "unix"),
    "unix, tls": ("unix", "tls"),
    "unix, plain": ("unix", "plain"),
    "unix tls, unix": ("unix tls", "unix"),
    "unix tls, tls": ("unix tls", "tls"),
    "tls, unix": ("tls", "unix"),
    "plain, unix": ("plain", "unix"),
}


def legs(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("visitor", "upstream"), [LEGS[name] for name in names], ids=names
    )


EVERY_LEG = legs(*LEGS)


@pytest.fixture
def paths() -> Iterator[dict[str, str]]:
    # Not `tmp_path`: the path of a Unix socket is short.
    with TemporaryDirectory() as directory:
        yield {leg: str(Path(directory) / leg) for leg in ("visitor", "upstream")}


def tls_of(contexts: Contexts, leg: str) -> "Contexts | None":
    return contexts if "tls" in leg else None


def path_of(paths: dict[str, str], side: str, leg: str) -> str:
    return paths[side] if "unix" in leg else ""


@EVERY_LEG
async def test_frames_and_the_end_pass(
    contexts: Contexts, paths: dict[str, str], visitor: str, upstream: str
) -> None:
    async with between(
        tls_of(contexts, visitor),
        tls_of(contexts, upstream),
        paths=(path_of(paths, "visitor", visitor), path_of(paths, "upstream", upstream)),
    ) as it:
        it.visitor.send(masked(0x81, b"there"))
        assert await it.upstream.read(11) == masked(0x81, b"there")
        it.upstream.send(b"\x81\x04back" + CLOSE)
        assert await it.visitor.read(10) == b"\x81\x04back" + CLOSE
        it.visitor.send(masked(0x88, b"\x03\xe8"))
        assert await it.upstream.read(8) == masked(0x88, b"\x03\xe8")
        it.upstream.writer.close()
        assert await it.visitor.read_to_end() == b""
        it.visitor.writer.close()
        stats = await it.stats()
        assert (stats.ended_first, stats.reason) == ("b", "close")


@EVERY_LEG
@pytest.mark.parametrize("side", ["visitor", "upstream"])
async def test_a_side_that_is_lost(
    contexts: Contexts, paths: dict[str, str], visitor: str, upstream: str, side: str
) -> None:
    """A Unix socket knows no reset: it ends, and so does the other side."""
    async with between(
        tls_of(contexts, visitor),
        tls_of(contexts, upstream),
        paths=(path_of(paths, "visitor", visitor), path_of(paths, "upstream", upstream)),
        options={"linger": 0.2},
    ) as it:
        lost, other = it.visitor, it.upstream
        if side == "upstream":
            lost, other = other, lost
        lost.transport.abort()
        with_reset = None
        try:
            assert await other.read_to_end() == b""
        except ConnectionResetError as error:
            with_reset = error
        other.writer.close()
        stats = await it.stats()
        assert stats.ended_first == ("a" if side == "visitor" else "b")
        assert with_reset is None or stats.reason == "lost"


def read_slowly(peer: socket.socket) -> bytes:
    received = b""
    while data := peer.recv(40_000):
        received += data
        time.sleep(len(data) / SPEED)
    return received


def visit(address: Address) -> bytes:
    """All that a slow visitor gets behind the 101, in a thread: no event loop helps it."""
    if address.path:
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(address.path)
    else:
        peer = socket.create_connection((address.host, address.port))
    with peer:
        peer.settimeout(PATIENCE)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        context = address.ssl
        speaking = context.wrap_socket(peer, server_hostname=address.host) if context else peer
        with speaking:
            speaking.sendall(request())
            return read_slowly(speaking).partition(b"\r\n\r\n")[2]


def be_visited(listener: socket.socket, context: "ssl.SSLContext | None") -> bytes:
    """All that a slow server gets behind its 101."""
    listener.settimeout(PATIENCE)
    peer = listener.accept()[0]
    with peer:
        peer.settimeout(PATIENCE)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        speaking = context.wrap_socket(peer, server_side=True) if context else peer
        with speaking:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += speaking.recv(1)
            found = re.search(rb"(?i)Sec-WebSocket-Key: (.+)\r\n", head)
            assert found is not None
            speaking.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept_key(found[1].decode()).encode()
            )
            return read_slowly(speaking)


@legs("both unix", "unix, tls", "unix tls, unix", "unix tls, tls")
async def test_a_slow_visitor_gets_the_tail_and_the_close(
    contexts: Contexts, paths: dict[str, str], visitor: str, upstream: str
) -> None:
    """However much longer than `linger` it takes."""
    here = path_of(paths, "upstream", upstream)
    async with listening(tls_of(contexts, upstream), path=here) as (address, wires):

        async def handler(session: RawWebSocketSession) -> None:
            narrow(session)
            async with (
                aiohttp.ClientSession(connector=connector_to(address)) as http,
                connect(http, address.url(), linger=LINGER) as other,
            ):
                await relay(session, other)

        there = path_of(paths, "visitor", visitor)
        app = application(handler, linger=LINGER)
        async with running(app, tls_of(contexts, visitor), path=there) as (_, entrance):
            visiting = asyncio.ensure_future(asyncio.to_thread(visit, entrance))
            wire = await soon(wires.get())
            wire.send(BULK + CLOSE)
            wire.writer.close()
            assert await soon(visiting) == BULK + CLOSE


@legs("both unix", "tls, unix", "unix tls, unix", "plain, unix")
async def test_a_slow_upstream_gets_the_tail_and_the_close(
    contexts: Contexts, paths: dict[str, str], visitor: str, upstream: str
) -> None:
    here = path_of(paths, "upstream", upstream)
    if here:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(here)
        address = Address("127.0.0.1", 80, None, here)
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        tls = contexts[1] if "tls" in upstream else None
        host, port = listener.getsockname()
        address = Address(host, port, tls)
    with listener:
        listener.listen()
        server_tls = contexts[0] if address.ssl else None
        visited = asyncio.ensure_future(asyncio.to_thread(be_visited, listener, server_tls))

        async def handler(session: RawWebSocketSession) -> None:
            async with (
                aiohttp.ClientSession(connector=connector_to(address)) as http,
                connect(http, address.url(), linger=LINGER) as other,
            ):
                narrow(other)
                await relay(session, other)

        there = path_of(paths, "visitor", visitor)
        app = application(handler, linger=LINGER)
        async with running(app, tls_of(contexts, visitor), path=there) as (_, entrance):
            wire = await Wire.upgrade(entrance)
            wire.send(MASKED_BULK + masked(0x88, b"\x03\xe8"))
            await wire.writer.drain()
            wire.writer.close()
            assert await soon(visited) == MASKED_BULK + masked(0x88, b"\x03\xe8")


async def test_abort_over_a_unix_socket(contexts: Contexts, paths: dict[str, str]) -> None:
    async with between(paths=(paths["visitor"], paths["upstream"])) as it:
        it.a.abort()
        assert await it.visitor.read_to_end() == b""
        reset(it.upstream)
        await it.stats()
