"""Bytes as a stream of binary messages: `read_stream`, `write_stream`, and docs/streams.md."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

import aiohttp_rawws
from aiohttp_rawws import Frame, Piece, ProtocolError, RawWebSocketSession, SessionClosed
from aiohttp_rawws.layers import PermessageDeflate, read_stream, write_stream
from tests.support.ends import both_ends
from tests.support.octets import masked
from tests.support.servers import BOTH, Serve, application
from tests.support.waiting import soon, turns, until

NORMAL = b"\x03\xe8"


@contextlib.asynccontextmanager
async def pair(
    serve: Serve, http: aiohttp.ClientSession, *, tls: bool = False, offer: str | None = None
) -> AsyncIterator[tuple[RawWebSocketSession, RawWebSocketSession]]:
    """Yield the two sessions of a connection, the server's first."""
    given: asyncio.Future[RawWebSocketSession] = asyncio.get_running_loop().create_future()
    released = asyncio.Event()

    async def handler(session: RawWebSocketSession) -> None:
        given.set_result(session)
        await released.wait()

    address = await serve(application(handler, extensions=PermessageDeflate.accept), tls=tls)
    async with aiohttp_rawws.connect(http, address.url(), extensions=offer) as session:
        try:
            yield await soon(given), session
        finally:
            released.set()


# -- reading ---------------------------------------------------------------------------------------


