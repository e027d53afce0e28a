"""`connect`: the opening handshake from the client's side, and what becomes of its connection."""

import asyncio
import base64
import contextlib
import copy
import gc
import gzip
import os
import socket
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import picows
import pytest
from aiohttp import web
from multidict import CIMultiDict
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from yarl import URL

import aiohttp_rawws.client.answer
from aiohttp_rawws import (
    CloseCode,
    EndOfStream,
    Frame,
    Opcode,
    ProtocolError,
    RawWebSocketError,
    RawWebSocketSession,
    SessionClosed,
    Violation,
    add_raw_websocket,
)
from aiohttp_rawws.client.connect import HandshakeRefused, connect
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.handshakes import Opening, answer
from tests.support.octets import MASK, xor
from tests.support.servers import Serve, application, left
from tests.support.sockets import reset, send_until_full
from tests.support.waiting import PATIENCE, patience, soon, turns, until
from tests.support.wire import ByHand, Script, Wire

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
MEGABYTES = 8 * 2**20
HELLO = b"\x81\x05Hello"
CLOSE = b"\x88\x02\x03\xe8"


# -- both ends -------------------------------------------------------------------------------


def transport(wire: Wire) -> asyncio.Transport:
    """For its flow control."""
    return cast(asyncio.Transport, wire.writer.transport)


async def echo(session: RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


async def until_end(wire: Wire, opening: Opening) -> None:
    """A script: 101, then wait for the client to end the connection."""
    wire.send(answer(opening))
    await wire.read_to_end()


# -- what is sent ----------------------------------------------------------------------------


@pytest.fixture(name="heard")
def what_was_heard() -> list[Opening]:
    return []


@pytest.fixture(name="listening")
def scripts_that_listen(heard: list[Opening]) -> Script:
    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        offers = opening.headers
        chosen = offers.get("Sec-WebSocket-Protocol", "").partition(",")[0]
        extensions = offers.get("Sec-WebSocket-Extensions", "")
        wire.send(
            answer(opening, Sec_WebSocket_Protocol=chosen, Sec_WebSocket_Extensions=extensions)
        )
        await wire.read_to_end()

    return script


async def test_the_opening_handshake(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    address = await by_hand(listening)
    async with connect(http, address.url("/chat?a=1")) as session:
        assert session.is_client
        assert session.request is None
        assert session.protocol is None
        assert session.extensions is None
        assert isinstance(session.response, aiohttp.ClientResponse)
        assert session.response.status == 101
    [opening] = heard
    assert opening.line == "GET /chat?a=1 HTTP/1.1"
    headers = opening.headers
    assert headers["Host"] == f"{address.host}:{address.port}"
    assert headers.getall("Upgrade") == ["websocket"]
    assert headers.getall("Connection") == ["Upgrade"]
    assert headers.getall("Sec-WebSocket-Version") == ["13"]
    assert len(base64.b64decode(opening.key, validate=True)) == 16
    for absent in ("Protocol", "Extensions"):
        assert f"Sec-WebSocket-{absent}" not in headers
    assert not {"Origin", "Content-Length", "Transfer-Encoding"} & {*headers}


async def test_what_is_offered(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    deflate = 'permessage-deflate; client_max_window_bits="10", x-own'
    async with connect(
        http,
        (await by_hand(listening)).url(),
        protocols=["chat.v2", "chat.v1"],
        extensions=deflate,
        origin="https://example.com",
        headers={"X-Mine": "1", "Authorization": "Bearer x"},
    ) as session:
        assert session.protocol == "chat.v2"
        assert session.extensions == deflate
    [opening] = heard
    assert opening.headers["Sec-WebSocket-Protocol"] == "chat.v2, chat.v1"
    assert opening.headers["Sec-WebSocket-Extensions"] == deflate
    assert opening.headers["Origin"] == "https://example.com"
    assert opening.headers["X-Mine"] == "1"
    assert opening.headers["Authorization"] == "Bearer x"


@pytest.mark.parametrize(
    ("protocols", "offer"),
    [((), None), ([], None), (None, None), ("chat", "chat"), (["a", "b"], "a, b")],
)
async def test_protocols(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    heard: list[Opening],
    listening: Script,
    protocols: Any,
    offer: "str | None",
) -> None:
    async with connect(http, (await by_hand(listening)).url(), protocols=protocols):
        pass
    assert heard[0].headers.get("Sec-WebSocket-Protocol") == offer


async def test_every_key_is_fresh(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    url = (await by_hand(listening)).url()
    for _ in range(5):
        async with connect(http, url):
            pass
    assert len({opening.key for opening in heard}) == 5


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1"}, [("X-A", "1")], CIMultiDict({"x-a": "1"})],
    ids=["a mapping", "pairs", "a multidict"],
)
async def test_kinds_of_headers(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    heard: list[Opening],
    listening: Script,
    headers: Any,
) -> None:
    before = list(headers)
    async with connect(http, (await by_hand(listening)).url(), headers=headers):
        pass
    assert heard[0].headers["X-A"] == "1"
    assert list(headers) == before


async def test_headers_of_the_client_session_do_not_break_the_handshake(
    by_hand: ByHand, heard: list[Opening], listening: Script
) -> None:
    own = {"Connection": "keep-alive", "Upgrade": "h2c", "X-Own": "1", "Origin": "http://own"}
    url = (await by_hand(listening)).url()
    async with aiohttp.ClientSession(headers=own) as http, connect(http, url):
        pass
    assert heard[0].headers.getall("Connection") == ["Upgrade"]
    assert heard[0].headers.getall("Upgrade") == ["websocket"]
    assert heard[0].headers["X-Own"] == "1"
    assert heard[0].headers["Origin"] == "http://own"


# -- what is not taken -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("sec-websocket-protocol", "protocols="),
        ("Sec-WebSocket-Extensions", "extensions="),
        ("Origin", "origin="),
        ("Connection", "leave it out"),
        ("upgrade", "leave it out"),
        ("Sec-WebSocket-Key", "leave it out"),
        ("Sec-WebSocket-Version", "leave it out"),
    ],
)
async def test_headers_of_the_handshake_are_not_for_headers(
    http: aiohttp.ClientSession, name: str, instead: str
) -> None:
    """The message says what to do instead; nothing has been sent."""
    with pytest.raises(ValueError, match=f"(?i){name}.*{instead}"):
        connect(http, "ws://127.0.0.1:1", headers={name: "x"})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"protocols": "a b"}, ValueError, "subprotocol"),
        ({"protocols": ""}, ValueError, "subprotocol"),
        ({"protocols": ["a", "a"]}, ValueError, "twice"),
        ({"protocols": 5}, TypeError, "protocol"),
        ({"extensions": ["x"]}, TypeError, "extensions"),
        ({"extensions": " "}, ValueError, "extensions"),
        ({"extensions": "x\r\nX-Smuggled: 1"}, ValueError, "extensions"),
        ({"origin": URL("http://a")}, TypeError, "origin"),
        ({"origin": "http://a\n"}, ValueError, "origin"),
        ({"max_frame_size": 0}, ValueError, "max_frame_size"),
        ({"receive_limit": "1"}, TypeError, "receive_limit"),
        ({"reject": 1}, TypeError, "reject"),
        ({"linger": -1}, ValueError, "linger"),
        ({"json": {}, "data": b"x"}, TypeError, "data, json.*without a body"),
        ({"method": "POST"}, TypeError, "method.*GET"),
        ({"raise_for_status": True}, TypeError, "raise_for_status"),
    ],
)
async def test_bad_options(
    http: aiohttp.ClientSession, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        connect(http, "ws://127.0.0.1:1", **options)


# -- the answer ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "protocol", "extensions"),
    [
        ({}, None, None),
        ({"Upgrade": "WebSocket", "Connection": "upgrade"}, None, None),
        ({"Connection": "keep-alive, Upgrade"}, None, None),
        ({"Connection": ["Upgrade", "close"]}, None, None),
        ({"Content_Length": "0"}, None, None),
        ({"Sec_WebSocket_Protocol": "a"}, "a", None),
        ({"Sec_WebSocket_Protocol": "b"}, "b", None),
        ({"Sec_WebSocket_Extensions": "x"}, None, "x"),
        ({"Sec_WebSocket_Extensions": " y ; p=1;q "}, None, "y ; p=1;q"),
        ({"Sec_WebSocket_Extensions": ["x", "y;p"]}, None, "x, y;p"),
        ({"Sec_WebSocket_Extensions": ","}, None, None),
    ],
    ids=str,
)
async def test_valid_answers(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    changes: dict[str, Any],
    protocol: "str | None",
    extensions: "str | None",
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes) + HELLO)
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    async with connect(http, url, protocols=["a", "b"], extensions="x, y; p=2") as session:
        assert session.protocol == protocol
        assert session.extensions == extensions
        assert await soon(session.receive()) == Frame.text("Hello")


