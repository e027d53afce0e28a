"""A connection by hand: what it sends, reads and ends, whatever the other side does."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiohttp_rawws import Frame, ProtocolError, Violation
from aiohttp_rawws.testing import NotHttp, PeerEnded, PeerError, PeerSilent, Wire
from aiohttp_rawws.testing import wire as module
from tests.support.octets import HELLO, MASK, masked
from tests.support.servers import BOTH, Contexts
from tests.support.sockets import MEGABYTES, narrow, send_until_full
from tests.support.waiting import soon, until
from tests.support.wire import Wire as ByHand


@contextlib.asynccontextmanager
async def both(
    contexts: Contexts | None = None, *, is_client: bool = False, path: str | None = None
) -> AsyncIterator[tuple[Wire, ByHand]]:
    """Yield a Wire and its peer by hand. `is_client` is the Wire's role."""
    accepted: asyncio.Future[ByHand] = asyncio.get_running_loop().create_future()
    server_tls, client_tls = contexts or (None, None)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(ByHand(reader, writer))

    if path is not None:
        server = await asyncio.start_unix_server(connected, path, ssl=server_tls)
    else:
        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server_tls)
    port = 0 if path is not None else server.sockets[0].getsockname()[1]
    name = "127.0.0.1"
    client = await Wire.connect(name, port, path=path, ssl=client_tls, server_hostname=name)
    peer = await soon(accepted)
    wire = client
    if not is_client:
        wire = Wire(peer.reader, peer.writer, is_client=False)
        peer = ByHand(client._reader, client._writer)
    try:
        yield wire, peer
    finally:
        await soon(wire.close())
        await soon(peer.close())
        server.close()


@BOTH
async def test_frames_both_ways(contexts: Contexts, tls: bool) -> None:
    async with both(contexts if tls else None) as (wire, peer):
        peer.send(masked(0x81, b"hello") + masked(0x8F, b"x"))
        assert await wire.read_frame() == Frame.text("hello")
        odd = await wire.read_frame()
        assert (odd, odd.violations) == (Frame(15, b"x"), Violation.RESERVED_OPCODE)
        await wire.send(Frame.text("Hello"), Frame(1, b"a", mask=MASK))
        assert await peer.read(14) == HELLO + masked(0x81, b"a")


async def test_a_unix_socket(tmp_path: Path, contexts: Contexts) -> None:
    for tls in (None, contexts):
        async with both(tls, is_client=True, path=str(tmp_path / "s")) as (wire, peer):
            peer.send(HELLO)
            assert await wire.read_frame() == Frame.text("Hello")
        (tmp_path / "s").unlink(missing_ok=True)


async def test_taking_over_a_socket() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        wire = await Wire.of_socket(ours, is_client=True)
        theirs.sendall(HELLO[:3])
        assert wire.next_frame() is None
        theirs.sendall(HELLO[3:])
        assert await wire.read_frame() == Frame.text("Hello")
        await wire.close()


