"""The upgrade on the server: the 101, accept() in ordinary handlers, and refusals."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from aiohttp_rawws import (
    Frame,
    FrameTooBig,
    RawWebSocketSession,
    SessionClosed,
    Violation,
    accept,
    setup,
)

from .conftest import Serve
from .ends import Contexts, application, forgotten, narrow, reset, running, soon, turns
from .wire import ACCEPT, Address, Wire, masked, request

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
CANCELLATION = pytest.mark.parametrize("handler_cancellation", [False, True])
HELLO = masked(0x81, b"Hello")
CLOSE = masked(0x88)
#: Behind a refused request: much, and some of it would pass for HTTP.
FRAMES = (masked(0x81, b"x") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") * 300

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def echo(session: RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


def ordinary(handler: WebHandler, installed: bool = True) -> web.Application:
    """An application with one ordinary handler, at "/"."""
    app = web.Application()
    if installed:
        setup(app)
    app.router.add_route("*", "/", handler)
    return app


async def raw_bytes(address: Address, data: bytes) -> bytes:
    """All that a server answers to `data` until it ends the connection."""
    wire = await Wire.open(address)
    wire.send(data)
    answer = await wire.read_to_end()
    await wire.close()
    return answer


def only_response(data: bytes) -> tuple[int, bytes]:
    """The status and the body of the one HTTP response that `data` is."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    assert length is not None
    assert len(body) == int(length[1])
    assert len(re.findall(rb"HTTP/1\.\d \d\d\d ", data)) == 1
    return int(head.split(b" ")[1]), body


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


# -- accept() --------------------------------------------------------------------------------