WRONG = {
    "no upgrade": ({"Upgrade": ""}, "Upgrade"),
    "another upgrade": ({"Upgrade": "h2c"}, "Upgrade"),
    "more than one upgrade": ({"Upgrade": "websocket, h2c"}, "Upgrade"),
    "an upgrade twice": ({"Upgrade": ["websocket", "websocket"]}, "Upgrade"),
    "a Kelvin sign": ({"Upgrade": "websoc\u212aet"}, "Upgrade"),
    "no connection": ({"Connection": ""}, "Connection"),
    "another connection": ({"Connection": "keep-alive"}, "Connection"),
    "nothing at all": ({"Upgrade": "", "Connection": "", "Sec_WebSocket_Accept": ""}, "Upgrade"),
    "no accept": ({"Sec_WebSocket_Accept": ""}, "Accept"),
    "the accept of another key": ({"Sec_WebSocket_Accept": accept_key("x" * 24)}, "Accept"),
    "a protocol": ({"Sec_WebSocket_Protocol": "c"}, "'c' was not offered"),
    "a protocol in capitals": ({"Sec_WebSocket_Protocol": "A"}, "'A' was not offered"),
    "two protocols": ({"Sec_WebSocket_Protocol": "a, b"}, "'a, b' was not offered"),
    "two lines": ({"Sec_WebSocket_Protocol": ["a", "b"]}, "more than one subprotocol: a, b"),
    "an extension": ({"Sec_WebSocket_Extensions": "z; p"}, "not offered: z"),
    "one of two": ({"Sec_WebSocket_Extensions": "x, z"}, "not offered: z"),
    "one of two lines": ({"Sec_WebSocket_Extensions": ["x", "z"]}, "not offered: z"),
}


@BOTH
@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
async def test_wrong_answers(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    changes: dict[str, Any],
    message: str,
    tls: bool,
) -> None:
    """RFC 6455 section 4.1: the client fails the connection."""
    ended = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes) + HELLO)
        with contextlib.suppress(ConnectionError):
            assert await wire.read_to_end() == b""
        ended.set()

    url = (await by_hand(script, tls=tls)).url()
    with pytest.raises(HandshakeRefused, match=message) as caught:
        await connect(http, url, protocols=["a", "b"], extensions="x, y")
    assert caught.value.status == 101
    assert caught.value.body == b""
    await soon(ended.wait())


