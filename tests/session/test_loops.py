"""Sessions whose loop is closed, stopped or another thread's."""

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws import EndOfStream, Frame, Piece, RawWebSocketSession, SessionClosed, connect
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.ends import both_ends
from tests.support.handshakes import request
from tests.support.loops import LOOPS
from tests.support.octets import masked
from tests.support.servers import BOTH, Contexts, Serve, application, echo, running
from tests.support.sockets import unread
from tests.support.waiting import PATIENCE, soon, turns, until

NewLoop = Callable[[], asyncio.AbstractEventLoop]
EVERY_LOOP = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=list(LOOPS))
EVERY_ROLE = pytest.mark.parametrize("role", ["client", "server"])
#: What aiohttp says of what is left of a program that does not close it.
LEFT = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
FRAME = Frame.text("for the peer alone")
PIECE = Piece(2, True, False, False, False, 4, 0, b"ab", False)


# -- a loop that is closed -------------------------------------------------------------------------


class Peer:
    """The other end of a session, without a loop: it outlives that of the session.

    It sends two frames with its part of the handshake.
    """

    def __init__(self, contexts: "Contexts | None") -> None:
        self.contexts = contexts or (None, None)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.socket = self.listening
        self.http: aiohttp.ClientSession | None = None

    def answer(self) -> None:
        """As a server."""
        sock, _ = self.listening.accept()
        context = self.contexts[0]
        self.socket = context.wrap_socket(sock, server_side=True) if context else sock
        head = self.read_head()
        key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
        self.socket.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n\r\n\x81\x01a\x81\x01b" % accept_key(key).encode()
        )

    def ask(self, host: str, port: int) -> None:
        """As a client."""
        sock = socket.create_connection((host, port))
        context = self.contexts[1]
        self.socket = context.wrap_socket(sock, server_hostname=host) if context else sock
        self.socket.sendall(request() + masked(0x81, b"a") + masked(0x81, b"b"))
        self.read_head()

    def read_head(self) -> bytes:
        self.socket.settimeout(PATIENCE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = self.socket.recv(2**16)
            assert data, head
            head += data
        return head

    def got(self) -> bytes:
        """What has come since the handshake."""
        self.socket.setblocking(False)
        try:
            return self.socket.recv(2**16)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""

    def close(self) -> None:
        self.http = None
        self.socket.close()
        self.listening.close()


async def session_of_client(peer: Peer) -> RawWebSocketSession:
    thread = threading.Thread(target=peer.answer)
    thread.start()
    peer.http = aiohttp.ClientSession()
    host, port = peer.listening.getsockname()
    scheme = "wss" if peer.contexts[0] else "ws"
    session = await connect(peer.http, f"{scheme}://{host}:{port}/", ssl=peer.contexts[1] or True)
    thread.join()
    return session


async def session_of_server(peer: Peer) -> RawWebSocketSession:
    given: asyncio.Future[RawWebSocketSession] = asyncio.get_running_loop().create_future()

    async def handler(session: RawWebSocketSession) -> None:
        given.set_result(session)
        await asyncio.Event().wait()

    runner = web.AppRunner(application(handler), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=peer.contexts[0]).start()
    thread = threading.Thread(target=peer.ask, args=runner.addresses[0])
    thread.start()
    session = await soon(given)
    while thread.is_alive():
        await asyncio.sleep(0.001)
    return session


@contextlib.contextmanager
def strangers() -> Iterator[list[socket.socket]]:
    """Sockets that have taken all the descriptor numbers that were given back; their other ends."""
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(32)]
        for pair in pairs:
            for end in pair:
                stack.enter_context(end)
                end.setblocking(False)
        yield [end for pair in pairs for end in pair]


@contextlib.contextmanager
def left_over(
    new_loop: NewLoop, role: str, contexts: "Contexts | None"
) -> Iterator[tuple[RawWebSocketSession, Peer]]:
    """A session whose loop is closed, and its peer; nobody gets anything that it is given to send.

    Frames wait in it.
    """
    peer = Peer(contexts)
    loop = new_loop()
    make = session_of_client if role == "client" else session_of_server
    session = loop.run_until_complete(make(peer))
    sock = session.get_extra_info("socket")
    assert sock is not None
    number = sock.fileno()
    loop.close()
    with strangers() as others:
        if isinstance(loop, asyncio.SelectorEventLoop):
            # asyncio leaves the descriptor open: it goes on to be the session's.
            assert number not in [other.fileno() for other in others]
        else:
            assert number in [other.fileno() for other in others]
        yield session, peer
        for other in others:
            with pytest.raises(BlockingIOError):
                other.recv(1)
    assert peer.got() == b""
    peer.close()


async def use(session: RawWebSocketSession) -> None:
    """All that may be done with a session, where its loop is closed."""
    assert session.closed
    assert "closed" in repr(session)
    assert session.write_backlog == 0
    with pytest.raises(SessionClosed):
        await session.send(FRAME)
    with pytest.raises(SessionClosed):
        session.send_nowait(FRAME)
    with pytest.raises(SessionClosed):
        await session.send_piece(PIECE)
    with pytest.raises(SessionClosed):
        session.write(b"for the peer alone")
    with pytest.raises(SessionClosed) as raised:
        await session.drain()
    assert "closed" in str(raised.value.__cause__)
    await session.close()
    session.abort()
    assert session.get_extra_info("peername") is not None
    assert session.get_extra_info("socket") is None
    assert await session.receive() == Frame.text("a")
    assert session.receive_nowait() == Frame.text("b")
    with pytest.raises(EndOfStream, match="closed"):
        await session.receive()
    with pytest.raises(EndOfStream):
        session.receive_nowait()
    await session.wait_closed()
    assert [frame async for frame in session] == []