async def accepting_echo(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await echo(session)
    return session.response


class EchoView(web.View):
    async def get(self) -> web.StreamResponse:
        return await accepting_echo(self.request)


@BOTH
@CANCELLATION
@pytest.mark.parametrize("handler", [accepting_echo, EchoView], ids=["handler", "view"])
async def test_accept_upgrades_by_hand(
    serve: Serve, handler: Any, tls: bool, handler_cancellation: bool
) -> None:
    address = await serve(ordinary(handler), tls=tls, handler_cancellation=handler_cancellation)
    wire = await Wire.open(address)
    wire.send(request() + HELLO)
    status, headers = await wire.read_head()
    assert (status, headers["Sec-WebSocket-Accept"]) == (101, ACCEPT)
    assert await wire.read_frame() == (0x81, b"Hello")
    wire.send(HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()


async def test_accept_after_the_handler_has_taken_its_time(serve: Serve) -> None:
    """It dials somewhere, and the client does not wait: nothing is lost, not all taken in."""
    dialled = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        await dialled.wait()
        async with accept(request) as session:
            number = 0
            async for frame in session:
                number += not frame.is_control
            await session.send(Frame.text(str(number)))
        return session.response

    wire = await Wire.open(await serve(ordinary(handler)))
    wire.send(request() + HELLO * 200_000 + CLOSE)
    await turns(100)
    dialled.set()
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x81, b"200000")
    await wire.close()


async def test_what_accept_is_told(serve: Serve) -> None:
    offers: list[str] = []

    def negotiate(offer: str) -> str:
        offers.append(offer)
        return "x-two"

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(
            request,
            protocol=["a", "b"],
            headers={"Set-Cookie": "a=1", "X-Mine": "yes"},
            max_frame_size=10,
            reject=Violation.NONE,
            extensions=negotiate,
        ) as session:
            assert session.request is request
            assert (session.protocol, session.extensions) == ("b", "x-two")
            assert session.max_frame_size == 10
            assert (await session.receive()).opcode == 3
            with pytest.raises(FrameTooBig):
                await session.receive()
        return session.response

    wire = await Wire.open(await serve(ordinary(handler)))
    changes = {"Sec-WebSocket-Protocol": "b, a", "Sec-WebSocket-Extensions": "x-one, x-two"}
    wire.send(request(**changes) + masked(0x83) + masked(0x82, bytes(11)))
    status, headers = await wire.read_head()
    assert status == 101
    assert headers["Sec-WebSocket-Protocol"] == "b"
    assert headers["Sec-WebSocket-Extensions"] == "x-two"
    assert (headers["Set-Cookie"], headers["X-Mine"]) == ("a=1", "yes")
    assert offers == ["x-one, x-two"]
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_accept_has_the_options_of_setup(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request, max_frame_size=20) as session:
            assert session.max_frame_size == 20
            assert (await session.receive()).violations == Violation.RESERVED_OPCODE
            await session.close()
        return session.response

    app = web.Application()
    setup(app, max_frame_size=10, reject=Violation.NONE)
    app.router.add_get("/", handler)
    wire = await Wire.upgrade(await serve(app), behind=masked(0x83))
    assert await wire.read_to_end() == b"\x88\x02\x03\xe8"
    await wire.close()


async def test_accept_works_without_setup(serve: Serve) -> None:
    address = await serve(ordinary(accepting_echo, installed=False))
    wire = await Wire.upgrade(address, behind=HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_frame_sise": 5}, TypeError),
        ({"max_frame_size": 0}, ValueError),
        ({"protocol": "two words"}, ValueError),
        ({"protocol": []}, ValueError),
    ],
)
async def test_accept_checks_its_arguments(
    serve: Serve, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """At once, and whatever the request: nothing was sent yet."""

    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(error):
            accept(request, **arguments)
        return await accepting_echo(request)

    wire = await Wire.upgrade(await serve(ordinary(handler)), behind=CLOSE)
    assert await wire.read_to_end() == b"\x88\x00"
    await wire.close()


REFUSED: dict[str, tuple[bytes, int]] = {
    "not GET": (request(method="POST"), 405),
    "no upgrade": (request(Connection="", Upgrade=""), 426),
    "more than websocket": (request(Upgrade="websocket, h2c"), 400),
    "another version": (request(Sec_WebSocket_Version="8"), 426),
    "no key": (request(Sec_WebSocket_Key=""), 400),
    "a short key": (request(Sec_WebSocket_Key="c2hvcnQ="), 400),
    "HTTP/1.0": (request(version="1.0"), 400),
    "no protocol": (request(Sec_WebSocket_Protocol=""), 400),
    "another protocol": (request(Sec_WebSocket_Protocol="Chat"), 400),
    "another origin": (request(Sec_WebSocket_Protocol="chat", Origin="http://b"), 403),
}


@BOTH
@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
async def test_accept_refuses_with_an_http_exception(
    serve: Serve, data: bytes, status: int, tls: bool
) -> None:
    errors: list[web.HTTPException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with accept(request, protocol="chat", origins=["http://a"]):
                raise AssertionError("not reached")
        except web.HTTPException as error:
            errors.append(error)
            raise

    answer = await raw_bytes(await serve(ordinary(handler), tls=tls), data)
    [error] = errors
    assert error.status == status
    assert only_response(answer)[0] == status


UPGRADES = {
    name: (data, status)
    for name, (data, status) in REFUSED.items()
    if name not in ("not GET", "no upgrade", "more than websocket")
}


@BOTH
@pytest.mark.parametrize(("data", "status"), UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("by_hand", [False, True], ids=["route", "accept"])
async def test_frames_behind_a_refused_request(
    serve: Serve, by_hand: bool, data: bytes, status: int, tls: bool
) -> None:
    """Exactly one clean response, then the end of the stream."""

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request, protocol="chat", origins=["http://a"]):
            raise AssertionError("not reached")

    app = ordinary(handler) if by_hand else application(echo, "chat", origins=["http://a"])
    answer = await raw_bytes(await serve(app, tls=tls), data + FRAMES)
    assert only_response(answer)[0] == status


@BOTH
@pytest.mark.parametrize("together", [False, True], ids=["behind", "in the same segment"])
@pytest.mark.parametrize("name", [name for name in REFUSED if name not in UPGRADES])
async def test_frames_behind_what_aiohttp_does_not_take_for_an_upgrade(
    serve: Serve, name: str, together: bool, tls: bool
) -> None:
    """It may find no HTTP in them before the request is handled, but answers once."""
    data, status = REFUSED[name]
    wire = await Wire.open(await serve(application(echo, "chat"), tls=tls))
    wire.send(data + FRAMES * together)
    await turns(20 * (not together))
    wire.send(FRAMES * (not together))
    answered, _ = only_response(await wire.read_to_end())
    assert answered in ({status, 400} if together else {status})
    await wire.close()


@BOTH
async def test_a_refused_client_that_sends_on_gets_its_answer(serve: Serve, tls: bool) -> None:
    """Megabytes of frames that nobody reads do not cost it."""
    wire = await Wire.open(await serve(application(echo), tls=tls))
    wire.send(request(Sec_WebSocket_Version="8"))
    wire.send(FRAMES * 300)
    assert only_response(await wire.read_to_end())[0] == 426
    await wire.close()


@BOTH
@pytest.mark.parametrize("behind", [b"", FRAMES], ids=["alone", "with frames"])
async def test_a_refusal_may_be_answered_otherwise(serve: Serve, behind: bytes, tls: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with accept(request) as session:
                await echo(session)
        except web.HTTPException as error:
            return web.Response(status=200, text=f"no WebSocket: {error.status}")
        return session.response

    address = await serve(ordinary(handler), tls=tls)
    answer = await raw_bytes(address, request(Sec_WebSocket_Version="8") + behind)
    assert only_response(answer) == (200, b"no WebSocket: 426")


async def test_an_ordinary_request_may_be_answered_otherwise(serve: Serve) -> None:
    """A refusal of what is no upgrade leaves the connection as it is."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await accepting_echo(request)
        except web.HTTPException as error:
            return web.Response(text=f"no WebSocket: {error.status}")

    wire = await Wire.open(await serve(ordinary(handler)))
    for _ in range(2):
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.read_head())[0] == 200
        assert await wire.read(17) == b"no WebSocket: 426"
    wire.send(request() + HELLO)
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x81, b"Hello")
    await wire.close()


async def test_accept_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        accepting = accept(request)
        async with accepting as session:
            for again in (accepting, accept(request)):
                with pytest.raises(RuntimeError, match="already"):
                    await again.__aenter__()
            await session.send(Frame.text("once"))
        for again in (accepting, accept(request)):
            with pytest.raises((RuntimeError, ConnectionResetError)):
                await again.__aenter__()
        return session.response

    wire = await Wire.upgrade(await serve(ordinary(handler)))
    assert await wire.read_to_end() == b"\x81\x04once"
    await wire.close()
    assert not caplog.records


async def test_accept_after_a_refusal(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(web.HTTPBadRequest):
            await accept(request, protocol="chat").__aenter__()
        with pytest.raises(RuntimeError, match="refused already"):
            await accept(request).__aenter__()
        return web.Response(text="neither")

    answer = await raw_bytes(await serve(ordinary(handler)), request() + FRAMES)
    assert only_response(answer) == (200, b"neither")


async def test_the_connection_ends_with_the_block(serve: Serve) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            await session.send(Frame.text("inside"))
        assert session.closed
        with pytest.raises(SessionClosed):
            await session.send(Frame.text("outside"))
        await ended.wait()
        return session.response

    wire = await Wire.upgrade(await serve(ordinary(handler)))
    assert await wire.read_to_end() == b"\x81\x06inside"
    await wire.close()
    ended.set()


async def other_response(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await session.send(Frame.text("all"))
    return web.Response(text="not after a 101")


async def no_response(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await session.send(Frame.text("all"))
    return None  # type: ignore[return-value]


async def error_behind(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await session.send(Frame.text("all"))
    raise web.HTTPFound("/elsewhere")


@BOTH
@CANCELLATION
@pytest.mark.parametrize("handler", [other_response, no_response, error_behind])
async def test_nothing_comes_behind_the_block(
    serve: Serve, handler: WebHandler, tls: bool, handler_cancellation: bool
) -> None:
    address = await serve(ordinary(handler), tls=tls, handler_cancellation=handler_cancellation)
    wire = await Wire.upgrade(address, behind=HELLO)
    assert await wire.read_to_end() == b"\x81\x03all"
    await wire.close()


ERRORS: dict[str, BaseException] = {
    "an Exception": ValueError("broken"),
    "an HTTPException": web.HTTPFound("/elsewhere"),
    "a timeout": asyncio.TimeoutError(),
    "ours, of another session": SessionClosed("of another session"),
}


@BOTH
@CANCELLATION
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_an_error_in_the_block_aborts(
    serve: Serve, error: BaseException, tls: bool, handler_cancellation: bool
) -> None:
    """It is the handler's own, and leaves it; no byte of HTTP comes after the 101."""
    caught: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with accept(request):
                raise error
        except BaseException as raised:
            caught.append(raised)
            raise

    address = await serve(ordinary(handler), tls=tls, handler_cancellation=handler_cancellation)
    wire = await Wire.upgrade(address, behind=HELLO)
    if tls:
        with contextlib.suppress(ConnectionError):
            assert await wire.read_to_end() == b""
    else:
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
    assert caught == [error]
    await wire.close()


async def test_the_end_of_the_stream_ends_the_block(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            while True:
                await session.send(await session.receive())
        return session.response

    wire = await Wire.upgrade(await serve(ordinary(handler)), behind=HELLO + CLOSE)
    assert await wire.read_to_end() == b"\x81\x05Hello\x88\x00"
    await wire.close()
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


async def test_a_violation_ends_the_block(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    address = await serve(ordinary(accepting_echo))
    wire = await Wire.upgrade(address, behind=masked(0x83))
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()
    [record] = caplog.records
    assert (record.name, record.levelno) == ("aiohttp_rawws", logging.WARNING)
    assert record.exc_info is None


@CANCELLATION
@pytest.mark.parametrize("end", [reset, Wire.end], ids=["reset", "half-close"])
async def test_a_client_that_goes_away_before_accept(
    end: Callable[[Wire], None], handler_cancellation: bool
) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()
    errors: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        arrived.set()
        try:
            while request.transport is not None:
                await asyncio.sleep(0)
            return await accepting_echo(request)
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            gone.set()

    app = ordinary(handler)
    async with running(app, handler_cancellation=handler_cancellation) as (runner, address):
        wire = await Wire.open(address)
        wire.send(request() + HELLO)
        await soon(arrived.wait())
        end(wire)
        await soon(gone.wait())
        await forgotten(runner)
        await wire.close()
    expected = asyncio.CancelledError if handler_cancellation else ConnectionResetError
    assert [type(error) for error in errors] == [expected]


@pytest.mark.parametrize("installed", [False, True])
async def test_a_shutdown_reaches_accepted_sessions(installed: bool) -> None:
    """Promptly where `setup` was called, else when aiohttp ends its handlers, and hard."""
    entered = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            entered.set()
            try:
                await session.receive()
            finally:
                await session.close(1001)
        return session.response

    timeout = 200 if installed else 0.05
    async with running(ordinary(handler, installed), shutdown_timeout=timeout) as ends:
        runner, address = ends
        wire = await Wire.upgrade(address)
        await soon(entered.wait())
        stopping = asyncio.create_task(runner.cleanup())
        assert await wire.read_to_end() == (b"\x88\x02\x03\xe9" if installed else b"")
        await wire.close()
        await soon(stopping)


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
