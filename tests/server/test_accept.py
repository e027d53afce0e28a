"""accept() in ordinary handlers, and what is refused, there and by routes."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import (
    Frame,
    FrameTooBig,
    SessionClosed,
    Violation,
    accept,
    setup,
)
from tests.support.handshakes import ACCEPT, request
from tests.support.octets import masked
from tests.support.servers import (
    BOTH,
    CANCELLATION,
    Contexts,
    Serve,
    application,
    echo,
    forgotten,
    running,
)
from tests.support.sockets import reset
from tests.support.waiting import soon, turns
from tests.support.wire import Wire, only_response, raw_bytes

HELLO = masked(0x81, b"Hello")
CLOSE = masked(0x88)
#: Behind a refused request: much, and some of it would pass for HTTP.
FRAMES = (masked(0x81, b"x") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") * 300

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ordinary(handler: WebHandler, installed: bool = True) -> web.Application:
    """An application with one ordinary handler, at "/"."""
    app = web.Application()
    if installed:
        setup(app)
    app.router.add_route("*", "/", handler)
    return app


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


#: Made where they are raised: an exception that was raised holds what it came through.
ERRORS: dict[str, Callable[[], BaseException]] = {
    "an Exception": lambda: ValueError("broken"),
    "an HTTPException": lambda: web.HTTPFound("/elsewhere"),
    "a timeout": asyncio.TimeoutError,
    "ours, of another session": lambda: SessionClosed("of another session"),
}


@BOTH
@CANCELLATION
@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
async def test_an_error_in_the_block_aborts(
    serve: Serve, make: Callable[[], BaseException], tls: bool, handler_cancellation: bool
) -> None:
    """It is the handler's own, and leaves it; no byte of HTTP comes after the 101."""
    error = make()
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


async def gone_before(
    app: web.Application,
    tls: "Contexts | None",
    end: Callable[[Wire], object],
    arrived: asyncio.Event,
    gone: asyncio.Event,
    caplog: pytest.LogCaptureFixture,
    **options: Any,
) -> list[str]:
    """What the access log has of a client that goes away once its request has arrived."""
    caplog.set_level(logging.INFO, "aiohttp.access")
    log = logging.getLogger("aiohttp.access")
    options |= {"access_log": log, "access_log_format": "%s"}
    async with running(app, tls, **options) as (runner, address):
        wire = await Wire.open(address)
        wire.send(request() + HELLO)
        await soon(arrived.wait())
        end(wire)
        await soon(gone.wait())
        await forgotten(runner)
        with contextlib.suppress(ConnectionError):
            await wire.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [record.getMessage() for record in caplog.records if record.name == "aiohttp.access"]


GOES = pytest.mark.parametrize(
    "end", [reset, Wire.end, lambda wire: wire.writer.close()], ids=["reset", "half-close", "close"]
)


@BOTH
@CANCELLATION
@GOES
async def test_a_client_that_goes_away_before_accept(
    contexts: Contexts,
    tls: bool,
    end: Callable[[Wire], None],
    handler_cancellation: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Quietly, as with a route: accept raises what aiohttp takes for an answer."""
    if tls and end is Wire.end:
        pytest.skip("TLS has no half-closed connections")
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

    logged = await gone_before(
        ordinary(handler),
        contexts if tls else None,
        end,
        arrived,
        gone,
        caplog,
        handler_cancellation=handler_cancellation,
    )
    [error] = errors
    if handler_cancellation:
        assert isinstance(error, asyncio.CancelledError)
    else:
        assert isinstance(error, web.HTTPException)
        assert isinstance(error, ConnectionResetError)
        assert "the client went away before the upgrade" in str(error)
        assert logged == ["499"]


@BOTH
@GOES
async def test_a_client_that_goes_away_while_it_is_accepted(
    contexts: Contexts,
    tls: bool,
    end: Callable[[Wire], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    if tls and end is Wire.end:
        pytest.skip("TLS has no half-closed connections")
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            arrived.set()
            while request.transport is not None:
                await asyncio.sleep(0)
            gone.set()

    app = ordinary(accepting_echo)
    app.on_response_prepare.append(wait)
    logged = await gone_before(app, contexts if tls else None, end, arrived, gone, caplog)
    assert logged == ["499"]


async def test_a_handler_may_do_something_about_a_client_that_went_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        arrived.set()
        while request.transport is not None:
            await asyncio.sleep(0)
        try:
            return await accepting_echo(request)
        except ConnectionError:
            return web.Response(status=499)
        finally:
            gone.set()

    logged = await gone_before(ordinary(handler), None, reset, arrived, gone, caplog)
    assert logged == ["499"]


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