@LEFT
@EVERY_ROLE
@BOTH
@EVERY_LOOP
def test_a_session_of_a_loop_that_is_closed(
    contexts: Contexts, new_loop: NewLoop, tls: bool, role: str
) -> None:
    with left_over(new_loop, role, contexts if tls else None) as (session, _):
        asyncio.run(use(session))
    del session
    gc.collect()


@LEFT
@pytest.mark.parametrize("way", ["receive", "batches", "pieces"])
@EVERY_LOOP
def test_all_that_waits_in_it_comes(new_loop: NewLoop, way: str) -> None:
    """Also what is not parsed yet, for more than `receive_limit` waits."""

    async def rest(session: RawWebSocketSession) -> int:
        if way == "receive":
            return len([frame async for frame in session])
        if way == "batches":
            return sum([len(frames) async for frames in session.batches()])
        return len([piece async for piece in session.pieces()])

    peer = Peer(None)
    loop = new_loop()

    async def fill() -> RawWebSocketSession:
        session = await session_of_client(peer)
        peer.socket.sendall(b"\x82\x04data" * 10_000)
        await until(lambda: unread(session) == 0)
        await turns()
        return session

    session = loop.run_until_complete(fill())
    loop.close()
    number = asyncio.run(rest(session))
    # As far as it was read: one read brings a part.
    assert number > 1000
    peer.close()
    del session
    gc.collect()


@LEFT
@EVERY_LOOP
def test_a_task_that_waited_on_the_loop_does_not_keep_others_out(new_loop: NewLoop) -> None:
    peer = Peer(None)
    loop = new_loop()

    async def wait() -> "tuple[RawWebSocketSession, asyncio.Task[Frame]]":
        session = await session_of_client(peer)
        await session.receive()
        await session.receive()
        task = asyncio.create_task(session.receive())
        await asyncio.sleep(0)
        return session, task

    session, task = loop.run_until_complete(wait())
    loop.close()
    with pytest.raises(EndOfStream):
        asyncio.run(session.receive())
    with pytest.raises(EndOfStream):
        session.receive_nowait()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    peer.close()
    del session, task
    gc.collect()


@EVERY_LOOP
def test_nothing_keeps_a_loop_that_is_closed(new_loop: NewLoop) -> None:
    loop = new_loop()

    async def main() -> None:
        async with (
            running(application(echo)) as (_, address),
            aiohttp.ClientSession() as http,
            connect(http, address.url()) as session,
        ):
            await session.send(FRAME)
            await session.receive()

    loop.run_until_complete(main())
    loop.close()
    left = weakref.ref(loop)
    del loop
    gc.collect()
    assert left() is None


# -- a loop that does not run here -----------------------------------------------------------------


@EVERY_LOOP
def test_between_two_runs_of_one_loop(new_loop: NewLoop) -> None:
    """Where nothing runs the session can still be used; all leaves in order."""
    loop = new_loop()
    peer = Peer(None)
    session = loop.run_until_complete(session_of_client(peer))
    assert not session.closed
    session.masking = False
    for payload in (b"1", b"2"):
        session.send_nowait(Frame.binary(payload))
    session.write(b"\x82\x013")
    loop.run_until_complete(session.send(Frame.binary(b"4")))
    session.send_nowait(Frame.binary(bytes(100_000)))
    assert session.receive_nowait() == Frame.text("a")

    async def finish() -> bytes:
        got = peer.got()
        while len(got) < 4 * 3 + 10 + 100_000:
            await asyncio.sleep(0.001)
            got += peer.got()
        assert await session.receive() == Frame.text("b")
        assert peer.http is not None
        peer.socket.close()
        await peer.http.close()
        peer.close()
        return got

    got = loop.run_until_complete(finish())
    assert got == b"\x82\x011\x82\x012\x82\x013\x82\x014" + Frame.binary(bytes(100_000)).encode()
    loop.close()


@pytest.mark.not_on_aiofastnet("its transports answer only in the thread of their loop")
@BOTH
async def test_in_another_thread(serve: Serve, tls: bool) -> None:
    async with both_ends(serve, tls=tls) as (session, wire):
        calls: list[Callable[[], object]] = [
            lambda: session.send_nowait(FRAME),
            lambda: session.send(FRAME).send(None),
            lambda: session.send_piece(PIECE).send(None),
            lambda: session.write(b"data"),
        ]
        for call in calls:
            with pytest.raises(RuntimeError, match="thread"):
                await asyncio.to_thread(call)

        def look() -> "tuple[Any, ...]":
            return session.closed, session.write_backlog, repr(session), session.close_sent

        closed, backlog, shown, close_sent = await asyncio.to_thread(look)
        assert (closed, backlog, close_sent) == (False, 0, None)
        assert "open" in shown
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(loop.call_soon_threadsafe, session.send_nowait, FRAME)
        assert await wire.read_frame() == (0x81, FRAME.payload)


@EVERY_LOOP
def test_a_loop_that_goes_on_in_another_thread(new_loop: NewLoop) -> None:
    loop = new_loop()
    peer = Peer(None)
    session = loop.run_until_complete(session_of_client(peer))

    async def go_on() -> list[Frame]:
        got = [await session.receive(), await session.receive()]
        for number in range(10):
            peer.socket.sendall(b"\x81\x01%d" % number)
            got.append(await soon(session.receive()))
            await session.send(got[-1])
        assert peer.http is not None
        peer.socket.close()
        await peer.http.close()
        peer.close()
        return got

    got: list[Frame] = []
    thread = threading.Thread(target=lambda: got.extend(loop.run_until_complete(go_on())))
    thread.start()
    thread.join()
    assert [frame.payload for frame in got] == [b"a", b"b", *(b"%d" % n for n in range(10))]
    loop.close()
