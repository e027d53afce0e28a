"""Raw routes in aiohttp's router: its lists, its resources and its handlers."""

import functools
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from aiohttp_rawws import RawWebSocketSession
from aiohttp_rawws.server.handler_run import SessionHandler
from aiohttp_rawws.server.route_order import raw_first
from aiohttp_rawws.server.routes import (
    RawWebSocketResource,
    RawWebSocketRoute,
    RefusedMatchInfo,
)
from aiohttp_rawws.server.setup import add_raw_websocket
from tests.support.routes import ADD, application, ask, ordinary, raw, told_by, upgrade
from tests.support.servers import Serve

# -- Asking the router a second time. --------------------------------------------------------------


class Elsewhere(web.PlainResource):
    """Asks the router about another path before it answers for its own."""

    def __init__(self, router: web.UrlDispatcher, path: str, other: str) -> None:
        super().__init__(path)
        self.router = router
        self.other = other
        self.found: list[web.UrlMappingMatchInfo] = []

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        if request.rel_url.path == self.canonical:
            found = await self.router.resolve(request.clone(rel_url=self.other))
            self.found.append(found)
        return await super().resolve(request)


async def test_a_askedwithin_a_askedis_refused_on_its_own() -> None:
    app = application()
    elsewhere = Elsewhere(app.router, "/ws", "/other")
    app.router.register_resource(elsewhere)
    add_raw_websocket(app.router, "/ws", raw("ws"))
    add_raw_websocket(app.router, "/other", raw("other"))
    match = await app.router.resolve(make_mocked_request("GET", "/ws"))
    assert isinstance(match, RefusedMatchInfo)
    assert match.refusal.status == 426
    (found,) = elsewhere.found
    assert isinstance(found, RefusedMatchInfo)
    assert found.refusal.status == 426
    assert found.route.resource is not None
    assert found.route.resource.canonical == "/other"


