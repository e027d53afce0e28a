"""Raw handlers as tools see them: endpoint names, errors and log lines."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import (
    Opcode,
    ProtocolError,
    RawWebSocketRoute,
    RawWebSocketSession,
    accept,
    add_raw_websocket,
    setup,
)
from tests.support.octets import masked
from tests.support.servers import Serve, application, forgotten, receive_on, running
from tests.support.sockets import reset
from tests.support.wire import Address, Wire

HELLO = masked(0x81, b"Hello")
CLOSE = masked(0x88, b"\x03\xe8")

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# -- the endpoint ----------------------------------------------------------------------------


async def chat(session: RawWebSocketSession, room: str = "lobby") -> None:
    """Talk."""


class Chat:
    """A chat."""

    async def __call__(self, session: RawWebSocketSession) -> None:
        pass

    async def talk(self, session: RawWebSocketSession) -> None:
        """In a method."""


#: A handler, and the name, the qualified name and the doc that tools show.
SHOWN: dict[str, tuple[Any, str, str, "str | None"]] = {
    "a function": (chat, "chat", "chat", "Talk."),
    "a partial": (functools.partial(chat, room="1"), "chat", "chat", "Talk."),
    "a partial of a partial": (
        functools.partial(functools.partial(chat, room="1"), room="2"),
        "chat",
        "chat",
        "Talk.",
    ),
    "a method": (Chat().talk, "talk", "Chat.talk", "In a method."),
    "an object": (Chat(), "Chat", "Chat", "A chat."),
    "a partial of an object": (functools.partial(Chat()), "Chat", "Chat", "A chat."),
}


@pytest.mark.parametrize(("handler", "name", "qualname", "doc"), SHOWN.values(), ids=SHOWN)
def test_the_handler_of_a_route_looks_like_the_users(
    handler: Any, name: str, qualname: str, doc: "str | None"
) -> None:
    app = web.Application()
    setup(app)
    endpoint = add_raw_websocket(app.router, "/", handler).handler
    assert endpoint.__name__ == name
    assert endpoint.__qualname__ == qualname
    assert endpoint.__module__ == __name__
    assert endpoint.__doc__ == doc


def test_each_route_has_one_handler_of_its_own() -> None:
    """aiohttp caches a chain of middlewares for each, and tools keep them in sets."""
    app = web.Application()
    setup(app)
    routes = [add_raw_websocket(app.router, path, chat) for path in ("/a", "/b")]
    assert all(route.handler is route.handler for route in routes)
    assert routes[0].handler is not routes[1].handler
    assert all(route.session_handler is chat for route in routes)


async def test_what_a_middleware_sees_of_the_endpoint(serve: Serve) -> None:
    seen: list[Any] = []

    @web.middleware
    async def look(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        seen.append(request.match_info)
        return await handler(request)

    app = application(chat)
    app.middlewares.append(look)
    wire = await Wire.upgrade(await serve(app))
    await wire.read_to_end()
    await wire.close()
    [match_info] = seen
    assert isinstance(match_info.route, RawWebSocketRoute)
    assert match_info.handler.__qualname__ == "chat"


# -- the error of a handler ------------------------------------------------------------------


class Tracer:
    """The middleware of the documentation: what OpenTelemetry's or Sentry's would do."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def trace(request: web.Request, handler: WebHandler) -> web.StreamResponse:
            try:
                response = await handler(request)
            except Exception as error:
                self.errors.append(error)
                raise
            raised = getattr(response, "handler_exception", None)
            if raised is not None:
                self.errors.append(raised)
            return response

        return trace


async def fail(session: RawWebSocketSession) -> None:
    await session.receive()
    raise LookupError("no such room")


async def leave(session: RawWebSocketSession) -> None:
    await session.receive()


async def cancel(session: RawWebSocketSession) -> None:
    raise asyncio.CancelledError


#: A handler, what its peer sends, and what it is seen to have raised.
RAISED: list[tuple[Any, bytes, "type[BaseException] | None"]] = [
    (fail, HELLO, LookupError),
    (receive_on, masked(0x83), ProtocolError),
    (receive_on, CLOSE, None),
    (leave, HELLO, None),
]


@pytest.mark.parametrize(("handler", "sent", "kind"), RAISED)
async def test_the_error_of_a_handler_is_seen_by_middlewares(
    handler: Any, sent: bytes, kind: "type[BaseException] | None"
) -> None:
    tracer = Tracer()
    app = application(handler)
    app.middlewares.append(tracer.middleware)
    async with running(app) as (runner, address):
        await visit(address, sent)
        await forgotten(runner)
    assert [type(error) for error in tracer.errors] == ([] if kind is None else [kind])
    for error in tracer.errors:
        assert error.__traceback__ is not None