@pytest.mark.parametrize(
    "changes", [{"Sec_WebSocket_Protocol": "a"}, {"Sec_WebSocket_Extensions": "x"}], ids=str
)
async def test_answers_where_nothing_was_offered(
    by_hand: ByHand, http: aiohttp.ClientSession, changes: dict[str, Any]
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes))
        await wire.read_to_end()

    with pytest.raises(HandshakeRefused, match="not offered"):
        await connect(http, (await by_hand(script)).url())


async def test_a_connection_with_a_wrong_answer_serves_nobody_else(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """To aiohttp, a 101 without Upgrade is an answer like any other."""

    async def script(wire: Wire, opening: Opening) -> None:
        if "Upgrade" in opening.headers:
            wire.send(b"HTTP/1.1 101 Switching\r\n\r\n")
        else:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh")
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    with pytest.raises(HandshakeRefused):
        await connect(http, url)
    async with http.get(url) as response:
        assert await response.text() == "fresh"
        response.close()


async def test_an_extension_makes_reserved_bits_lawful(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, Sec_WebSocket_Extensions="x") + b"\xc1\x00")
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), extensions="x") as session:
        frame = await soon(session.receive())
        assert (frame.rsv1, frame.violations) == (True, Violation.NONE)


async def test_an_empty_extensions_header_does_not(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, Sec_WebSocket_Extensions=[""]) + b"\xc1\x00")
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), extensions="x") as session:
        assert session.extensions is None
        with pytest.raises(ProtocolError) as caught:
            await soon(session.receive())
        assert caught.value.violation == Violation.RESERVED_BITS


# -- refusals --------------------------------------------------------------------------------


async def test_a_refusal_can_be_read(serve: Serve, http: aiohttp.ClientSession) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"why": "no"}, status=403, reason="Go away", headers={"X-Y": "z"})

    app = web.Application()
    app.router.add_get("/", refuse)
    address = await serve(app)
    with pytest.raises(HandshakeRefused, match=r"403.*Go away") as caught:
        await connect(http, address.url())
    error = caught.value
    assert isinstance(error, RawWebSocketError)
    assert isinstance(error, aiohttp.WSServerHandshakeError)
    assert error.status == 403
    assert error.body == b'{"why": "no"}'
    assert error.headers is not None
    assert error.headers["X-Y"] == "z"
    assert error.request_info.url == URL(address.url())
    assert error.history == ()
    assert copy.copy(error).body == error.body
    # Its connection was read to the end, and can be used for something else.
    connector: Any = http.connector
    assert len(connector._conns) == 1


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 404, 426, 500, 503])
async def test_statuses(serve: Serve, http: aiohttp.ClientSession, status: int) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/", refuse)
    with pytest.raises(HandshakeRefused) as caught:
        await connect(http, (await serve(app)).url())
    assert (caught.value.status, caught.value.body) == (status, b"")


async def test_the_refusal_of_a_raw_route(serve: Serve, http: aiohttp.ClientSession) -> None:
    address = await serve(application(echo, "chat"))
    with pytest.raises(HandshakeRefused) as caught:
        await connect(http, address.url(), protocols="chess")
    assert caught.value.status == 400
    assert b"chat" in caught.value.body


@pytest.mark.parametrize("raising", [True, False])
async def test_raise_for_status_of_the_client_session_does_not_cost_the_body(
    serve: Serve, raising: bool
) -> None:
    async with aiohttp.ClientSession(raise_for_status=raising) as http:
        address = await serve(application(echo, "chat"))
        with pytest.raises(HandshakeRefused) as caught:
            await connect(http, address.url())
        assert b"chat" in caught.value.body


HEAD = b"HTTP/1.1 403 No\r\n"
BODIES = {
    "of known length": (HEAD + b"Content-Length: 4\r\n\r\nbody", b"body"),
    "in chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", b"body"),
    "up to the end": (HEAD + b"Connection: close\r\n\r\nbody", b"body"),
    "broken off": (HEAD + b"Content-Length: 40\r\n\r\nbody", b"body"),
    "compressed": (
        HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"body"),
        b"body",
    ),
    "with an upgrade": (
        HEAD + b"Upgrade: websocket\r\nConnection: Upgrade, close\r\nContent-Length: 4\r\n\r\nbody",
        b"body",
    ),
    "after a 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n", b""),
}


