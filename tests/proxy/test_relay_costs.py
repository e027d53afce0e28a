"""The memory of a proxy and its relay, and what is left of connections that break."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import proxy
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.handshakes import request
from tests.support.octets import long_frame, masked
from tests.support.relays import listening
from tests.support.servers import BOTH, Contexts, forgotten, running
from tests.support.sockets import reset
from tests.support.waiting import PATIENCE, turns
from tests.support.wire import Address, Wire

MEBIBYTE = 2**20
GIBIBYTE = 2**30
ALLOWED = 16 * MEBIBYTE

Server = tuple[str, int]


# -- memory, in a process of its own ---------------------------------------------------------


def growth(server: Server) -> int:
    """By how many bytes the memory of the server has grown since the last call."""
    with urllib.request.urlopen(f"http://{server[0]}:{server[1]}/growth") as answer:
        return int(answer.read())


@contextlib.contextmanager
def dialled(server: Server) -> "Iterator[tuple[socket.socket, socket.socket]]":
    """The visitor and the upstream of a proxy that waits for the upstream's answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        visitor = socket.create_connection(server, PATIENCE)
        visitor.sendall(request(f"/proxy/{listener.getsockname()[1]}"))
        upstream, _ = listener.accept()
    upstream.settimeout(PATIENCE)
    with visitor, upstream:
        yield visitor, upstream


def answer(upstream: socket.socket) -> None:
    lines = head_of(upstream)
    key = next(line[19:] for line in lines if line.startswith("Sec-WebSocket-Key"))
    upstream.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
    )


@contextlib.contextmanager
def proxied(server: Server) -> "Iterator[tuple[socket.socket, socket.socket]]":
    """Both ends of a connection through the proxy: the visitor's and the upstream's."""
    with dialled(server) as (visitor, upstream):
        answer(upstream)
        assert head_of(visitor)[0].startswith("HTTP/1.1 101")
        yield visitor, upstream


