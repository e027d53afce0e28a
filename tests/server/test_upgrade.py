"""The upgrade on the server: the 101, accept() in ordinary handlers, and refusals."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from aiohttp_rawws import Frame, RawWebSocketSession
from tests.support.handshakes import ACCEPT, request
from tests.support.octets import masked
from tests.support.servers import BOTH, Contexts, Serve, application, echo, forgotten, running
from tests.support.sockets import narrow, reset
from tests.support.waiting import soon, turns
from tests.support.wire import Wire, only_response, raw_bytes

HELLO = masked(0x81, b"Hello")
CLOSE = masked(0x88)
#: Behind a refused request: much, and some of it would pass for HTTP.
FRAMES = (masked(0x81, b"x") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") * 300

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# -- the 101 ---------------------------------------------------------------------------------


@BOTH
async def test_the_101(serve: Serve, tls: bool) -> None:
    wire = await Wire.open(await serve(application(echo), tls=tls))
    wire.send(request())
    status, headers = await wire.read_head()
    assert status == 101
    assert headers.popall("Date")
    assert headers.popall("Server")
    assert headers == CIMultiDict(
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}
    )
    await wire.close()


async def test_the_101_names_the_protocol_of_the_route(serve: Serve) -> None:
    wire = await Wire.open(await serve(application(echo, "chat")))
    wire.send(request(Sec_WebSocket_Protocol="superchat, chat"))
    _, headers = await wire.read_head()
    assert headers.getall("Sec-WebSocket-Protocol") == ["chat"]
    await wire.close()


async def test_without_a_protocol_of_the_route_none_is_named(serve: Serve) -> None:
    wire = await Wire.open(await serve(application(echo)))
    wire.send(request(Sec_WebSocket_Protocol="chat"))
    _, headers = await wire.read_head()
    assert "Sec-WebSocket-Protocol" not in headers
    await wire.close()


@pytest.mark.parametrize(
    ("offer", "answer"),
    [("permessage-deflate", "taken: permessage-deflate"), ("", None), ("none", None)],
)
async def test_extensions_are_negotiated_by_the_callable_alone(
    serve: Serve, offer: str, answer: "str | None"
) -> None:
    def negotiate(offered: str) -> "str | None":
        return None if offered == "none" else f"taken: {offered}"

    wire = await Wire.open(await serve(application(echo, extensions=negotiate)))
    wire.send(request(Sec_WebSocket_Extensions=offer))
    _, headers = await wire.read_head()
    assert headers.get("Sec-WebSocket-Extensions") == answer
    await wire.close()


async def test_no_extension_is_negotiated_by_itself(serve: Serve) -> None:
    wire = await Wire.open(await serve(application(echo)))
    wire.send(request(Sec_WebSocket_Extensions="permessage-deflate"))
    _, headers = await wire.read_head()
    assert "Sec-WebSocket-Extensions" not in headers
    await wire.close()


async def test_all_lines_of_the_offer_are_joined(serve: Serve) -> None:
    wire = await Wire.open(await serve(application(echo, extensions=lambda offer: offer)))
    lines = b"Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b; x=1, c\r\n\r\n"
    wire.send(request()[:-2] + lines)
    _, headers = await wire.read_head()
    assert headers.getall("Sec-WebSocket-Extensions") == ["a, b; x=1, c"]
    await wire.close()


async def test_a_callable_that_fails_is_a_500(serve: Serve) -> None:
    def fail(offer: str) -> str:
        raise LookupError(offer)

    address = await serve(application(echo, extensions=fail))
    answer = await raw_bytes(address, request(Sec_WebSocket_Extensions="a") + FRAMES)
    assert only_response(answer)[0] == 500


async def test_signals_of_the_response_may_add_headers(serve: Serve) -> None:
    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Signed"] = request.path

    app = application(echo)
    app.on_response_prepare.append(sign)
    wire = await Wire.open(await serve(app))
    wire.send(request() + HELLO)
    status, headers = await wire.read_head()
    assert (status, headers["X-Signed"]) == (101, "/")
    assert await wire.read_frame() == (0x81, b"Hello")
    await wire.close()


@BOTH
async def test_a_signal_that_fails_is_a_500(
    serve: Serve, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            raise LookupError("no such thing")

    app = application(echo)
    app.on_response_prepare.append(fail)
    answer = await raw_bytes(await serve(app, tls=tls), request() + FRAMES)
    assert only_response(answer)[0] == 500
    assert "no such thing" in caplog.text


async def test_frames_that_come_while_a_signal_waits(serve: Serve) -> None:
    """All of them are delivered, and no more are taken in than there is room for."""
    came = asyncio.Event()

    async def wait(request: web.Request, response: web.StreamResponse) -> None:
        assert request.transport is not None
        narrow(request.transport, wire.writer)
        await came.wait()

    async def count(session: RawWebSocketSession) -> None:
        number = 0
        async for frame in session:
            number += not frame.is_control
        await session.send(Frame.text(str(number)))

    app = application(count)
    app.on_response_prepare.append(wait)
    wire = await Wire.open(await serve(app))
    wire.send(request() + HELLO)
    await turns()
    wire.send(HELLO * 200_000 + CLOSE)
    await turns(100)
    assert wire.writer.transport.get_write_buffer_size() > 2**20
    came.set()
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x81, b"200001")
    await wire.close()


@pytest.mark.parametrize("end", [reset, Wire.end], ids=["reset", "half-close"])
async def test_a_client_that_goes_away_during_the_upgrade(end: Callable[[Wire], None]) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request, response: web.StreamResponse) -> None:
        arrived.set()
        while request.transport is not None:
            await asyncio.sleep(0)
        gone.set()

    async def handler(session: RawWebSocketSession) -> None:
        raise AssertionError("not reached")

    app = application(handler)
    app.on_response_prepare.append(wait)
    async with running(app) as (runner, address):
        wire = await Wire.open(address)
        wire.send(request() + HELLO)
        await soon(arrived.wait())
        end(wire)
        await soon(gone.wait())
        await forgotten(runner)
        await wire.close()


async def test_an_upgrade_behind_ordinary_requests(serve: Serve) -> None:
    """On a connection that was kept alive, and in one segment with them."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="ordinary")

    app = application(echo)
    app.router.add_get("/ordinary", handler)
    wire = await Wire.open(await serve(app))
    get = b"GET /ordinary HTTP/1.1\r\nHost: a\r\n\r\n"
    wire.send(get)
    assert (await wire.read_head())[0] == 200
    assert await wire.read(8) == b"ordinary"
    wire.send(get + get + request() + HELLO)
    for _ in range(2):
        assert (await wire.read_head())[0] == 200
        assert await wire.read(8) == b"ordinary"
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x81, b"Hello")
    await wire.close()


