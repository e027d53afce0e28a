"""The ways to add a raw route."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws.server.installed import INSTALLED
from aiohttp_rawws.server.routes import RawWebSocketRoute
from aiohttp_rawws.server.setup import (
    RawWebSocketRouteDef,
    RouteTableDef,
    add_raw_websocket,
    raw_websocket,
    setup,
)
from aiohttp_rawws.session.session import RawWebSocketSession
from aiohttp_rawws.wire.frames import Frame
from aiohttp_rawws.wire.names import Violation
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import Serve
from tests.support.wire import Address, Wire


async def handler(session: RawWebSocketSession) -> None:
    await session.send(Frame.text(session.protocol or "none"))


async def other_handler(session: RawWebSocketSession) -> None:
    await session.send(Frame.text("other"))


async def page(request: web.Request) -> web.Response:
    return web.Response(text="page")


async def status_of(address: Address, path: str = "/ws", **changes: str) -> int:
    wire = await Wire.open(address)
    wire.send(request(path, **changes))
    status, _ = await wire.read_head()
    if status == 101:
        await wire.read_to_end()
    await wire.close()
    return status


# -- Adding routes. --------------------------------------------------------------------------------


Adder = Callable[..., RawWebSocketRoute]


def by_method(app: web.Application) -> Adder:
    method: Adder = app.router.add_raw_websocket  # type: ignore[attr-defined]
    return method


def by_function(app: web.Application) -> Adder:
    return functools.partial(add_raw_websocket, app.router)


def by_definition(app: web.Application) -> Adder:
    def add(*args: Any, **kwargs: Any) -> RawWebSocketRoute:
        (route,) = app.add_routes([raw_websocket(*args, **kwargs)])
        assert isinstance(route, RawWebSocketRoute)
        return route

    return add


def by_table(app: web.Application) -> Adder:
    def add(path: Any, handler: Any, *args: Any, **kwargs: Any) -> RawWebSocketRoute:
        table = RouteTableDef()
        assert table.raw_websocket(path, *args, **kwargs)(handler) is handler
        (route,) = app.add_routes(table)
        assert isinstance(route, RawWebSocketRoute)
        return route

    return add


WAYS = pytest.mark.parametrize("way", [by_method, by_function, by_definition, by_table])


@WAYS
def test_every_way_gives_the_same_route(way: Callable[[web.Application], Adder]) -> None:
    app = web.Application()
    setup(app)
    add = way(app)
    route = add("/ws/{id}", handler, "chat", name="ws", linger=5)
    assert (route.session_handler, route.protocol, route.name) == (handler, "chat", "ws")
    assert route.resource is app.router["ws"]
    resource = app.router.add_resource("/page")
    assert add(resource, handler).url_for() == resource.url_for()
    assert add("/several", handler, protocol=["a", "b"]).protocol == ("a", "b")
    assert len(app.router.routes()) == 3


@WAYS
@pytest.mark.parametrize(
    ("arguments", "changes", "error", "match"),
    [
        (("/ws", print), {}, TypeError, "async def handler"),
        ((5, handler), {}, TypeError, "path must be"),
        (("ws", handler), {}, ValueError, "path should be"),
        (("/ws", handler, ""), {}, ValueError, "a subprotocol is"),
        (("/ws", handler, []), {}, ValueError, "names nothing"),
        (("/ws", handler), {"linger": -1}, ValueError, "linger must be"),
        (("/ws", handler), {"lingre": 1}, TypeError, "no such option: lingre; there are max_"),
        (("/ws", handler), {"name": "a b"}, ValueError, "Incorrect route name"),
        (("/ws", handler), {"name": "taken"}, ValueError, "Duplicate"),
        (("/ws", handler, None, "name"), {}, TypeError, "positional"),
    ],
)
def test_every_way_refuses_the_same(
    way: Callable[[web.Application], Adder],
    arguments: Any,
    changes: Any,
    error: type[Exception],
    match: str,
) -> None:
    """And leaves nothing behind."""
    app = web.Application()
    setup(app)
    app.router.add_resource("/taken", name="taken")
    with pytest.raises(error, match=match):
        way(app)(*arguments, **changes)
    assert len(app.router.resources()) == 1


@WAYS
def test_every_way_says_to_call_setup_first(way: Callable[[web.Application], Adder]) -> None:
    app = web.Application()
    with pytest.raises(RuntimeError, match=re.escape("call `aiohttp_rawws.setup(app)` first")):
        way(app)("/ws", handler)
    assert len(app.router.resources()) == 0


def test_a_sub_application_needs_a_setup_of_its_own() -> None:
    app, sub = web.Application(), web.Application()
    setup(app)
    with pytest.raises(RuntimeError, match="setup"):
        add_raw_websocket(sub.router, "/ws", handler)
    setup(sub, linger=5)
    add_raw_websocket(sub.router, "/ws", handler)
    assert app[INSTALLED] is not sub[INSTALLED]
    assert app[INSTALLED].options != sub[INSTALLED].options


@WAYS
def test_a_frozen_router(way: Callable[[web.Application], Adder]) -> None:
    app = web.Application()
    setup(app)
    app.freeze()
    with pytest.raises(RuntimeError, match="frozen router"):
        way(app)("/ws", handler)


def test_the_signatures_of_the_contract() -> None:
    tail = ["path", "handler", "protocol", "name", "overrides"]
    app = web.Application()
    setup(app)
    assert list(inspect.signature(by_method(app)).parameters) == tail
    assert list(inspect.signature(add_raw_websocket).parameters) == ["router", *tail]
    assert list(inspect.signature(raw_websocket).parameters) == tail
    decorator = RouteTableDef().raw_websocket
    assert list(inspect.signature(decorator).parameters) == ["path", *tail[2:]]
    functions: list[Callable[..., Any]] = [add_raw_websocket, raw_websocket, decorator]
    for function in [by_method(app), *functions]:
        signature = inspect.signature(function)
        assert signature.parameters["protocol"].default is None
        assert signature.parameters["name"].default is None
        assert signature.parameters["name"].kind is inspect.Parameter.KEYWORD_ONLY
        assert signature.parameters["overrides"].kind is inspect.Parameter.VAR_KEYWORD


# -- Definitions and tables. -----------------------------------------------------------------------


def test_a_definition() -> None:
    definition = raw_websocket("/ws", handler, "chat", name="ws", linger=5)
    assert isinstance(definition, web.AbstractRouteDef)
    assert isinstance(definition, RawWebSocketRouteDef)
    assert definition == raw_websocket("/ws", handler, "chat", name="ws", linger=5)
    assert definition != raw_websocket("/ws", handler, "chat", name="ws")
    assert "'/ws'" in repr(definition)
    for _ in range(2):
        app = web.Application()
        setup(app)
        (route,) = app.add_routes([definition])
        assert route.name == "ws"


def test_a_table_is_aiohttps_own_and_holds_both_kinds() -> None:
    table = RouteTableDef()

    @table.get("/ws")
    async def get(request: web.Request) -> web.Response:
        return web.Response()

    @table.raw_websocket("/ws", "chat", name="chat")
    async def chat(session: RawWebSocketSession) -> None:
        pass

    @table.raw_websocket("/ws", max_frame_size=5)
    async def small(session: RawWebSocketSession) -> None:
        pass

    table.static("/static", ".")
    assert isinstance(table, web.RouteTableDef)
    assert len(table) == 4
    assert table[1] in table
    assert table[1] == raw_websocket("/ws", chat, "chat", name="chat")
    assert table[1:3] == [table[1], raw_websocket("/ws", small, max_frame_size=5)]
    assert list(table)[1:3] == table[1:3]
    app = web.Application()
    setup(app)
    app.add_routes(table[:3])
    assert [route.method for route in app.router.routes()] == ["HEAD", "GET", "GET", "GET"]


def test_the_decorator_without_a_path() -> None:
    table: Any = RouteTableDef()
    with pytest.raises(TypeError, match=r"@routes\.raw_websocket\(path\)"):
        table.raw_websocket(handler)
    assert len(table) == 0


# -- What is served. -------------------------------------------------------------------------------


@WAYS
async def test_every_way_serves(serve: Serve, way: Callable[[web.Application], Adder]) -> None:
    app = web.Application()
    app.router.add_get("/ws", page)
    setup(app)
    way(app)("/ws", other_handler)
    way(app)("/ws", handler, ["v1", "v2"])
    address = await serve(app)
    wire = await Wire.open(address)
    wire.send(request("/ws", Sec_WebSocket_Protocol="v0, v2"))
    status, headers = await wire.read_head()
    assert (status, headers["Sec-WebSocket-Protocol"]) == (101, "v2")
    assert await wire.read_frame() == (0x81, b"v2")
    await wire.close()
    wire = await Wire.upgrade(address, "/ws")
    assert await wire.read_frame() == (0x81, b"other")
    await wire.close()
    assert await status_of(address, Upgrade="", Connection="close") == 200


async def test_overrides_are_for_one_route(serve: Serve) -> None:
    seen = []

    async def look(session: RawWebSocketSession) -> None:
        seen.append(session.max_frame_size)

    def negotiate(offer: str) -> str:
        return "x-negotiated"

    app = web.Application()
    setup(app, max_frame_size=1000, origins=[None])
    add_raw_websocket(app.router, "/ws", look)
    add_raw_websocket(
        app.router,
        "/other",
        look,
        max_frame_size=2000,
        origins=["https://a"],
        extensions=negotiate,
        reject=Violation.NONE,
        receive_limit=10,
        linger=0,
    )
    address = await serve(app)
    assert await status_of(address, "/ws") == 101
    assert await status_of(address, "/ws", Origin="https://a") == 403
    assert await status_of(address, "/other") == 403
    wire = await Wire.open(address)
    wire.send(request("/other", Origin="https://a", Sec_WebSocket_Extensions="x-offered"))
    status, headers = await wire.read_head()
    assert (status, headers["Sec-WebSocket-Extensions"]) == (101, "x-negotiated")
    await wire.read_to_end()
    await wire.close()
    assert seen == [1000, 2000]


async def test_applications_are_independent(serve: Serve) -> None:
    app, sub, domain = web.Application(), web.Application(), web.Application()
    for number, one in enumerate((app, sub, domain), 1):
        setup(one, max_frame_size=number)

        async def look(session: RawWebSocketSession) -> None:
            await session.send(Frame.text(str(session.max_frame_size)))

        add_raw_websocket(one.router, f"/ws{number}", look)
    app.add_subapp("/sub", sub)
    app.add_domain("domain.example", domain)
    address = await serve(app)
    for path, host, size in [
        ("/ws1", "example.test", b"1"),
        ("/sub/ws2", "example.test", b"2"),
        ("/ws3", "domain.example", b"3"),
    ]:
        wire = await Wire.open(address)
        wire.send(request(path, Host=host))
        await wire.read_head()
        assert await wire.read_frame() == (0x81, size)
        await wire.close()


async def test_shutdown_is_hooked_in(serve: Serve) -> None:
    """The handler of a sub-application too ends with its server, and can still say good-bye."""

    async def wait(session: RawWebSocketSession) -> None:
        try:
            async for frame in session:
                await session.send(frame)
        finally:
            await session.close(1001)

    app, sub = web.Application(), web.Application()
    setup(sub)
    add_raw_websocket(sub.router, "/ws", wait)
    app.add_subapp("/sub", sub)
    wire = await Wire.upgrade(await serve(app), "/sub/ws", masked(0x81, b"ready"))
    assert await wire.read_frame() == (0x81, b"ready")
    await app.shutdown()
    assert await wire.read_frame() == (0x88, b"\x03\xe9")
    await wire.close()


def test_the_names_of_the_contract() -> None:
    assert aiohttp_rawws.setup is setup
    assert aiohttp_rawws.add_raw_websocket is add_raw_websocket
    assert aiohttp_rawws.raw_websocket is raw_websocket
    assert aiohttp_rawws.RouteTableDef is RouteTableDef
    assert aiohttp_rawws.RawWebSocketRoute is RawWebSocketRoute
