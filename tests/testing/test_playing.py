"""Scripts at work between real peers: servers and clients, many connections, their end."""

import asyncio
import contextlib
import re
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
import websockets
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame
from aiohttp_rawws.layers import WebSocketSession, websocket_handler
from aiohttp_rawws.testing import (
    FrameLike,
    PeerSilent,
    Played,
    Script,
    ScriptFailed,
    play_client,
    script_server,
)
from tests.support import sockets
from tests.support.aiohttps import aiohttps_echo
from tests.support.octets import masked
from tests.support.scripted import a_client_of, address_of
from tests.support.servers import BOTH, Contexts, Serve
from tests.support.waiting import soon, until
from tests.support.wire import Wire

#: A conversation with a client that says what it got.
SERVER = (
    Script("server", timeout=20)
    .expect(FrameLike("text", payload=b"one", masked=True))
    .send(Frame.ping(b"4711"), Frame.text("two"), split="each")
    .until(Frame.pong(b"4711"))
    .send(Frame.text("thr", fin=False), Frame.continuation(b"ee"))
    .until(Frame.text("three"))
    .close(4404, "gone")
)
#: The same with a server that echoes.
CLIENT = (
    Script("client", timeout=20)
    .send(Frame.text("one"), split=[1, 4], gap=0.001)
    .expect(FrameLike("text", payload=b"one", masked=False))
    .send(Frame.ping(b"4711"))
    .until(Frame.pong(b"4711"))
    .close(1000)
    .expect_end("FIN")
)


# -- as a server ---------------------------------------------------------------------------


async def our_client(url: str, ssl: ssl.SSLContext | bool) -> None:
    async with (
        aiohttp.ClientSession() as client,
        aiohttp_rawws.connect(client, url, ssl=ssl) as session,
        WebSocketSession(session) as websocket,
    ):
        await websocket.send_str("one")
        assert await websocket.receive_str() == "two"
        assert await websocket.receive_str() == "three"
        await websocket.send_str("three")
        assert [message async for message in websocket] == []
        assert websocket.close_code == 4404


async def aiohttps_client(url: str, ssl: ssl.SSLContext | bool) -> None:
    async with aiohttp.ClientSession() as client, client.ws_connect(url, ssl=ssl) as websocket:
        await websocket.send_str("one")
        assert await websocket.receive_str() == "two"
        assert await websocket.receive_str() == "three"
        await websocket.send_str("three")
        assert (await websocket.receive()).data == 4404


async def websockets_client(url: str, ssl: ssl.SSLContext | bool) -> None:
    context = ssl if not isinstance(ssl, bool) else None
    async with websockets.connect(url, ssl=context, proxy=None, compression=None) as websocket:
        await websocket.send("one")
        assert await websocket.recv() == "two"
        assert await websocket.recv() == "three"
        await websocket.send("three")
        with pytest.raises(websockets.ConnectionClosedError):
            await websocket.recv()
        assert websocket.close_code == 4404


@BOTH
@pytest.mark.parametrize("client", [our_client, aiohttps_client, websockets_client])
async def test_a_server_for_any_client(client: object, contexts: Contexts, tls: bool) -> None:
    server_tls, client_tls = contexts if tls else (None, True)
    async with script_server(SERVER, ssl=server_tls) as server:
        assert server.url.startswith("wss://127.0.0.1:" if tls else "ws://127.0.0.1:")
        assert callable(client)
        await soon(client(server.url, client_tls))
        (played,) = await server.ended()
    played.check()
    assert played.head is not None
    assert played.head.headers["Sec-WebSocket-Version"] == "13"


# -- as a client ---------------------------------------------------------------------------


def our_app() -> web.Application:
    async def echo(websocket: WebSocketSession) -> None:
        async for message in websocket:
            await websocket.send_str(str(message.data))

    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", websocket_handler(echo))])
    return app


@BOTH
@pytest.mark.parametrize("app", [our_app, aiohttps_echo])
async def test_a_client_of_any_server(app: object, serve: Serve, tls: bool) -> None:
    assert callable(app)
    address = await serve(app(), tls=tls)
    played = await soon(play_client(CLIENT, address.url(), ssl=address.ssl or True))
    played.check()
    assert (played.role, played.end) == ("client", "FIN")