def head_of(peer: socket.socket) -> list[str]:
    """The lines of a request or response, byte by byte: nothing behind it is read."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += peer.recv(1)
    return head.decode().split("\r\n")


def pour(peer: socket.socket, beginning: bytes, chunk: bytes, size: int) -> threading.Thread:
    """Send `beginning`, then `size` bytes of `chunk` again and again, in a thread."""

    def run() -> None:
        peer.sendall(beginning)
        for _ in range(size // len(chunk)):
            peer.sendall(chunk)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def drink(peer: socket.socket, size: int, slowly: float = 0) -> int:
    """Take `size` bytes, at first one mebibyte a second; how many came."""
    buffer = bytearray(MEBIBYTE)
    came = 0
    slow_until = time.monotonic() + slowly
    while came < size:
        count = peer.recv_into(buffer)
        if not count:
            break
        came += count
        if time.monotonic() < slow_until:
            time.sleep(count / MEBIBYTE)
    return came


@pytest.mark.parametrize("way", ["to the visitor", "to the upstream"])
def test_a_frame_of_1_gib_takes_next_to_nothing(memory_server: Server, way: str) -> None:
    with proxied(memory_server) as (visitor, upstream):
        growth(memory_server)
        if way == "to the visitor":
            source, target, head = upstream, visitor, b"\x82\x7f"
        else:
            source, target, head = visitor, upstream, b"\x82\xff"
        beginning = head + GIBIBYTE.to_bytes(8, "big") + bytes(4 if head[1] & 0x80 else 0)
        thread = pour(source, beginning, bytes(MEBIBYTE), GIBIBYTE)
        size = len(beginning) + GIBIBYTE
        assert drink(target, size) == size
        thread.join()
        assert growth(memory_server) < ALLOWED


def test_many_big_frames_at_a_time_take_next_to_nothing(memory_server: Server) -> None:
    """What they are read into is shared."""
    beginning, half = b"\x82\x7f" + (2 * MEBIBYTE).to_bytes(8, "big"), bytes(MEBIBYTE)
    growth(memory_server)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(proxied(memory_server)) for _ in range(100)]
        for visitor, upstream in peers:
            thread = pour(upstream, beginning, half, MEBIBYTE)
            assert drink(visitor, len(beginning) + MEBIBYTE) == len(beginning) + MEBIBYTE
            thread.join()
        assert growth(memory_server) < ALLOWED


def test_1_gib_of_small_frames_to_a_slow_reader_takes_next_to_nothing(
    memory_server: Server,
) -> None:
    """One that takes 1 MiB/s at first."""
    chunk = (b"\x82\x7e\x03\xfc" + bytes(1020)) * 1024
    with proxied(memory_server) as (visitor, upstream):
        growth(memory_server)
        thread = pour(upstream, b"", chunk, GIBIBYTE)
        assert drink(visitor, GIBIBYTE, slowly=1.5) == GIBIBYTE
        thread.join()
        assert growth(memory_server) < ALLOWED


def send_until_stalled(peer: socket.socket, chunk: bytes, most: int) -> int:
    """Send until nothing is taken any more; return how many bytes were."""
    peer.settimeout(1)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < most:
            sent += peer.send(chunk)
    return sent


def test_empty_frames_to_a_stalled_reader_take_next_to_nothing(memory_server: Server) -> None:
    """Each would cost a queue a hundred times its two bytes."""
    most = 16 * MEBIBYTE
    with proxied(memory_server) as (visitor, upstream):
        # The system keeps little for it.
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
        growth(memory_server)
        assert send_until_stalled(upstream, b"\x82\x00" * 2**15, most) < most
        assert growth(memory_server) < ALLOWED


def test_frames_that_come_before_the_101_take_next_to_nothing(memory_server: Server) -> None:
    chunk = masked(0x82, bytes(4096)) * 256
    size = 64 * len(chunk)
    with dialled(memory_server) as (visitor, upstream):
        growth(memory_server)
        thread = pour(visitor, b"", chunk, size)
        time.sleep(0.5)
        answer(upstream)
        assert drink(upstream, size) == size
        thread.join()
        assert growth(memory_server) < ALLOWED


# -- connections that break ------------------------------------------------------------------

SAYS: "list[Callable[[Wire, bytes], None]]" = [
    lambda wire, mask: None,
    lambda wire, mask: wire.send(frame(mask, 0x81, b"hello") * 3),
    lambda wire, mask: wire.send(frame(mask, 0x82, bytes(200_000)) * 3),
    lambda wire, mask: wire.send(frame(mask, 0x82, bytes(70_000))[:50_000]),
    lambda wire, mask: wire.send(frame(mask, 0x88, b"\x03\xe8")),
    lambda wire, mask: wire.send(b"\xff\xff\xff"),
]


def frame(mask: bytes, head: int, payload: bytes) -> bytes:
    """A visitor's frame if there is a mask, else an upstream's."""
    if mask:
        return masked(head, payload) if len(payload) < 126 else long_frame(head, payload)
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([head]) + length + payload


ENDS: "list[Callable[[Wire], None]]" = [
    reset,
    lambda wire: wire.writer.close(),
    lambda wire: wire.end() if wire.writer.can_write_eof() else wire.writer.close(),
    lambda wire: wire.writer.transport.abort(),
]


async def live(wire: Wire, mask: bytes, dice: random.Random) -> None:
    """Say something, wait or read a little, and end the connection somehow."""
    for _ in range(dice.randrange(3)):
        if not wire.writer.is_closing():
            dice.choice(SAYS)(wire, mask)
        await asyncio.sleep(dice.random() * 0.02)
    with contextlib.suppress(OSError, asyncio.TimeoutError):  # It may be lost already.
        if not wire.writer.is_closing():
            dice.choice(ENDS)(wire)
        await asyncio.wait_for(wire.reader.read(), dice.random())
    wire.writer.transport.abort()


async def visit(address: Address, wires: "asyncio.Queue[Wire]", dice: random.Random) -> None:
    visitor = await Wire.open(address)
    visitor.send(request())
    upstream = await wires.get()
    await asyncio.gather(live(visitor, b"mask", dice), live(upstream, b"", dice))


@BOTH
@pytest.mark.parametrize(
    "number", [60, pytest.param(1000, marks=pytest.mark.slow)], ids=["some", "a thousand"]
)
async def test_nothing_is_left_of_connections_that_break(
    contexts: Contexts, tls: bool, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    if tls and sys.version_info < (3, 11):
        pytest.skip("asyncio's TLS of 3.10 breaks on the side of these peers")
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # pytest shows it if the test fails
    dice = random.Random(seed)
    here = contexts if tls else None
    descriptors = len(os.listdir("/proc/self/fd"))
    async with (
        listening(here) as (upstream, wires),
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(ssl=upstream.ssl or True, limit=0),
        ) as http,
    ):

        async def handler(request: web.Request) -> web.StreamResponse:
            return await proxy(request, http, upstream.url(), linger=0.2)

        app = web.Application()
        app.router.add_get("/", handler)
        async with running(app, here) as (runner, address):
            for _ in range(number // 20):
                await asyncio.gather(*(visit(address, wires, dice) for _ in range(20)))
            await forgotten(runner)
            assert http.connector is not None
            assert not http.connector._acquired
    await turns()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "aiohttp" in repr(task)]
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not [record for record in caplog.records if record.exc_info]
