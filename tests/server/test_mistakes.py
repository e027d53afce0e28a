"""Mistakes of a caller on the server: each error says what to do instead."""

import functools
import logging
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from aiohttp_rawws import Frame, RawWebSocketSession, accept, add_raw_websocket, setup
from aiohttp_rawws.layers import PermessageDeflate
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import Serve, application, echo
from tests.support.wire import Wire, only_response, raw_bytes

HELLO = masked(0x81, b"Hello")

# -- setup -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sub", [False, True])
def test_the_method_of_the_router_without_setup(sub: bool) -> None:
    app = web.Application()
    if sub:
        # That of the application above is no help.
        setup(app)
        app = web.Application()
    with pytest.raises(RuntimeError, match=r"call `aiohttp_rawws.setup\(app\)` first"):
        app.router.add_raw_websocket("/ws", echo)  # type: ignore[attr-defined]


@pytest.mark.parametrize("router", [web.Application(), None, "/ws"])
def test_what_is_no_router(router: Any) -> None:
    with pytest.raises(TypeError, match=r"added to a router, app\.router, got"):
        add_raw_websocket(router, "/ws", echo)


# -- extensions ------------------------------------------------------------------------------


def no_argument() -> str:
    return ""


def two_arguments(offer: str, level: int) -> str:
    return ""


#: What cannot negotiate, and what is said of it.
NEGOTIATE: list[tuple[Any, str]] = [
    (PermessageDeflate, r"write PermessageDeflate\.accept"),
    (str, "a class is none"),
    (no_argument, "too many positional arguments"),
    (two_arguments, "missing a required argument: 'level'"),
    (functools.partial(two_arguments), "missing a required argument"),
    ("permessage-deflate", "got 'permessage-deflate'"),
    (True, "got True"),
]


@pytest.mark.parametrize(("extensions", "said"), NEGOTIATE)
def test_extensions_that_cannot_negotiate(extensions: Any, said: str) -> None:
    app = web.Application()
    with pytest.raises(TypeError, match=f"extensions must be None or a plain function.*{said}"):
        setup(app, extensions=extensions)
    setup(app)
    with pytest.raises(TypeError, match=said):
        add_raw_websocket(app.router, "/ws", echo, extensions=extensions)
    with pytest.raises(TypeError, match=said):
        accept(make_mocked_request("GET", "/"), extensions=extensions)
    assert len(app.router.routes()) == 0


@pytest.mark.parametrize(
    "extensions",
    [
        PermessageDeflate.accept,
        functools.partial(PermessageDeflate.accept, level=1),
        functools.partial(two_arguments, level=1),
        lambda offer, level=5: None,
        lambda *offers: None,
        "{}".format,
    ],
)
def test_extensions_that_can(extensions: Any) -> None:
    setup(web.Application(), extensions=extensions)