@pytest.mark.parametrize(("data", "body"), BODIES.values(), ids=BODIES)
async def test_bodies(
    by_hand: ByHand, http: aiohttp.ClientSession, data: bytes, body: bytes
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(data)
        wire.end()
        await wire.read_to_end()

    with pytest.raises(HandshakeRefused, match="403") as caught:
        await connect(http, (await by_hand(script)).url())
    assert caught.value.body == body


async def test_an_endless_body_is_cut(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(HEAD + b"Content-Type: text/event-stream\r\n\r\n")
        while True:
            wire.send(bytes(10_000))
            await wire.writer.drain()

    with pytest.raises(HandshakeRefused) as caught:
        await soon(connect(http, (await by_hand(script)).url()))
    assert caught.value.body == bytes(64 * 1024)


async def test_a_body_that_does_not_come(
    by_hand: ByHand, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp_rawws.client.answer, "BODY_TIMEOUT", 0.05)

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(HEAD + b"Content-Length: 40\r\n\r\nbody")
        await wire.read_to_end()

    with pytest.raises(HandshakeRefused) as caught:
        await soon(connect(http, (await by_hand(script)).url()))
    assert caught.value.body == b"body"


@pytest.mark.parametrize(
    "timeout", [aiohttp.ClientTimeout(total=0.4), aiohttp.ClientTimeout(sock_read=0.4)]
)
async def test_a_timeout_in_the_body(
    by_hand: ByHand, http: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(HEAD + b"Content-Length: 40\r\n\r\nbody")
        await wire.read_to_end()

    with pytest.raises(HandshakeRefused) as caught:
        await soon(connect(http, (await by_hand(script)).url(), timeout=timeout))
    assert caught.value.body == b"body"


# -- frames both ways ------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize("kind", [str, URL])
async def test_frames_come_back_from_a_raw_route(
    serve: Serve, http: aiohttp.ClientSession, tls: bool, scheme: str, kind: Callable[[str], Any]
) -> None:
    app = application(echo)
    add_raw_websocket(app.router, "/both", echo, ["a", "b"])
    url = (await serve(app, tls=tls)).url("/both", scheme)
    async with connect(http, kind(url), protocols=["b", "a"]) as session:
        assert session.protocol == "b"
        frames = [
            Frame.text("one", fin=False),
            Frame.ping(b"ping"),
            Frame.continuation(b"two"),
            Frame.binary(bytes(70_000)),
            Frame.close(4404, "not here"),
        ]
        for frame in frames:
            await session.send(frame)
        async with patience():
            assert [frame async for frame in session] == frames
        assert session.close_sent == session.close_received == frames[-1]


@BOTH
async def test_ten_megabytes_there_and_back(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    payload = os.urandom(2**20) * 10
    async with connect(http, (await serve(application(echo), tls=tls)).url()) as session:
        sending = asyncio.create_task(soon(session.send(Frame.binary(payload))))
        assert await soon(session.receive()) == Frame.binary(payload)
        await sending


async def test_a_websocket_response_of_aiohttp(serve: Serve, http: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("chat",))
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(f"{message.data} yourself")
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    async with connect(http, (await serve(app)).url(), protocols=["x", "chat"]) as session:
        assert session.protocol == "chat"
        await session.send(Frame.text("Hello", fin=False))
        await session.send(Frame.ping(b"p"))
        await session.send(Frame.continuation(b" you"))
        async with patience():
            assert await session.receive() == Frame.pong(b"p")
            assert await session.receive() == Frame.text("Hello you yourself")
            await session.close(3000)
            assert (await session.receive()).opcode == Opcode.CLOSE


async def test_a_server_of_websockets(http: aiohttp.ClientSession) -> None:
    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)
        assert connection.close_code == CloseCode.GOING_AWAY

    async with serve_websockets(handler, "127.0.0.1", 0) as server, patience():
        host, port = next(iter(server.sockets)).getsockname()
        url = f"ws://{host}:{port}"
        async with connect(http, url, extensions="permessage-deflate") as session:
            assert session.extensions is not None
            assert session.extensions.startswith("permessage-deflate")
            await session.send(Frame.text("Hello"))
            frame = await session.receive()
            assert (frame.opcode, frame.rsv1) == (Opcode.TEXT, True)
            await session.close(CloseCode.GOING_AWAY)
            assert (await session.receive()).close_code == CloseCode.GOING_AWAY
            await session.wait_closed()


class Picky(picows.WSListener):
    """An echo with picows."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


async def test_a_server_of_picows(http: aiohttp.ClientSession) -> None:
    server = await picows.ws_create_server(lambda request: Picky(), "127.0.0.1", 0)
    async with patience():
        host, port = server.sockets[0].getsockname()
        async with connect(http, f"ws://{host}:{port}") as session:
            await session.send(Frame.binary(b"Hello"))
            assert await session.receive() == Frame.binary(b"Hello")
    server.close()


async def test_violations_of_the_server(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    """RFC 6455 section 5.1: a server must not mask."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + b"\x81\x85" + MASK + xor(b"Hello"))
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    with pytest.raises(ProtocolError) as caught:
        async with connect(http, url) as session:
            await soon(session.receive())
    assert caught.value.violation == Violation.MASKED
    async with connect(http, url, reject=Violation.NONE) as session:
        frame = await soon(session.receive())
        assert (frame, frame.violations) == (Frame.text("Hello"), Violation.MASKED)


async def test_max_frame_size(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), max_frame_size=4) as session:
        with pytest.raises(ProtocolError, match="5 bytes"):
            await soon(session.receive())


# -- bytes behind the 101 --------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("number", [1, 30_000])
async def test_frames_in_the_segment_of_the_101(
    by_hand: ByHand, http: aiohttp.ClientSession, number: int, tls: bool
) -> None:
    """Thirty thousand are more than is read at once, and less than what may wait unread."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO * number + CLOSE)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script, tls=tls)).url()) as session, patience():
        frames = [frame async for frame in session]
    assert frames == [Frame.text("Hello")] * number + [Frame.close(1000)]


@BOTH
async def test_what_nobody_reads_waits_at_the_server(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    frame = Frame.binary(bytes(65_536)).encode()
    limit = 64 * 2**20
    through: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + frame)
        through.set_result(await send_until_full(wire, frame, limit))
        wire.send(CLOSE)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script, tls=tls)).url()) as session, patience():
        assert await through < limit // 2
        size = 0
        async for received in session:
            size += len(received.payload)
        assert size > await through - 65_536


async def test_receive_limit(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    """Far more than the system would hold is read, and waits here."""
    frame = Frame.binary(bytes(65_536)).encode()
    limit = 32 * 2**20
    through: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        through.set_result(await send_until_full(wire, frame, limit))
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), receive_limit=2 * limit), patience():
        assert await through >= limit


def slow_tracing(*held: asyncio.Event) -> aiohttp.TraceConfig:
    """A trace that holds the response back until the events have come, one for each."""
    events = iter(held)

    async def hold(*args: Any) -> None:
        await soon(next(events).wait())

    config = aiohttp.TraceConfig()
    config.on_request_end.append(hold)
    return config


@BOTH
async def test_what_comes_while_tracing_holds_the_response_back(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool
) -> None:
    sent = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        for _ in range(200):
            wire.send(HELLO)
            await turns(2)
        wire.send(CLOSE)
        sent.set()
        await wire.read_to_end()

    connector = aiohttp.TCPConnector(ssl=client_tls)
    traces = [slow_tracing(sent)]
    async with aiohttp.ClientSession(connector=connector, trace_configs=traces) as http:
        address = await by_hand(script, tls=tls)
        async with connect(http, address.url()) as session, patience():
            assert len([frame async for frame in session]) == 202


async def test_megabytes_while_tracing_holds_the_response_back(by_hand: ByHand) -> None:
    """What aiohttp has by then, paused or not, is delivered in order."""
    frame = Frame.binary(bytes(65_536)).encode()
    full = asyncio.Event()
    sent = 0

    async def script(wire: Wire, opening: Opening) -> None:
        nonlocal sent
        wire.send(answer(opening) + frame)
        await send_until_full(wire, frame, MEGABYTES)
        full.set()
        await wire.writer.drain()
        wire.send(CLOSE)
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    async with (
        aiohttp.ClientSession(trace_configs=[slow_tracing(full)]) as http,
        connect(http, url) as session,
        patience(),
    ):
        frames = [frame async for frame in session]
    assert frames[-1] == Frame.close(1000)
    assert {len(frame.payload) for frame in frames[:-1]} == {65_536}


# -- masking ---------------------------------------------------------------------------------


async def test_frames_are_masked_each_with_a_key_of_its_own(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """RFC 6455 section 5.3."""
    keys: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        found = []
        for _ in range(100):
            assert await wire.read(2) == b"\x81\x85"
            found.append(await wire.read(4))
            assert xor(await wire.read(5), found[-1]) == b"Hello"
        keys.set_result(found)
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url()) as session:
        assert session.masking
        for _ in range(100):
            await session.send(Frame.text("Hello"))
        assert len(set(await soon(keys))) == 100


async def test_a_frame_is_masked_with_its_own_key(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with connect(http, (await by_hand(script)).url()) as session:
        await session.send(Frame(Opcode.TEXT, b"Hello", mask=MASK))
        session.masking = False
        await session.send(Frame.text("bare"))
    assert await soon(data) == b"\x81\x85" + MASK + xor(b"Hello") + b"\x81\x04bare"


# -- aiohttp's own features ------------------------------------------------------------------


async def test_base_url_and_params(
    by_hand: ByHand, heard: list[Opening], listening: Script
) -> None:
    address = await by_hand(listening)
    async with (
        aiohttp.ClientSession(address.url("/api/")) as http,
        connect(http, "chat", params={"a": "b"}),
    ):
        pass
    assert heard[0].line == "GET /api/chat?a=b HTTP/1.1"


async def test_credentials_in_the_url(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    url = URL((await by_hand(listening)).url()).with_user("me").with_password("secret")
    async with connect(http, url):
        pass
    credentials = base64.b64encode(b"me:secret").decode()
    assert heard[0].headers["Authorization"] == f"Basic {credentials}"


async def test_cookies_go_both_ways(by_hand: ByHand, heard: list[Opening]) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening, Set_Cookie="fresh=1"))
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookies={"own": "1"}, cookie_jar=jar) as http:
        async with connect(http, url, cookies={"once": "1"}):
            pass
        async with connect(http, url):
            pass
    first, second = (opening.headers["Cookie"].split("; ") for opening in heard)
    assert {*first} == {"own=1", "once=1"}
    assert {*second} == {"own=1", "fresh=1"}


async def test_tracing(by_hand: ByHand) -> None:
    seen: list[str] = []

    def note(name: str) -> Callable[..., Awaitable[None]]:
        async def noting(*args: Any) -> None:
            seen.append(name)

        return noting

    config = aiohttp.TraceConfig()
    for name in ("request_start", "connection_create_start", "request_end", "request_exception"):
        getattr(config, f"on_{name}").append(note(name))
    url = (await by_hand(until_end)).url()
    async with aiohttp.ClientSession(trace_configs=[config]) as http, connect(http, url):
        pass
    assert seen == ["request_start", "connection_create_start", "request_end"]


async def test_a_middleware(by_hand: ByHand, heard: list[Opening], listening: Script) -> None:
    """What it sent in truth is what the answer is held against."""

    async def offer(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["Sec-WebSocket-Protocol"] = "late"
        return await handler(request)

    url = (await by_hand(listening)).url()
    async with (
        aiohttp.ClientSession(middlewares=[offer]) as http,
        connect(http, url) as session,
    ):
        assert session.protocol == "late"


async def test_a_middleware_that_drops_the_key(by_hand: ByHand) -> None:
    async def drop(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        del request.headers["Sec-WebSocket-Key"]
        return await handler(request)

    async def script(wire: Wire, opening: Opening) -> None:
        opening.headers["Sec-WebSocket-Key"] = "x"
        wire.send(answer(opening))
        await wire.read_to_end()

    async with aiohttp.ClientSession(middlewares=[drop]) as http:
        with pytest.raises(HandshakeRefused, match="Accept"):
            await connect(http, (await by_hand(script)).url())


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    runner = web.AppRunner(application(echo), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as http,
        connect(http, "http://localhost/") as session,
    ):
        await session.send(Frame.text("Hello"))
        assert await soon(session.receive()) == Frame.text("Hello")
    await runner.cleanup()


# -- timeouts --------------------------------------------------------------------------------


@BOTH
async def test_timeouts_end_with_the_handshake(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    """Both would have struck by then."""
    timeout = aiohttp.ClientTimeout(total=0.6, sock_read=0.3)
    address = await serve(application(echo), tls=tls)
    async with connect(http, address.url(), timeout=timeout) as session:
        await session.send(Frame.text("one"))
        assert await soon(session.receive()) == Frame.text("one")
        assert session.response.connection.protocol.read_timeout is None
        await asyncio.sleep(0.8)
        await session.send(Frame.text("two"))
        assert await soon(session.receive()) == Frame.text("two")


@pytest.mark.parametrize(
    "timeout", [aiohttp.ClientTimeout(total=0.05), aiohttp.ClientTimeout(sock_read=0.05)]
)
async def test_a_server_that_does_not_answer(
    by_hand: ByHand, http: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        await wire.read_to_end()

    with pytest.raises(asyncio.TimeoutError):
        await soon(connect(http, (await by_hand(script)).url(), timeout=timeout))


# -- ending ----------------------------------------------------------------------------------


@BOTH
async def test_leaving_the_block_ends_the_stream(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    """What was sent arrives, and no Close frame that nobody has sent."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script, tls=tls)).url()
    async with connect(http, url) as session:
        await session.send(Frame(Opcode.PING, mask=bytes(4)))
    assert await soon(data) == b"\x89\x80" + bytes(4)
    assert session.closed
    assert session.close_sent is None
    assert session.exception is None


@BOTH
async def test_megabytes_of_unread_input_do_not_cost_the_output(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        transport(wire).pause_reading()
        wire.send(answer(opening))
        wire.send(Frame.binary(bytes(MEGABYTES)).encode())
        await soon(wire.writer.drain())
        transport(wire).resume_reading()
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script, tls=tls)).url()
    async with connect(http, url, linger=PATIENCE) as session:
        session.masking = False
        session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    assert await soon(data) == Frame.binary(bytes(MEGABYTES)).encode()


@BOTH
async def test_linger_bounds_the_wait_for_the_server(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    released = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        transport(wire).pause_reading()
        await released.wait()

    async with connect(http, (await by_hand(script, tls=tls)).url(), linger=0.1) as session:
        for _ in range(2):
            session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    await until(lambda: not left(http))
    released.set()


async def test_each_has_its_own_linger(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await wire.read_to_end()
        begun.set()
        await released.wait()

    async def end(linger: float) -> None:
        async with connect(http, url, linger=linger):
            pass

    begun, released = asyncio.Event(), asyncio.Event()
    url = (await by_hand(script)).url()
    patient = asyncio.create_task(end(PATIENCE))
    await soon(begun.wait())
    await soon(end(0.05))
    assert not patient.done()
    released.set()
    await soon(patient)


async def assert_reset(wire: Wire, tls: bool) -> None:
    """The stream ends with a RST; over TLS just anyhow."""
    try:
        await wire.read_to_end()
        ended = tls
    except ConnectionError:
        ended = True
    assert ended


@BOTH
@pytest.mark.parametrize("kind", [ValueError, SessionClosed, KeyError])
async def test_an_exception_in_the_block_aborts(
    by_hand: ByHand, http: aiohttp.ClientSession, kind: type[Exception], tls: bool
) -> None:
    error = kind("mine")
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        await assert_reset(wire, tls)
        ended.set_result(None)

    url = (await by_hand(script, tls=tls)).url()
    with pytest.raises(type(error)) as caught:
        async with connect(http, url):
            raise error
    assert caught.value is error
    await soon(ended)


async def test_the_end_of_the_stream_may_leave_the_block(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """What was sent before, in answer to the Close for example, still arrives."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + CLOSE)
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script)).url()
    with pytest.raises(EndOfStream):
        async with connect(http, url) as session, patience():
            session.masking = False
            while True:
                await session.send(await session.receive())
    assert await soon(data) == CLOSE


@BOTH
async def test_a_cancelled_block_can_still_say_goodbye(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        data.set_result(await wire.read_to_end())

    async def work() -> None:
        async with connect(http, url) as session:
            session.masking = False
            try:
                while True:
                    await session.receive()
                    received.set()
            finally:
                await session.close(1001)

    received = asyncio.Event()
    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    url = (await by_hand(script, tls=tls)).url()
    task = asyncio.create_task(work())
    await soon(received.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(task)
    assert await soon(data) == b"\x88\x02\x03\xe9"


async def test_a_generator_that_is_closed(by_hand: ByHand, http: aiohttp.ClientSession) -> None:
    """It must not wait for anything any more."""

    async def texts() -> AsyncIterator[bytes]:
        async with connect(http, url) as session:
            async for frame in session:
                yield frame.payload

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        await assert_reset(wire, tls=False)

    url = (await by_hand(script)).url()
    generator: Any = texts()
    assert await soon(anext(generator)) == b"Hello"
    await soon(generator.aclose())


@BOTH
@pytest.mark.parametrize("how", ["close", "end", "reset"])
async def test_the_server_goes_away(
    by_hand: ByHand, http: aiohttp.ClientSession, how: str, tls: bool
) -> None:
    read = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        await read.wait()
        if how == "reset":
            reset(wire)
            return
        if how == "close":
            wire.send(CLOSE)
        wire.writer.close()
        await wire.writer.wait_closed()

    address = await by_hand(script, tls=tls)
    async with connect(http, address.url()) as session, patience():
        assert await session.receive() == Frame.text("Hello")
        read.set()
        with contextlib.suppress(EndOfStream):
            assert (await session.receive()).opcode == Opcode.CLOSE
        await session.wait_closed()
        if tls or how == "reset":
            # Plain TCP can still be sent to after the end of the other half.
            await until(lambda: not left(http))
            assert session.closed
            assert session.response.closed


async def test_a_server_that_half_closes_can_be_sent_to(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        wire.end()
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with connect(http, (await by_hand(script)).url()) as session:
        session.masking = False
        await soon(session.wait_closed())
        assert not session.closed
        await session.send(Frame.text("Hello"))
    assert await soon(data) == HELLO


@BOTH
async def test_response_close_ends_what_was_just_awaited(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    """As the end of a block does: what was sent arrives."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + HELLO)
        data.set_result(await wire.read_to_end())

    data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    session = await connect(http, (await by_hand(script, tls=tls)).url())
    session.masking = False
    assert await soon(session.receive()) == Frame.text("Hello")
    session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    session.response.close()
    await soon(session.wait_closed())
    assert await soon(data) == Frame.binary(bytes(MEGABYTES)).encode()
    with pytest.raises(EndOfStream):
        await session.receive()
    with pytest.raises(SessionClosed):
        await session.send(Frame.ping())


async def test_a_close_frame_alone_ends_nothing(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    session = await connect(http, (await by_hand(until_end)).url())
    await session.close()
    await turns()
    assert not session.closed
    assert left(http) == 1
    session.abort()
    await soon(session.wait_closed())


@BOTH
async def test_an_exit_stack_has_room_for_sessions(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    url = (await serve(application(echo), tls=tls)).url()
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connect(http, url)) for _ in range(10)]
        for session in sessions:
            await session.send(Frame.ping())
            assert await soon(session.receive()) == Frame.ping()
        assert left(http) == 10
    assert all(session.closed for session in sessions)


async def test_what_aiohttp_sees_of_the_connection(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async with connect(http, (await by_hand(until_end)).url()) as session:
        connection = session.response.connection
        assert not connection.closed
        assert not connection.transport.is_closing()
        peer = session.get_extra_info("peername")
        assert connection.transport.get_extra_info("peername") == peer
        assert connection.transport.get_extra_info("nothing", 5) == 5
        session.abort()
        assert connection.closed


# -- the client session ends -----------------------------------------------------------------


@BOTH
async def test_closing_the_client_session_ends_open_sessions(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool
) -> None:
    ended = 0

    async def script(wire: Wire, opening: Opening) -> None:
        nonlocal ended
        wire.send(answer(opening) + HELLO)
        with contextlib.suppress(ConnectionError):
            await wire.read_to_end()
        ended += 1
        done.set()

    done = asyncio.Event()
    url = (await by_hand(script, tls=tls)).url()
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls))
    sessions = [await connect(http, url) for _ in range(3)]
    for session in sessions:
        await soon(session.receive())
    receiving = [asyncio.create_task(session.receive()) for session in sessions]
    await turns(2)
    await soon(http.close())
    for task in receiving:
        with pytest.raises(EndOfStream):
            await soon(task)
    assert all(session.closed for session in sessions)
    while ended < 3:
        done.clear()
        await soon(done.wait())


@BOTH
@pytest.mark.parametrize("ending", [True, False], ids=["with its responses", "at once"])
async def test_closing_the_client_session_does_not_wait_for_servers_that_do_not_read(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool, ending: bool
) -> None:
    released = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        transport(wire).pause_reading()
        await released.wait()

    url = (await by_hand(script, tls=tls)).url()
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls))
    session = await connect(http, url, linger=0.1)
    for _ in range(2):
        session.send_nowait(Frame.binary(bytes(MEGABYTES)))
    if ending:
        session.response.close()
    await soon(http.close())
    await soon(session.wait_closed())
    assert session.closed
    released.set()


async def test_closing_the_client_session_within_the_block(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async with connect(http, (await by_hand(until_end)).url()) as session:
        await soon(http.close())
        assert session.closed
        with pytest.raises(SessionClosed):
            await session.send(Frame.ping())


# -- connections that come to nothing --------------------------------------------------------


async def test_nobody_listens(http: aiohttp.ClientSession) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(aiohttp.ClientConnectorError):
            await connect(http, f"ws://127.0.0.1:{sock.getsockname()[1]}")


async def test_a_certificate_that_nobody_trusts(serve: Serve) -> None:
    address = await serve(application(echo), tls=True)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await connect(http, address.url())


@pytest.mark.parametrize("how", ["end", "reset", "nonsense", "half an answer"])
async def test_lost_while_connecting(
    by_hand: ByHand, http: aiohttp.ClientSession, how: str
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        if how == "reset":
            reset(wire)
        if how == "nonsense":
            wire.send(b"\x81\x05Hello\r\n\r\n")
            await wire.writer.drain()
        if how == "half an answer":
            wire.send(answer(opening)[:-2])
            await wire.writer.drain()

    with pytest.raises(aiohttp.ClientError) as caught:
        await soon(connect(http, (await by_hand(script)).url()))
    assert not isinstance(caught.value, HandshakeRefused)


# aiohttp's own: Python 3.10 complains of TLS that the peer closed and nobody here.
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
@BOTH
async def test_lost_right_behind_the_101(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool
) -> None:
    lost = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        wire.writer.close()
        await wire.writer.wait_closed()
        await turns()
        lost.set()

    connector = aiohttp.TCPConnector(ssl=client_tls)
    traces = [slow_tracing(lost)]
    async with aiohttp.ClientSession(connector=connector, trace_configs=traces) as http:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await connect(http, (await by_hand(script, tls=tls)).url())
        assert left(http) == 0


@BOTH
@pytest.mark.parametrize("what", ["response", "transport"])
async def test_a_connection_that_somebody_closed(
    by_hand: ByHand, client_tls: ssl.SSLContext, what: str, tls: bool
) -> None:
    async def close(session: Any, context: Any, params: aiohttp.TraceRequestEndParams) -> None:
        connection: Any = params.response.connection
        (params.response if what == "response" else connection.transport).close()

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(close)
    connector = aiohttp.TCPConnector(ssl=client_tls)
    async with aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as http:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await connect(http, (await by_hand(until_end, tls=tls)).url())


@BOTH
async def test_cancelled_while_connecting(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        reached.set()
        with contextlib.suppress(ConnectionError):
            await wire.read_to_end()
        ended.set()

    async def dial() -> None:
        await connect(http, url)

    url = (await by_hand(script, tls=tls)).url()
    task = asyncio.create_task(dial())
    await soon(reached.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await soon(ended.wait())


async def test_cancelled_in_the_body_of_a_refusal(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    read = asyncio.Event()
    ended = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(HEAD + b"Content-Length: 40\r\n\r\nbody")
        await read.wait()
        with contextlib.suppress(ConnectionError):
            await wire.read_to_end()
        ended.set()

    async def dial() -> None:
        await connect(http, url)

    async def note(*args: Any) -> None:
        read.set()

    url = (await by_hand(script)).url()
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as http:
        task = asyncio.create_task(dial())
        await soon(read.wait())
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left(http) == 0
        await soon(ended.wait())


# -- leaks -----------------------------------------------------------------------------------


@BOTH
async def test_a_session_lives_without_anybody_holding_it(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    """The response is kept by the session, the session by its transport."""
    session = await connect(http, (await serve(application(echo), tls=tls)).url())
    alive = weakref.ref(session)
    del session
    gc.collect()
    again = alive()
    assert again is not None
    await again.send(Frame.text("Hello"))
    assert await soon(again.receive()) == Frame.text("Hello")
    again.abort()


async def test_a_session_that_is_over_is_forgotten(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async with connect(http, (await by_hand(until_end)).url()) as session:
        forgotten = [weakref.ref(session), weakref.ref(session.response)]
    del session
    await turns()
    gc.collect()
    assert [each() for each in forgotten] == [None, None]


async def test_a_connector_with_room_for_one(serve: Serve) -> None:
    """A connection that has ended makes room for the next."""
    url = (await serve(application(echo))).url()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        for _ in range(20):
            async with connect(http, url) as session, patience():
                await session.send(Frame.ping())
                assert await session.receive() == Frame.ping()


async def leave(http: aiohttp.ClientSession, url: str) -> None:
    async with connect(http, url) as session:
        await session.send(Frame.ping())


async def fail(http: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connect(http, url):
            raise ZeroDivisionError


async def close(http: aiohttp.ClientSession, url: str) -> None:
    async with connect(http, url) as session:
        await session.close()
        async for _ in session:
            pass


async def hang_up(http: aiohttp.ClientSession, url: str) -> None:
    session = await connect(http, url)
    session.response.close()


async def drop(http: aiohttp.ClientSession, url: str) -> None:
    session = await connect(http, url)
    session.abort()


async def lose(http: aiohttp.ClientSession, url: str) -> None:
    async with connect(http, f"{url}abort") as session:
        with pytest.raises(EndOfStream):
            await session.receive()


async def be_refused(http: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(HandshakeRefused):
        await connect(http, f"{url}none")


async def give_up(http: aiohttp.ClientSession, url: str) -> None:
    async def dial() -> None:
        await connect(http, url)

    task = asyncio.create_task(dial())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


WAYS = [leave, fail, close, hang_up, drop, lose, be_refused, give_up]


async def abort(session: RawWebSocketSession) -> None:
    session.abort()


@BOTH
async def test_a_thousand_connections_leave_nothing(
    serve: Serve, http: aiohttp.ClientSession, tls: bool
) -> None:
    app = application(echo)
    add_raw_websocket(app.router, "/abort", abort)
    url = (await serve(app, tls=tls)).url()
    files = len(os.listdir("/proc/self/fd"))
    tasks = len(asyncio.all_tasks())
    for _ in range(5):
        async with patience():
            for _ in range(25):
                await asyncio.gather(*(way(http, url) for way in WAYS))
    await until(lambda: not left(http))
    # What was refused may serve other requests.
    await soon(http.close())
    await until(lambda: len(os.listdir("/proc/self/fd")) <= files)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