async def visit(address: Address, sent: bytes) -> None:
    wire = await Wire.upgrade(address, behind=sent)
    with contextlib.suppress(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()


async def test_the_error_of_an_accepted_block_is_seen_too() -> None:
    """It leaves the handler, unless it ends with the block."""

    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request) as session:
            frame = await session.receive()
            if frame.opcode == Opcode.TEXT:
                raise LookupError("no such room")
        return session.response

    tracer = Tracer()
    app = web.Application(middlewares=[tracer.middleware])
    setup(app)
    app.router.add_get("/", handler)
    async with running(app) as (runner, address):
        for sent in (HELLO, masked(0x83), CLOSE):
            await visit(address, sent)
        await forgotten(runner)
    assert [type(error) for error in tracer.errors] == [LookupError, ProtocolError]


async def test_a_session_shows_the_request_as_it_was_sent(serve: Serve) -> None:
    """What aiohttp keeps of a request for speed is let go; it is made anew."""
    seen: list[tuple[object, ...]] = []

    def note(request: web.Request) -> None:
        url = str(request.rel_url), request.path, request.query_string, request.remote
        names = [*request.raw_headers], request.headers["Host"], request.headers["Upgrade"]
        seen.append((request.method, request.version, *url, *names))

    @web.middleware
    async def before(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        note(request)
        return await handler(request)

    async def handle(session: RawWebSocketSession) -> None:
        assert session.request is not None
        note(session.request)
        await session.close()

    app = web.Application(middlewares=[before])
    setup(app)
    add_raw_websocket(app.router, "/ws", handle)
    wire = await Wire.upgrade(await serve(app), "/ws?a=b")
    await wire.read_frame()
    await wire.close()
    assert seen[0] == seen[1]
    assert seen[0][2:5] == ("/ws?a=b", "/ws", "a=b")


async def test_the_response_forgets_the_error() -> None:
    """Or else it, the error's frames and their session would hold each other."""
    responses: list[Any] = []

    @web.middleware
    async def keep(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        responses.append(await handler(request))
        assert isinstance(responses[0].handler_exception, LookupError)
        return responses[0]

    app = application(fail)
    app.middlewares.append(keep)
    async with running(app) as (runner, address):
        await visit(address, HELLO)
        await forgotten(runner)
    assert responses[0].handler_exception is None


# -- the log ---------------------------------------------------------------------------------


async def lines_of(app: web.Application, sent: bytes, path: str, *, lose: bool = False) -> str:
    """What the only visitor was to the log: `GET /path from 127.0.0.1:port`."""
    async with running(app) as (runner, address):
        wire = await Wire.upgrade(address, path, behind=sent)
        host, port = wire.transport.get_extra_info("sockname")
        if lose:
            reset(wire)
        else:
            with contextlib.suppress(ConnectionResetError):
                await wire.read_to_end()
        await wire.close()
        await forgotten(runner)
    return f"GET {path.partition('?')[0]} from {host}:{port}"


LINES: dict[str, tuple[Any, bytes, str, str]] = {
    "an error": (fail, HELLO, "ERROR", "Error in the raw WebSocket handler of {}"),
    "a violation": (
        receive_on,
        masked(0x83),
        "WARNING",
        "Raw WebSocket of {} aborted: the opcode is reserved",
    ),
    "the end": (receive_on, b"", "DEBUG", "Raw WebSocket of {} ended: the connection was lost"),
    "no Close sent": (leave, HELLO, "DEBUG", "No Close was sent by the handler of {}"),
    "a Close unanswered": (leave, CLOSE, "DEBUG", "The peer's Close was left unanswered by {}"),
}


@pytest.mark.parametrize(("handler", "sent", "level", "line"), LINES.values(), ids=LINES)
async def test_a_line_names_the_request_and_the_peer(
    handler: Any, sent: bytes, level: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")
    app = web.Application()
    setup(app)
    add_raw_websocket(app.router, "/rooms/{room}", handler)
    visitor = await lines_of(app, sent, "/rooms/1?token=secret", lose=not sent)
    [record] = [record for record in caplog.records if record.name == "aiohttp_rawws"]
    assert record.levelname == level
    assert record.getMessage().startswith(line.format(visitor))


async def good_bye(session: RawWebSocketSession) -> None:
    await session.close()


async def answer_the_close(session: RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


@pytest.mark.parametrize("handler", [good_bye, answer_the_close])
async def test_nothing_is_said_of_a_good_end(
    handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")
    await lines_of(application(handler), CLOSE, "/")
    assert not [record for record in caplog.records if record.name == "aiohttp_rawws"]


async def test_an_end_that_escapes_with_an_unanswered_close_is_two_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")
    visitor = await lines_of(application(receive_on), CLOSE, "/")
    assert [record.getMessage() for record in caplog.records if record.name == "aiohttp_rawws"] == [
        f"Raw WebSocket of {visitor} ended: the peer has sent a Close",
        f"The peer's Close was left unanswered by {visitor}",
    ]


async def test_an_address_that_a_middleware_has_set(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As aiohttp-remotes does, of what a proxy tells."""

    @web.middleware
    async def remote(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        return await handler(request.clone(remote="203.0.113.9"))

    app = application(receive_on)
    app.middlewares.append(remote)
    await lines_of(app, masked(0x83), "/")
    assert "Raw WebSocket of GET / from 203.0.113.9 aborted" in caplog.text