@pytest.mark.parametrize("value", [5, b"permessage-deflate", "", " ", "a\r\nX: y", ["a"], True])
async def test_a_value_that_is_none_of_the_101(
    serve: Serve, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def negotiate(offer: str) -> Any:
        return value

    address = await serve(application(echo, extensions=negotiate))
    answer = await raw_bytes(address, request(Sec_WebSocket_Extensions="a") + HELLO)
    assert only_response(answer)[0] == 500
    assert f"given as extensions=, returned {value!r}: it must return" in caplog.text
    assert "negotiate at 0x" in caplog.text


# -- handlers --------------------------------------------------------------------------------


async def no_session() -> None:
    pass


async def two_sessions(a: RawWebSocketSession, b: RawWebSocketSession) -> None:
    pass


async def named_alone(*, session: RawWebSocketSession) -> None:
    pass


def not_async(session: RawWebSocketSession) -> None:
    pass


async def generator(session: RawWebSocketSession) -> Any:
    yield await session.receive()


class View(web.View):
    async def get(self) -> None:
        pass


HANDLERS: list[tuple[Any, str]] = [
    (no_session, "called with a session alone: too many positional arguments"),
    (two_sessions, "called with a session alone: missing a required argument: 'b'"),
    (named_alone, "called with a session alone: too many positional arguments"),
    (functools.partial(two_sessions), "missing a required argument"),
    (not_async, "async def handler"),
    (generator, "async def handler"),
    (View, "async def handler"),
    (lambda session: echo(session), "async def handler"),
]


@pytest.mark.parametrize(("handler", "said"), HANDLERS)
def test_what_is_no_handler(handler: Any, said: str) -> None:
    app = web.Application()
    setup(app)
    with pytest.raises(TypeError, match=r"a raw WebSocket handler is `async def handler.*") as told:
        add_raw_websocket(app.router, "/ws", handler)
    assert said in str(told.value)
    assert len(app.router.routes()) == 0


async def session_and_more(session: RawWebSocketSession, room: str = "") -> None:
    pass


@pytest.mark.parametrize(
    "handler",
    [functools.partial(echo), functools.partial(session_and_more, room="a"), session_and_more],
)
def test_what_takes_a_session_and_more(handler: Any) -> None:
    app = web.Application()
    setup(app)
    add_raw_websocket(app.router, "/ws", handler)


async def test_a_handler_that_returns_a_response(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(session: RawWebSocketSession) -> Any:
        await session.send(Frame.text("all"))
        return web.Response(text="nobody sees this")

    wire = await Wire.upgrade(await serve(application(handler)))
    assert await wire.read_to_end() == b"\x81\x03all"
    await wire.close()
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "returned <Response OK not prepared>, which nobody gets" in record.getMessage()
    assert "use accept() in an ordinary handler" in record.getMessage()


@pytest.mark.parametrize("make", [web.HTTPForbidden, lambda: web.HTTPFound("/login")])
async def test_a_handler_that_refuses_after_the_101(
    serve: Serve, make: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(session: RawWebSocketSession) -> None:
        raise make()

    wire = await Wire.upgrade(await serve(application(handler)))
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "after the 101 no client gets a response" in record.getMessage()
    assert "refuse in a middleware or before accept()" in record.getMessage()


async def test_an_accepted_block_that_refuses_after_the_101(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp takes it for an answer, and would say nothing."""

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request):
            raise web.HTTPForbidden

    app = web.Application()
    app.router.add_get("/", handler)
    wire = await Wire.upgrade(await serve(app))
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()
    [record] = caplog.records
    assert "after the 101 no client gets a response" in record.getMessage()


# -- accept ----------------------------------------------------------------------------------

WRONG_WAYS: dict[str, tuple[Callable[[web.Request], Any], str]] = {}


def wrong_way(said: str) -> Callable[[Any], Any]:
    def note(function: Any) -> Any:
        WRONG_WAYS[function.__name__] = (function, said)
        return function

    return note


@wrong_way(r"write `async with accept\(request\) as session:`")
async def awaited(request: web.Request) -> None:
    await accept(request)  # type: ignore[misc]


@wrong_way(r"no attribute 'receive'; accept\(\) is a context manager: write `async with")
async def used_as_a_session(request: web.Request) -> None:
    session: Any = accept(request)
    await session.receive()


@wrong_way(r"accept takes the web\.Request that an ordinary handler gets, got <")
async def given_no_request(request: web.Request) -> None:
    accept(request.app)  # type: ignore[arg-type]


@pytest.mark.parametrize(("function", "said"), WRONG_WAYS.values(), ids=WRONG_WAYS)
async def test_accept_used_otherwise(
    serve: Serve, function: Callable[[web.Request], Awaitable[None]], said: str
) -> None:
    """And the request may still be accepted."""

    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises((TypeError, AttributeError), match=said):
            await function(request)
        async with accept(request) as session:
            await session.send(Frame.text("all"))
        return session.response

    app = web.Application()
    app.router.add_get("/", handler)
    wire = await Wire.upgrade(await serve(app))
    assert await wire.read_to_end() == b"\x81\x03all"
    await wire.close()


def test_accept_that_is_not_entered() -> None:
    """As Python says of a coroutine that was never awaited."""
    with pytest.warns(RuntimeWarning, match=r"<Request GET / > was not entered: .* write `async"):
        accept(make_mocked_request("GET", "/"))


def test_other_attributes_are_missed_as_ever() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        accepting: Any = accept(make_mocked_request("GET", "/"))
        with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
            _ = accepting.nonsense
        del accepting