async def test_an_error_within_leaves_no_trace() -> None:
    class BrokenOnce(web.PlainResource):
        broken = True

        async def resolve(
            self, request: web.Request
        ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
            if self.broken:
                self.broken = False
                raise LookupError
            return None, set()

    app = application()
    add_raw_websocket(app.router, "/ws", raw("ws"))
    app.router.register_resource(BrokenOnce("/ws"))
    request = make_mocked_request("GET", "/ws")
    with pytest.raises(LookupError):
        await app.router.resolve(request)
    for _ in range(2):
        assert await told_by(app, request) == 426


# -- Resources and routes as aiohttp lists them. ---------------------------------------------------


def test_a_route_as_aiohttp_knows_it() -> None:
    app = application()
    handler = raw("room")
    route = add_raw_websocket(app.router, "/rooms/{id}", handler, ["v2", "v1"], name="room")
    assert isinstance(route, web.AbstractRoute)
    assert isinstance(route, RawWebSocketRoute)
    assert (route.name, route.method, route.protocol) == ("room", "GET", ("v2", "v1"))
    assert route.session_handler is handler
    assert route.handler is route.handler
    assert route.resource is app.router["room"]
    assert isinstance(route.resource, RawWebSocketResource)
    assert route.url_for(id="a b") == route.resource.url_for(id="a b") == URL("/rooms/a b")
    assert route.get_info() == route.resource.get_info()
    assert route.get_info()["formatter"] == "/rooms/{id}"
    assert route.get_info()["pattern"].fullmatch("/rooms/5")
    assert list(app.router.routes()) == [route]
    assert list(app.router.resources()) == [route.resource]
    assert (len(route.resource), list(route.resource)) == (1, [route])
    assert not route.resource.raw_match("/rooms/{id}")
    assert repr(route.resource) == "<RawWebSocketResource 'room' /rooms/{id}>"
    assert repr(route).startswith("<RawWebSocketRoute <RawWebSocketResource 'room' /rooms/{id}>")
    with pytest.raises(KeyError):
        route.url_for()


def test_a_plain_route() -> None:
    app = application()
    route = add_raw_websocket(app.router, "/ws", raw("ws"), "chat")
    assert (route.name, route.protocol) == (None, "chat")
    assert route.url_for() == URL("/ws")
    assert route.get_info() == {"path": "/ws"}
    assert repr(route.resource) == "<RawWebSocketResource /ws>"
    assert add_raw_websocket(app.router, "/ws", raw("ws")).protocol is None
    with pytest.raises(TypeError):
        route.url_for(id="5")


def test_routes_are_listed_in_order_of_registration() -> None:
    app = application()
    first = app.router.add_post("/ws", ordinary("post"))
    second = add_raw_websocket(app.router, "/ws", raw("any"))
    third = add_raw_websocket(app.router, "/ws", raw("chat"), "chat")
    fourth = app.router.add_put("/ws", ordinary("put"))
    assert list(app.router.routes()) == [first, second, third, fourth]
    assert fourth.resource is not second.resource


def test_names_are_unique_and_wellformed() -> None:
    app = application()
    add_raw_websocket(app.router, "/ws", raw("ws"), name="chat.room:first")
    with pytest.raises(ValueError, match=r"Duplicate 'chat\.room:first'"):
        add_raw_websocket(app.router, "/other", raw("other"), name="chat.room:first")
    with pytest.raises(ValueError, match=r"Duplicate 'chat\.room:first'"):
        app.router.add_get("/other", ordinary("other"), name="chat.room:first")
    with pytest.raises(ValueError, match="Incorrect route name 'class'"):
        add_raw_websocket(app.router, "/other", raw("other"), name="class")
    assert len(app.router.resources()) == 1


def test_prefixes_of_sub_applications() -> None:
    inner, outer, app = application(), web.Application(), web.Application()
    plain = add_raw_websocket(inner.router, "/ws", raw("ws"), name="plain")
    root = add_raw_websocket(inner.router, "", raw("root"))
    dynamic = add_raw_websocket(inner.router, "/rooms/{id}", raw("room"))
    outer.add_subapp("/inner", inner)
    app.add_subapp("/out.er", outer)
    assert plain.url_for() == inner.router["plain"].url_for() == URL("/out.er/inner/ws")
    assert root.url_for() == URL("/out.er/inner")
    assert dynamic.url_for(id="5") == URL("/out.er/inner/rooms/5")
    assert dynamic.resource is not None
    assert dynamic.resource.canonical == "/out.er/inner/rooms/{id}"
    pattern = dynamic.get_info()["pattern"]
    assert pattern.fullmatch("/out.er/inner/rooms/5")
    assert not pattern.fullmatch("/outer/inner/rooms/5")
    assert set(app.router.routes()) == {plain, root, dynamic}


async def test_an_empty_path_is_the_root(serve: Serve) -> None:
    app, sub = application(), application()
    add_raw_websocket(app.router, "", raw("root"))
    add_raw_websocket(sub.router, "", raw("sub"))
    app.add_subapp("/sub", sub)
    address = await serve(app)
    assert (await upgrade(address, "/")).text == "raw root None"
    assert (await upgrade(address, "/sub")).text == "raw sub None"
    assert (await upgrade(address, "/sub/")).status == 404


# -- The path of an existing resource. -------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ws", "/{id}"])
async def test_a_resource_lends_its_path(serve: Serve, path: str) -> None:
    app, sub = web.Application(), application()
    resource = sub.router.add_resource(path, name="page")
    route = add_raw_websocket(sub.router, resource, raw("ws"), "chat", name="socket")
    resource.add_route("GET", ordinary("get"))
    assert route.resource is not resource
    assert sub.router["page"] is resource
    assert sub.router["socket"] is route.resource
    app.add_subapp("/sub", sub)
    assert route.resource.canonical == resource.canonical == "/sub" + path
    address = await serve(app)
    assert (await upgrade(address, "/sub/ws", "chat")).text == "raw ws chat"
    assert (await upgrade(address, "/sub/ws")).text == "ordinary get"
    assert (await ask(address, "/sub/ws")).text == "ordinary get"


@pytest.mark.parametrize(
    "path", [None, 5, b"/ws", re.compile("/ws"), URL("/ws"), web.StaticResource("/ws", ".")]
)
def test_a_path_is_a_pattern_or_a_resource(path: Any) -> None:
    with pytest.raises(TypeError, match=r"path must be a path pattern or a web\.Resource"):
        add_raw_websocket(application().router, path, raw("ws"))


@pytest.mark.parametrize(
    ("path", "error"),
    [("ws", "path should be started with /"), ("/{", "Invalid path"), ("/{a:(}", "Bad pattern")],
)
def test_a_pattern_that_aiohttp_does_not_take(path: str, error: str) -> None:
    app = application()
    with pytest.raises(ValueError, match=error):
        add_raw_websocket(app.router, path, raw("ws"))
    assert len(app.router.resources()) == 0


# -- Handlers. -------------------------------------------------------------------------------------


class Caller:
    async def __call__(self, session: RawWebSocketSession) -> None:
        pass

    async def method(self, session: RawWebSocketSession) -> None:
        pass


@pytest.mark.parametrize(
    "handler",
    [
        raw("ws"),
        functools.partial(raw("ws")),
        functools.partial(functools.partial(Caller().method)),
        functools.partial(Caller()),
        Caller().method,
        Caller(),
    ],
)
def test_coroutine_functions(handler: SessionHandler) -> None:
    assert add_raw_websocket(application().router, "/ws", handler).session_handler is handler


async def generator(session: RawWebSocketSession) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    "handler",
    [None, "handler", print, lambda session: None, generator, Caller, functools.partial(print)],
)
def test_anything_else(handler: Any) -> None:
    app = application()
    with pytest.raises(TypeError, match=r"async def handler\(session\)"):
        add_raw_websocket(app.router, "/ws", handler)
    assert len(app.router.resources()) == 0


def test_raw_first_twice_changes_nothing() -> None:
    app = application()
    for kind in ("all", "get", "any", "chat", "any"):
        ADD[kind](app.router, "/{id}", kind)
    app.add_domain("domain.example", web.Application())
    listed = list(app.router.resources())
    raw_first(app.router)
    raw_first(app.router)
    assert list(app.router.resources()) == listed