async def test_a_client_of_websockets() -> None:
    async def echo(websocket: websockets.ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        (await soon(play_client(CLIENT, f"http://127.0.0.1:{port}"))).check()


async def test_a_unix_socket(tmp_path: Path, contexts: Contexts) -> None:
    path = tmp_path / "socket"
    for server_tls, client_tls in ((None, True), contexts):
        # The certificate is that of an address.
        name = "127.0.0.1"
        async with script_server(SERVER, unix_socket=str(path), ssl=server_tls) as server:
            assert server.url == ("wss://localhost/" if server_tls else "ws://localhost/")
            url = server.url.replace("localhost", name)
            script = Script().send(Frame.text("one")).expect("ping").send(Frame.pong(b"4711"))
            script.expect("text").expect("text", "continuation").send(Frame.text("three"))
            script.expect(FrameLike("close", close_code=4404)).send(Frame.close(4404))
            client = play_client(script, url, unix_socket=str(path), ssl=client_tls)
            (await soon(client)).check()
            (await server.ended())[0].check()
        assert not path.exists()


async def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        played = await soon(play_client(Script(timeout=0.05), url))
        assert played.failure == "request /: no head of HTTP came within 0.05 s"
    with pytest.raises(ConnectionRefusedError):
        await soon(play_client(Script(), url))


# -- many connections ----------------------------------------------------------------------


def says(number: int) -> Script:
    return Script(f"number {number}", timeout=20).send(Frame.text(str(number)))


async def heard(url: str) -> bytes:
    played = await soon(play_client(Script().expect("text"), url))
    played.check()
    return played.frames[0].payload


async def test_one_script_for_all() -> None:
    async with script_server(says(0), seed=7) as server:
        assert [await heard(server.url) for _ in range(3)] == [b"0"] * 3
        played = await server.ended(3)
    assert [each.seed for each in played] == [7, 8, 9]
    assert server.connections == 3
    server.check()


async def test_a_list_of_scripts() -> None:
    async with script_server((says(0), says(1))) as server:
        assert [await heard(server.url) for _ in range(3)] == [b"0", b"1", b"1"]
        assert [each.name for each in await server.ended(2)] == ["number 0", "number 1"]


async def test_a_function_that_chooses() -> None:
    async with script_server(lambda number: says(number * 2)) as server:
        assert [await heard(server.url) for _ in range(3)] == [b"0", b"2", b"4"]


async def test_a_function_that_fails() -> None:
    def choose(number: int) -> Script:
        return [says(0)][number]

    async with script_server(choose) as server:
        await heard(server.url)
        await soon(play_client(Script(), server.url))
        (_, played) = await server.ended(2)
        assert "no script for connection 1: IndexError(" in str(played)
        with pytest.raises(ScriptFailed) as raised:
            server.check()
        assert isinstance(raised.value.__cause__, IndexError)

    async with script_server(lambda number: "x") as server:  # type: ignore[arg-type, return-value]
        await soon(play_client(Script(), server.url))
        assert "a Script is needed, got 'x'" in str((await server.ended())[0])


async def test_a_limit() -> None:
    async with script_server(says(0), limit=1) as server:
        await heard(server.url)
        played = await soon(play_client(Script(), server.url))
        assert not played.ok
        assert server.connections == len(await server.ended()) == 1


async def test_a_look_whether_the_port_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp_rawws.testing.playing.LOOK", 60)
    asked = []

    def choose(number: int) -> Script:
        asked.append(number)
        return says(number)

    for scripts in ([says(0), says(1)], choose):
        async with script_server(scripts, seed=7, limit=1) as server:
            address = address_of(server)
            looks = [await Wire.open(address) for _ in range(3)]
            for look in looks[:2]:
                await look.close()
            sockets.reset(looks[2])
            assert await heard(server.url) == b"0"
            (played,) = await server.ended()
            assert (played.seed, server.connections) == (7, 1)
    assert asked == [0]


async def test_a_client_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp_rawws.testing.playing.LOOK", 0.01)
    async with script_server(Script(timeout=0.05)) as server:
        wire = await Wire.open(address_of(server))
        (played,) = await server.ended()
        assert played.failure == "answer 101: no head of HTTP came within 0.05 s"
        assert await wire.read_to_end() == b""
        await wire.close()


async def test_a_script_that_speaks_first() -> None:
    async with script_server(Script(handshake=False).send_octets(b"hello")) as server:
        wire = await Wire.open(address_of(server))
        assert await wire.read_to_end() == b"hello"
        await wire.close()
        assert server.connections == 1


SOMAXCONN = Path("/proc/sys/net/core/somaxconn")


@pytest.mark.skipif(
    not SOMAXCONN.exists() or int(SOMAXCONN.read_text()) < 1024, reason="a short queue"
)
async def test_a_burst() -> None:
    """No connection has to be tried again, a second later, because the queue is full."""
    async with script_server(says(0)) as server:
        address = (address_of(server).host, address_of(server).port)
        with contextlib.ExitStack() as stack:
            for _ in range(150):
                stack.enter_context(socket.create_connection(address, timeout=5))


# -- its end -------------------------------------------------------------------------------


async def test_waiting_for_ends_that_do_not_come() -> None:
    async with a_client_of(Script().stall()) as (_, server):
        told = re.escape("0 of 2 connections have ended after 0.05 s; 1 were opened")
        with pytest.raises(TimeoutError, match=told):
            await server.ended(2, timeout=0.05)


async def test_what_is_on_its_way_is_waited_for_at_the_end() -> None:
    async with a_client_of(Script().expect("text")) as (wire, server):
        wire.send(masked(0x81, b"late"))
        wire.end()
        await server.stop()
        server.check()
        assert [each.ok for each in server.started] == [True]


async def test_one_that_waits_for_nothing_is_ended_at_once() -> None:
    async with a_client_of(Script().stall()) as (wire, server):
        await until(lambda: bool(server.started and server.started[0].step == 1))
        await soon(server.stop(grace=1000))
        server.check()
        assert await wire.read_to_end() == b""


async def test_the_server_is_cancelled_while_it_ends() -> None:
    async with a_client_of(Script().expect("text")) as (wire, server):
        await until(lambda: bool(server.started and server.started[0].step == 1))
        stopping = asyncio.ensure_future(server.stop(grace=1000))
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert str(server.started[0].failure).startswith("expect TEXT: it was still waited for")
        await wire.read_to_end()


async def test_a_client_that_stops_in_its_tls_handshake(
    server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiohttp_rawws.testing.playing.TLS_TIMEOUT", 0.1)

    async def visit() -> Wire:
        async with script_server(Script(), ssl=server_tls) as server:
            wire = await Wire.open(address_of(server))
            wire.send(b"\x16\x03\x01")
            await asyncio.sleep(0.02)
        return wire

    wire = await soon(visit())
    wire.transport.abort()


async def test_a_client_that_comes_too_late() -> None:
    async with script_server(Script()) as server:
        await server.stop()
        wire = await Wire.open(address_of(server))
        with contextlib.suppress(ConnectionError):
            assert await wire.read_to_end() == b""
        await wire.close()
        assert server.connections == 0


async def test_an_address_of_ipv6() -> None:
    try:
        async with script_server(says(0), host="::1") as server:
            assert server.url.startswith("ws://[::1]:")
            assert await heard(server.url) == b"0"
    except OSError:
        pytest.skip("no IPv6 here")


async def test_a_listening_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with script_server(says(0), sock=listener) as server:
            assert server.url == f"ws://127.0.0.1:{port}/"
            assert await heard(server.url) == b"0"


async def test_a_server_that_does_not_begin_its_tls(client_tls: ssl.SSLContext) -> None:
    async with script_server(Script(timeout=0.1)) as server:
        url = server.url.replace("ws:", "wss:")
        with pytest.raises((ssl.SSLError, PeerSilent, ConnectionError)):
            await soon(play_client(Script(timeout=0.5), url, ssl=client_tls))
        played: list[Played] = await server.ended()
        assert not played[0].ok
