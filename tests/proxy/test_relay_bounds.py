"""A relay reads no more than the other side takes."""

import asyncio
import contextlib
import socket
import time
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import RawWebSocketSession, connect, relay
from tests.support.handshakes import request
from tests.support.octets import CLOSE, masked
from tests.support.relays import (
    EVERY_WAY,
    LEGS,
    NOTHING_ELSE,
    bare,
    between,
    listening,
    tls_of,
    unmasked,
)
from tests.support.servers import BOTH, Contexts, application, running
from tests.support.sockets import narrow, reset, send_until_full
from tests.support.waiting import PATIENCE, soon, turns
from tests.support.wire import Address

LIMIT = 64 * 2**20
CHUNK = bare(0x82, bytes(60_000)) * 4


@EVERY_WAY
@LEGS
async def test_a_slow_side_slows_the_other(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool, how: "dict[str, Any]"
) -> None:
    async with between(*tls_of(contexts, visitor_tls, upstream_tls), **how) as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        through = await send_until_full(it.upstream, CHUNK, LIMIT)
        assert through < 8 * 2**20
        assert it.a.write_backlog < 2 * 2**20
        it.visitor.transport.resume_reading()
        sent = -(-through // len(CHUNK)) * len(CHUNK)
        received = await it.visitor.read(sent)
        assert received == CHUNK * (sent // len(CHUNK))


async def test_a_slow_side_does_not_slow_what_comes_from_it() -> None:
    async with between() as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        await send_until_full(it.upstream, CHUNK, LIMIT)
        it.visitor.send(masked(0x81, b"but it can speak"))
        assert await unmasked(it.upstream) == (0x81, b"but it can speak")


async def test_the_end_of_a_side_that_is_held_back() -> None:
    """What it sent before arrives first."""
    async with between() as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        it.upstream.send(CHUNK * 20)
        it.upstream.end()
        await turns(50)
        it.visitor.transport.resume_reading()
        assert await it.visitor.read_to_end() == CHUNK * 20


def read_slowly(address: Address) -> bytes:
    """All that a visitor gets; one that no event loop helps, for that may read ahead, or lose."""
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(socket.create_connection((address.host, address.port), PATIENCE))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        if address.ssl is not None:
            peer = stack.enter_context(address.ssl.wrap_socket(peer, server_hostname=address.host))
        peer.sendall(request())
        received = b""
        while data := peer.recv(100_000):
            received += data
            time.sleep(0.03)
    return received.partition(b"\r\n\r\n")[2]


@BOTH
async def test_a_slow_reader_gets_all_before_the_end(contexts: Contexts, tls: bool) -> None:
    """However much longer than the linger it takes."""
    async with listening(None) as (address, wires), aiohttp.ClientSession() as http:

        async def handler(session: RawWebSocketSession) -> None:
            narrow(session)
            async with connect(http, address.url()) as other:
                await relay(session, other)

        async with running(application(handler, linger=0.5), contexts if tls else None) as (
            _,
            here,
        ):
            visiting = asyncio.ensure_future(asyncio.to_thread(read_slowly, here))
            upstream = await soon(wires.get())
            upstream.send(CHUNK * 4 + CLOSE)
            upstream.writer.close()
            assert await soon(visiting) == CHUNK * 4 + CLOSE


@pytest.mark.parametrize("who", ["visitor", "upstream"])
async def test_a_loss_while_both_sides_are_full(who: str) -> None:
    async with between() as it:
        narrow(it.a, it.b, it.visitor.writer, it.upstream.writer)
        it.visitor.transport.pause_reading()
        it.upstream.transport.pause_reading()
        await send_until_full(it.upstream, CHUNK, LIMIT)
        await send_until_full(it.visitor, masked(0x82, bytes(60_000)) * 4, LIMIT)
        lost, other = it.visitor, it.upstream
        if who == "upstream":
            lost, other = other, lost
        reset(lost)
        other.transport.resume_reading()
        with pytest.raises(ConnectionResetError):
            await other.read_to_end()
        assert (await it.stats()).reason == "lost"


async def test_a_loss_behind_an_end_of_stream_that_nobody_tells_of() -> None:
    """What was sent there will never be taken, and the kernel does not say so."""
    async with between(options={"linger": 0.1}) as it:
        narrow(it.upstream.writer)
        it.upstream.transport.pause_reading()
        it.visitor.send(masked(0x82, bytes(60_000)) * 5)
        await turns(50)
        assert it.b.write_backlog == 0
        it.upstream.end()
        assert await it.visitor.read_to_end() == NOTHING_ELSE
        reset(it.upstream)
        await turns(5)
        it.a.abort()
        assert (await it.stats()).ended_first == "b"


async def test_a_burst_of_tiny_frames_does_not_hold_the_loop() -> None:
    """At most `receive_limit` of them in a turn, each counted with what a frame costs."""
    async with between(options={"receive_limit": 16_000}) as it:
        number = 20_000
        it.upstream.send(b"\x82\x00" * number)
        ran = 0
        while len(it.visitor.reader._buffer) < 2 * number:  # type: ignore[attr-defined]
            ran += 1
            await asyncio.sleep(0)
        assert ran >= number / 100