async def test_a_head_and_what_stands_behind_it() -> None:
    async with both() as (wire, peer):
        peer.send(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n" + masked(0x89, b"1"))
        head = await wire.read_head()
        assert (head.path, head.headers["host"]) == ("/x", "h")
        assert wire.next_frame() == Frame.ping(b"1")


async def test_octets_that_are_no_head() -> None:
    async with both() as (wire, peer):
        peer.send(b"x" * (module.MAX_HEAD + 1))
        with pytest.raises(NotHttp, match="octets without an empty line"):
            await wire.read_head()


async def test_a_length_beyond_bounds() -> None:
    async with both(is_client=True) as (wire, peer):
        peer.send(b"\x82\x7f" + (2**40).to_bytes(8, "big"))
        for _ in range(2):
            with pytest.raises(ProtocolError):
                await wire.read_frame()


async def test_waits_are_bounded() -> None:
    async with both(is_client=True) as (wire, peer):
        wire.timeout = 0.02
        # It is not done with each octet that comes in time.
        peer.send(HELLO[:1])
        for doing, said in (
            (wire.read_frame(), "no frame came within 0.02 s"),
            (wire.read_frame(within=0.01), "no frame came within 0.01 s"),
            (wire.read_head(), "no head of HTTP came within 0.02 s"),
            (wire.read_some(), "nothing came within 0.02 s"),
            (wire.read_end(), "the peer did not end its stream within 0.02 s"),
        ):
            with pytest.raises(PeerSilent, match=said):
                await doing
        with pytest.raises(TimeoutError):
            await wire.read_some()
        # Nothing was lost by giving up.
        peer.send(HELLO[1:])
        assert await wire.read_frame(within=10) == Frame.text("Hello")


async def test_a_peer_that_does_not_read() -> None:
    async with both() as (wire, peer):
        wire.timeout = 0.1
        narrow(wire.transport, peer.writer)
        peer.transport.pause_reading()
        with pytest.raises(PeerSilent, match=r"the peer did not read on within 0\.1 s"):
            for _ in range(16):
                await wire.write(bytes(MEGABYTES // 8))
        wire.transport.abort()


async def test_a_flood_waits_outside() -> None:
    """What comes while nobody reads fills bounded buffers, then the peer has to stop."""
    async with both() as (wire, peer):
        narrow(wire.transport, peer.writer)
        assert await send_until_full(peer, bytes(2**16), MEGABYTES) < MEGABYTES
        peer.transport.abort()
        assert (await wire.read_end()).reset in (True, False)


@pytest.mark.parametrize("gap", [0.0, 0.02])
async def test_a_split_write(gap: float) -> None:
    async with both() as (wire, peer):
        sent: list[bytes] = []
        wire.on_octets = lambda direction, data: sent.append(data)
        await wire.write(b"0123456789", split=[7, 3, 3, 0, 10, 99], gap=gap)
        assert sent == [b"012", b"3456", b"789"]
        assert await peer.read(10) == b"0123456789"


async def test_each_part_is_a_read_of_its_own() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    wire = await Wire.of_socket(ours, is_client=True)
    reads: list[bytes] = []
    for _ in range(3):
        reads.clear()
        writing = asyncio.ensure_future(wire.write(b"0123456789", split=[3, 7], gap=0.02))
        while sum(map(len, reads)) < 10:
            reads.append(await soon(loop.sock_recv(theirs, 100)))
        await writing
        if len(reads) == 3:
            break
        # The machine was busy for longer than the gap.
    assert reads == [b"012", b"3456", b"789"]
    await wire.close()
    theirs.close()


async def test_what_it_sends_and_reads_can_be_watched() -> None:
    async with both() as (wire, peer):
        passed: list[tuple[str, bytes]] = []
        wire.on_octets = lambda direction, data: passed.append((direction, data))
        await wire.send(Frame.ping())
        peer.send(masked(0x8A))
        await wire.read_frame()
        assert passed == [("sent", b"\x89\x00"), ("seen", masked(0x8A))]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_the_end_of_the_peer(how: str, partial: bool) -> None:
    async with both() as (wire, peer):
        seen: list[bytes] = []
        wire.on_octets = lambda direction, data: seen.append(data)
        reading = asyncio.ensure_future(wire.read_frame())
        if partial:
            peer.send(masked(0x81, b"hello")[:3])
            await until(lambda: bool(seen))
        if how == "FIN":
            peer.end()
        else:
            Wire(peer.reader, peer.writer, is_client=True).reset()
        with pytest.raises(PeerEnded) as ended:
            await soon(reading)
        assert (ended.value.reset, ended.value.partial) == (how == "RST", partial)
        words = "reset the connection" if how == "RST" else "ended its stream"
        assert str(ended.value).startswith(f"the peer {words}")
        assert isinstance(ended.value, PeerError)
        if how == "RST":
            with pytest.raises(ConnectionError):
                await wire.write(b"x")


async def test_a_reset_is_a_rst() -> None:
    async with both() as (wire, peer):
        wire.reset()
        with pytest.raises(ConnectionResetError):
            await peer.read_to_end()


async def test_a_half_close_leaves_the_other_direction() -> None:
    async with both() as (wire, peer):
        await wire.send(Frame.text("Hello"))
        wire.half_close()
        assert await peer.read_to_end() == HELLO
        peer.send(masked(0x81, b"back"))
        assert await wire.read_frame() == Frame.text("back")
        peer.end()
        assert not (await wire.read_end()).reset


async def test_tls_has_no_half_close(contexts: Contexts) -> None:
    async with both(contexts) as (wire, _):
        if wire.transport.can_write_eof():
            pytest.skip("this loop has it")
        with pytest.raises(RuntimeError, match="a TLS connection cannot be half closed"):
            wire.half_close()


@BOTH
async def test_closing_ends_the_connection(contexts: Contexts, tls: bool) -> None:
    async with both(contexts if tls else None) as (wire, peer):
        await wire.send(Frame.text("Hello"))
        closing = asyncio.ensure_future(wire.close())
        assert await peer.read_to_end() == HELLO
        await peer.close()
        await soon(closing)
        await wire.close()


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await Wire.connect(port=port)


async def test_a_server_that_says_nothing_of_its_tls(client_tls: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PeerSilent, match=r"no connection within 0\.05 s"):
            await Wire.connect(port=port, ssl=client_tls, server_hostname="h", timeout=0.05)
