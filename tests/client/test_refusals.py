"""Answers other than 101: the error, its headers and its body."""

import copy
import gzip
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

import aiohttp_rawws.client.answer
from aiohttp_rawws import RawWebSocketError
from aiohttp_rawws.client.answer import HandshakeRefused
from aiohttp_rawws.client.connect import connect
from tests.support.handshakes import Opening
from tests.support.scripts import HEAD
from tests.support.servers import Serve, application, echo
from tests.support.waiting import soon
from tests.support.wire import ByHand, Wire


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