async def test_messages_are_a_stream_of_bytes(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader = read_stream(session)
        wire.send(masked(0x02, b"He") + masked(0x00) + masked(0x80, b"llo"))
        wire.send(masked(0x82, b", world\nand ") + masked(0x82) + masked(0x82, b"more"))
        assert await reader.readexactly(3) == b"Hel"
        assert await reader.read(100) == b"lo"
        assert await reader.readline() == b", world\n"
        assert await reader.readuntil(b"d ") == b"and "
        assert await reader.read(2) == b"mo"
        assert await reader.read(0) == await reader.readexactly(0) == b""
        assert not reader.at_eof()
        wire.send(masked(0x88, NORMAL))
        assert await reader.read() == b"re"
        assert reader.at_eof()
        assert await wire.read_frame() == (0x88, NORMAL)


async def test_each_way_to_read_ends_at_the_peers_close(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader = read_stream(session)
        wire.send(masked(0x82, b"a\nb\nlast") + masked(0x88, b"\x0f\xa0"))
        assert [line async for line in reader] == [b"a\n", b"b\n", b"last"]
        assert await reader.read(1) == await reader.read() == await reader.readline() == b""
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(2)
        assert (caught.value.partial, caught.value.expected) == (b"", 2)
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readuntil()
        assert session.close_received == Frame.close(4000)
        assert await wire.read_frame() == (0x88, b"\x0f\xa0")


async def test_a_separator_that_is_cut_in_two(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader = read_stream(session)
        wire.send(masked(0x82, b"one\r") + masked(0x82, b"\ntwo"))
        assert await reader.readuntil(b"\r\n") == b"one\r\n"
        assert await reader.read(3) == b"two"


async def test_lines_that_are_too_long(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader = read_stream(session, limit=4)
        wire.send(masked(0x82, b"12345\nab\n") + masked(0x82, b"123456789") + masked(0x82, b"\n"))
        with pytest.raises(asyncio.LimitOverrunError):
            await reader.readuntil()
        with pytest.raises(ValueError, match="limit"):
            await reader.readline()
        assert await reader.readline() == b"ab\n"
        with pytest.raises(ValueError, match="limit"):
            await reader.readline()
        assert await reader.readline() == b"\n"
        with pytest.raises(ValueError, match="empty"):
            await reader.readuntil(b"")
        with pytest.raises(ValueError, match="negative"):
            await reader.readexactly(-1)


async def test_a_read_that_is_cancelled_loses_nothing(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader = read_stream(session)
        reading = asyncio.ensure_future(reader.readexactly(4))
        wire.send(masked(0x82, b"ab"))
        await until(lambda: session.bytes_received > 0)
        await turns()
        with pytest.raises(RuntimeError, match="another task"):
            await reader.readexactly(4)
        reading.cancel()
        await asyncio.wait([reading])
        wire.send(masked(0x82, b"cd"))
        assert await reader.readexactly(4) == b"abcd"


# -- losses ----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("way", ["end", "abort", "close within a message"])
async def test_a_stream_that_is_cut(serve: Serve, tls: bool, way: str) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        reader = read_stream(session)
        wire.send(masked(0x02, b"abc"))
        assert await reader.read(2) == b"ab"
        if way == "end" and not tls:
            wire.end()
        elif way == "close within a message":
            wire.send(masked(0x88, NORMAL))
        else:
            wire.transport.abort()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(2)
        assert caught.value.partial == b"c"
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        with pytest.raises(ConnectionResetError, match="cut"):
            await reader.read(1)
        for reading in (reader.read(), reader.readline(), reader.readuntil()):
            with pytest.raises(asyncio.IncompleteReadError):
                await reading


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(0x81, b"text"), b"\x03\xeb"),
        (masked(0x01), b"\x03\xeb"),
        (masked(0xC2, b"?"), b"\x03\xea"),
        (masked(0x80, b"?"), b"\x03\xea"),
    ],
    ids=["text", "empty text", "reserved bit", "order"],
)
async def test_what_is_no_binary_message(serve: Serve, sent: bytes, code: bytes) -> None:
    async with both_ends(serve) as (session, wire):
        reader = read_stream(session)
        wire.send(masked(0x82, b"ab") + sent)
        reading = asyncio.ensure_future(reader.readexactly(3))
        head, payload = await wire.read_frame()
        assert (head, payload[:2]) == (0x88, code)
        await wire.close()
        for _ in range(2):
            with pytest.raises(ProtocolError) as caught:
                await reading
            assert caught.value.close_code == int.from_bytes(code, "big")
            reading = asyncio.ensure_future(reader.readexactly(3))
        assert await reader.read(9) == b"ab"
        with pytest.raises(ProtocolError):
            await reading
        assert session.closed


# -- answers ---------------------------------------------------------------------------------------


async def test_pings_are_answered_while_bytes_are_read(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader = read_stream(session)
        wire.send(masked(0x02, b"a") + masked(0x89, b"?") + masked(0x8A, b"!") + masked(0x80, b"b"))
        assert await reader.readexactly(2) == b"ab"
        assert await wire.read_frame() == (0x8A, b"?")


async def test_answers_wait_for_the_end_of_a_frame_in_pieces(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader, writer = read_stream(session), write_stream(session)
        await session.send_piece(Piece(2, True, False, False, False, 2, 0, b"a", False))
        wire.send(masked(0x89, b"1") + masked(0x89, b"2") + masked(0x82, b"data"))
        assert await reader.readexactly(4) == b"data"
        with pytest.raises(RuntimeError, match="half sent"):
            writer.write(b"x")
        with pytest.raises(RuntimeError, match="half sent"):
            writer.write_eof()
        await session.send_piece(Piece(2, True, False, False, False, 2, 1, b"b", True))
        wire.send(masked(0x82, b"more"))
        assert await reader.readexactly(4) == b"more"
        assert await wire.read_frame() == (0x82, b"ab")
        assert await wire.read_frame() == (0x8A, b"2")

        await session.send_piece(Piece(2, True, False, False, False, 2, 0, b"a", False))
        wire.send(masked(0x88, b"\x0f\xa0"))
        assert await reader.read() == b""
        await session.send_piece(Piece(2, True, False, False, False, 2, 1, b"b", True))
        assert not writer.is_closing()
        writer.write_eof()
        assert await wire.read_frame() == (0x82, b"ab")
        assert await wire.read_frame() == (0x88, b"\x0f\xa0")


async def test_pings_of_a_peer_that_reads_nothing_pile_up_nowhere(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        reader, writer = read_stream(session), write_stream(session)
        while session.write_backlog < 2 * 2**20:
            writer.write(bytes(2**20))
        backlog = session.write_backlog
        wire.send(1000 * masked(0x89, 100 * b"?") + masked(0x82, b"data"))
        assert await reader.readexactly(4) == b"data"
        assert session.write_backlog <= backlog
        session.abort()


# -- writing ---------------------------------------------------------------------------------------


async def test_each_write_is_a_message(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        writer = write_stream(session)
        writer.write(b"one")
        writer.write(b"")
        writer.writelines([b"two ", bytearray(b"and "), memoryview(b"three")])
        await writer.drain()
        assert [await wire.read_frame() for _ in range(2)] == [
            (0x82, b"one"),
            (0x82, b"two and three"),
        ]
        assert writer.get_extra_info("peername") == session.get_extra_info("peername")
        assert not writer.is_closing()
        assert writer.can_write_eof()
        writer.write_eof()
        writer.close()
        assert await wire.read_frame() == (0x88, NORMAL)
        assert writer.is_closing()
        with pytest.raises(SessionClosed):
            writer.write(b"late")
        closing = asyncio.ensure_future(writer.wait_closed())
        wire.send(masked(0x88, NORMAL))
        wire.end()
        await closing
        assert session.closed


async def test_a_writer_whose_peer_is_gone(serve: Serve) -> None:
    async with both_ends(serve) as (session, wire):
        writer = write_stream(session)
        wire.end()
        await session.wait_closed()
        with pytest.raises(SessionClosed, match="ended its stream"):
            writer.write(b"?")
        session.abort()
        await turns()
        with pytest.raises(ConnectionError):
            await writer.drain()
        writer.write_eof()
        await writer.wait_closed()


def test_what_takes_sessions_alone() -> None:
    wrong: Any = object()
    with pytest.raises(TypeError, match="read_stream takes a session"):
        read_stream(wrong)
    with pytest.raises(TypeError, match="write_stream takes a session"):
        write_stream(wrong)


# -- both ends, and compression --------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("offer", [None, PermessageDeflate.offer()], ids=["as it is", "deflate"])
async def test_a_stream_each_way(
    serve: Serve, http: aiohttp.ClientSession, tls: bool, offer: str | None
) -> None:
    data = bytes(range(256)) * 4096
    async with pair(serve, http, tls=tls, offer=offer) as sessions:

        async def send(session: RawWebSocketSession) -> None:
            writer = write_stream(session)
            for start in range(0, len(data), 2**17):
                writer.write(data[start : start + 2**17])
                await writer.drain()

        async def receive(session: RawWebSocketSession) -> bytes:
            return await read_stream(session).readexactly(len(data))

        halves = [*map(send, sessions), *map(receive, sessions)]
        assert (await soon(asyncio.gather(*halves)))[2:] == [data, data]
        assert all((session.bytes_sent < len(data)) == bool(offer) for session in sessions)


async def test_what_cannot_be_sent_is_not_compressed(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    async with pair(serve, http, offer=PermessageDeflate.offer()) as (session, client):
        writer = write_stream(client)
        await client.send_piece(Piece(2, True, False, False, False, 2, 0, b"a", False))
        with pytest.raises(RuntimeError, match="half sent"):
            writer.write(b"lost")
        await client.send_piece(Piece(2, True, False, False, False, 2, 1, b"b", True))
        writer.write(b"lost, and found")
        assert await read_stream(session).readexactly(17) == b"ablost, and found"


async def test_what_inflates_to_much_is_inflated_in_parts(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    size = 16 * 2**20
    stream = zlib.compressobj(wbits=-15)
    payload = stream.compress(bytes(size)) + stream.flush(zlib.Z_SYNC_FLUSH)
    async with pair(serve, http, offer=PermessageDeflate.offer()) as (session, client):
        await client.send(Frame(2, payload[:-4], rsv1=True))
        reader = read_stream(session)
        left = size
        while left:
            data = await reader.read(size)
            assert len(data) < 2 * 2**20
            left -= len(data)
        await client.close()
        assert await reader.read() == b""