# -- middlewares and the access log ----------------------------------------------------------


@BOTH
async def test_a_middleware_that_works_on_behind_the_handler(serve: Serve, tls: bool) -> None:
    steps: list[str] = []
    released, done = asyncio.Event(), asyncio.Event()

    @web.middleware
    async def slow(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        steps.append("before")
        response = await handler(request)
        steps.append(f"after {response.status}")
        await released.wait()
        done.set()
        return response

    app = application(echo)
    app.middlewares.append(slow)
    wire = await Wire.upgrade(await serve(app, tls=tls), behind=HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()
    assert not done.is_set()
    released.set()
    await soon(done.wait())
    assert steps == ["before", "after 101"]


@pytest.mark.parametrize("error", [False, True], ids=["another response", "an error"])
async def test_a_middleware_cannot_write_behind_the_101(serve: Serve, error: bool) -> None:
    @web.middleware
    async def replace(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        await handler(request)
        if error:
            raise web.HTTPInternalServerError
        return web.Response(text="instead")

    app = application(echo)
    app.middlewares.append(replace)
    wire = await Wire.upgrade(await serve(app), behind=HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()


async def test_a_middleware_may_answer_instead(serve: Serve) -> None:
    """It has not seen a refusal, so that aiohttp alone decides about the frames behind it."""

    @web.middleware
    async def unauthorized(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        raise web.HTTPUnauthorized

    app = application(echo)
    app.middlewares.append(unauthorized)
    wire = await Wire.open(await serve(app))
    wire.send(request())
    assert (await wire.read_head())[0] == 401
    await wire.close()


@BOTH
async def test_the_access_log_has_the_status_and_the_bytes(
    tls: bool, contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiohttp.access")
    log = logging.getLogger("aiohttp.access")
    options = {"access_log": log, "access_log_format": "%r %s %b"}
    async with running(application(echo), contexts if tls else None, **options) as ends:
        runner, address = ends
        wire = await Wire.upgrade(address, behind=HELLO + CLOSE)
        assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
        await wire.close()
        await forgotten(runner)
    [record] = (record for record in caplog.records if record.name == "aiohttp.access")
    assert record.getMessage() == "GET / HTTP/1.1 101 9"


# -- aiohttp's own test tools ----------------------------------------------------------------


async def test_the_client_fixture_of_pytest_aiohttp(aiohttp_client: Any) -> None:
    """It closes at once, though its server would wait a minute for handlers."""
    client = await aiohttp_client(application(echo))
    for _ in range(2):
        socket = await client.ws_connect("/")
        await socket.send_str("Hello")
        assert await socket.receive_str() == "Hello"
    await soon(client.close())
