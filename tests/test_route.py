"""Which route answers which request: real servers, requests written by hand."""

import asyncio
import functools
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict
from yarl import URL

from aiohttp_rawws import RawWebSocketSession
from aiohttp_rawws.server.handler_run import SessionHandler
from aiohttp_rawws.server.routes import (
    RawWebSocketResource,
    RawWebSocketRoute,
    RefusedMatchInfo,
    raw_first,
)
from aiohttp_rawws.server.setup import add_raw_websocket, setup
from aiohttp_rawws.wire.frames import Frame

from .conftest import Serve
from .wire import KEY, Address, Wire, request

Order = tuple[str, ...]

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
PLAIN = {"Connection": "", "Upgrade": ""}
FRAMES = (Frame.ping(b"GET / HTTP/1.1\r\n\r\n").encode() + b"\x00\xff") * 3


class Answer(NamedTuple):
    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def text(self) -> str:
        """The text of the response, or of the one short Text frame behind a 101."""
        return self.body[2 if self.status == 101 else 0 :].decode()


def raw(tag: str) -> SessionHandler:
    async def handler(session: RawWebSocketSession) -> None:
        await session.send(Frame.text(f"raw {tag} {session.protocol}"))

    return handler


def ordinary(tag: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"ordinary {tag}")

    return handler


def application() -> web.Application:
    app = web.Application()
    setup(app)
    return app


async def upgrade(
    address: Address,
    path: str,
    protocol: str = "",
    *,
    behind: bytes = b"",
    version: str = "1.1",
    **changes: str,
) -> Answer:
    """What a server says to one upgrade request, to the end of the connection if it closes."""
    changes = {"Sec-WebSocket-Protocol": protocol} | changes
    wire = await Wire.open(address)
    try:
        wire.send(request(path, version=version, **changes) + behind)
        status, headers = await wire.read_head()
        # To close is what HTTP/1.0 does unless told otherwise.
        connection = headers.get("Connection", "close" if version == "1.0" else "")
        if status == 101 or "close" in connection:
            return Answer(status, headers, await wire.read_to_end())
        return Answer(status, headers, await wire.read(int(headers["Content-Length"])))
    finally:
        await wire.close()


async def ask(address: Address, path: str, **changes: Any) -> Answer:
    """The same for an ordinary request."""
    return await upgrade(address, path, **PLAIN | changes)


# Sharing a path, in every order of registration.

ADD: dict[str, Callable[[web.UrlDispatcher, str, str], object]] = {
    "chat": lambda router, path, tag: add_raw_websocket(router, path, raw(tag), "chat"),
    "any": lambda router, path, tag: add_raw_websocket(router, path, raw(tag)),
    "get": lambda router, path, tag: router.add_get(path, ordinary(tag)),
    "post": lambda router, path, tag: router.add_post(path, ordinary(tag)),
    "all": lambda router, path, tag: router.add_route(
        "*", path.rpartition("/")[0] + "/{tail:.*}", ordinary(tag)
    ),
}

REQUESTS: dict[str, Callable[..., Awaitable[Answer]]] = {
    "upgrade to chat": functools.partial(upgrade, protocol="superchat, chat"),
    "upgrade to something": functools.partial(upgrade, protocol="Chat"),
    "upgrade": upgrade,
    "upgrade over 1.0": functools.partial(upgrade, version="1.0", protocol="chat"),
    "get": ask,
    "post": functools.partial(ask, method="POST"),
    "put to upgrade": functools.partial(upgrade, method="PUT"),
}

METHODS = {"chat": {"GET"}, "any": {"GET"}, "get": {"GET", "HEAD"}, "post": {"POST"}}
OF_METHOD = {"GET": "get", "POST": "post"}


def expected(asked: str, order: Order, dynamic: bool) -> tuple[int, str]:
    """What the contract says, written down a second time."""
    if asked == "upgrade to chat" and "chat" in order:
        return 101, "raw chat chat"
    if asked.startswith("upgrade") and not asked.endswith("1.0") and "any" in order:
        return 101, "raw any None"
    method = {"post": "POST", "put to upgrade": "PUT"}.get(asked, "GET")
    takers = [kind for kind in order if kind in ("all", OF_METHOD.get(method, ""))]
    if not dynamic:
        # aiohttp asks for the most explicit path first.
        takers.sort(key="all".__eq__)
    if takers:
        return 200, f"ordinary {takers[0]}"
    if method != "GET":
        return 405, ",".join(sorted(set().union(*(METHODS[kind] for kind in order))))
    return (426, "websocket") if asked == "get" else (400, "")


def told(answer: Answer) -> tuple[int, str]:
    if answer.status == 405:
        return 405, answer.headers["Allow"]
    if answer.status in (400, 426):
        return answer.status, answer.headers.get("Upgrade", "")
    return answer.status, answer.text


def orders(kinds: Iterable[str], *sizes: int) -> Iterator[Order]:
    """All orders of registration of so many of these kinds, raw ones among them."""
    for size in sizes:
        for order in itertools.permutations(kinds, size):
            if {"chat", "any"} & set(order):
                yield order


@pytest.mark.parametrize("dynamic", [False, True], ids=["plain", "dynamic"])
async def test_one_router(serve: Serve, dynamic: bool) -> None:
    app = application()
    cases = list(enumerate(orders(ADD, 1, 2, 3, 5)))
    for number, order in cases:
        for kind in order:
            ADD[kind](app.router, f"/{number}/" + ("{id}" if dynamic else "ws"), kind)
    address = await serve(app)
    for (number, order), asked in itertools.product(cases, REQUESTS):
        answer = await REQUESTS[asked](address, f"/{number}/ws")
        assert told(answer) == expected(asked, order, dynamic), (order, asked)


@pytest.mark.parametrize("dynamic", [False, True], ids=["plain", "dynamic"])
async def test_nested_sub_applications(serve: Serve, dynamic: bool) -> None:
    app = web.Application()
    cases = list(enumerate(orders(["chat", "any", "get", "all"], 4)))
    for number, order in cases:
        inner, outer = application(), web.Application()
        for kind in order:
            ADD[kind](inner.router, "/{id}" if dynamic else "/ws", kind)
        outer.add_subapp("/inner", inner)
        app.add_subapp(f"/{number}", outer)
    address = await serve(app)
    for (number, order), asked in itertools.product(cases, REQUESTS):
        answer = await REQUESTS[asked](address, f"/{number}/inner/ws")
        assert told(answer) == expected(asked, order, dynamic), (order, asked)


async def test_domains(serve: Serve) -> None:
    app = application()
    add_raw_websocket(app.router, "/ws", raw("of no domain"))
    cases = list(enumerate(orders(["chat", "any", "get", "post"], 4)))
    for number, order in cases:
        sub = application()
        for kind in order:
            ADD[kind](sub.router, "/sub/{id}", kind)
        app.add_domain(f"d{number}.example", sub)
    address = await serve(app)
    for (number, order), asked in itertools.product(cases, REQUESTS):
        answer = await REQUESTS[asked](address, "/sub/ws", Host=f"d{number}.example")
        assert told(answer) == expected(asked, order, dynamic=True), (order, asked)
    assert (await upgrade(address, "/ws")).text == "raw of no domain None"


async def test_the_router_knows_before_it_is_frozen_or_started() -> None:
    """Also where a prefix has moved it since."""
    for order in orders(["chat", "any", "get"], 1, 2, 3):
        inner = application()
        for kind in order:
            ADD[kind](inner.router, "/{id}", kind)
        request = make_mocked_request("GET", "/ws", UPGRADE)
        assert expected("upgrade", order, True)[0] == await told_by(inner, request), order
        app = web.Application()
        app.add_subapp("/sub", inner)
        request = make_mocked_request("GET", "/sub/ws", UPGRADE)
        assert expected("upgrade", order, True)[0] == await told_by(app, request), order


async def told_by(app: web.Application, request: web.Request) -> int:
    match = await app.router.resolve(request)
    if isinstance(match, RefusedMatchInfo):
        return match.refusal.status
    return 101 if isinstance(match.route, RawWebSocketRoute) else 200


# Several raw routes on one path.


async def test_the_first_registered_of_one_kind_wins(serve: Serve) -> None:
    app = application()
    for tag, protocol in [("1", None), ("2", None), ("3", "chat"), ("4", "chat")]:
        add_raw_websocket(app.router, "/ws", raw(tag), protocol)
    address = await serve(app)
    assert (await upgrade(address, "/ws")).text == "raw 1 None"
    assert (await upgrade(address, "/ws", "chat")).text == "raw 3 chat"


async def test_the_clients_order_chooses_within_a_route_and_registration_between_routes(
    serve: Serve,
) -> None:
    app = application()
    add_raw_websocket(app.router, "/ws", raw("1"), ["v1", "v2"])
    add_raw_websocket(app.router, "/ws", raw("2"), ("v2", "v3"))
    address = await serve(app)
    answer = await upgrade(address, "/ws", "v3, v2, v1")
    assert answer.text == "raw 1 v2"
    assert answer.headers["Sec-WebSocket-Protocol"] == "v2"
    assert (await upgrade(address, "/ws", "v3,v4")).text == "raw 2 v3"
    refused = await upgrade(address, "/ws", "v4")
    assert refused.status == 400
    assert "v1 or v2 or v3" in refused.text


async def test_a_more_explicit_path_wins_as_for_any_route_of_aiohttp(serve: Serve) -> None:
    app = application()
    add_raw_websocket(app.router, "/{tail:.*}", raw("tail"), "chat")
    add_raw_websocket(app.router, "/rooms/{id}", raw("room"))
    add_raw_websocket(app.router, "/rooms/lobby", raw("lobby"), ["lobby", "chat"])
    address = await serve(app)
    assert (await upgrade(address, "/rooms/lobby", "chat")).text == "raw lobby chat"
    assert (await upgrade(address, "/rooms/lobby")).text == "raw room None"
    assert (await upgrade(address, "/rooms/5", "chat")).text == "raw room None"
    assert (await upgrade(address, "/elsewhere", "chat")).text == "raw tail chat"
    assert "offer chat" in (await upgrade(address, "/elsewhere", "lobby")).text


async def test_raw_routes_of_parent_and_sub_application_share_a_path(serve: Serve) -> None:
    """The parent's is asked first, and refuses only if the sub-application has nothing."""
    app, sub = application(), application()
    add_raw_websocket(app.router, "/sub/ws", raw("parent"), "parent")
    add_raw_websocket(sub.router, "/ws", raw("sub"), "sub")
    sub.router.add_post("/ws", ordinary("post"))
    app.add_subapp("/sub", sub)
    address = await serve(app)
    assert (await upgrade(address, "/sub/ws", "sub, parent")).text == "raw parent parent"
    assert (await upgrade(address, "/sub/ws", "sub")).text == "raw sub sub"
    assert (await ask(address, "/sub/ws", method="POST")).text == "ordinary post"
    assert (await ask(address, "/sub/ws", method="PUT")).headers["Allow"] == "GET,POST"
    assert "offer parent or sub" in (await upgrade(address, "/sub/ws")).text
    assert (await ask(address, "/sub/ws")).status == 426


async def test_a_path_the_sub_application_does_not_have(serve: Serve) -> None:
    app = application()
    add_raw_websocket(app.router, "/sub/ws", raw("parent"))
    app.add_subapp("/sub", web.Application())
    address = await serve(app)
    assert (await upgrade(address, "/sub/ws")).text == "raw parent None"
    assert (await ask(address, "/sub/ws")).status == 426
    assert (await ask(address, "/sub/ws", method="POST")).headers["Allow"] == "GET"
    assert (await upgrade(address, "/sub/other")).status == 404


async def test_other_paths_are_none_of_ours(serve: Serve) -> None:
    app = application()
    add_raw_websocket(app.router, r"/rooms/{id:\d+}", raw("room"))
    app.router.add_get("/", ordinary("index"))
    address = await serve(app)
    assert (await upgrade(address, "/rooms/5")).status == 101
    assert (await upgrade(address, "/rooms/five")).status == 404
    assert (await upgrade(address, "/rooms/")).status == 404
    assert (await ask(address, "/", method="POST")).headers["Allow"] == "GET,HEAD"
    assert (await upgrade(address, "/")).text == "ordinary index"


async def test_view_and_static_resources_share_a_path(serve: Serve, tmp_path: Path) -> None:
    class View(web.View):
        async def get(self) -> web.Response:
            return web.Response(text="view")

    (tmp_path / "ws").write_text("static")
    app = application()
    app.router.add_static("/static", tmp_path)
    app.router.add_view("/view", View)
    add_raw_websocket(app.router, "/static/ws", raw("static"))
    add_raw_websocket(app.router, "/view", raw("view"))
    address = await serve(app)
    for path in ("/view", "/static/ws"):
        assert (await upgrade(address, path)).status == 101
        assert (await ask(address, path)).status == 200


# Refusals, each one clean response.

REFUSED: list[tuple[dict[str, str], int, dict[str, str]]] = [
    ({"method": "POST"}, 405, {"Allow": "GET"}),
    ({"method": "POST", "Content-Length": str(len(FRAMES))}, 405, {"Allow": "GET"}),
    ({"Upgrade": "h2c"}, 426, {"Upgrade": "websocket", "Connection": "Upgrade, close"}),
    ({"Connection": ""}, 426, {"Upgrade": "websocket", "Connection": "Upgrade, close"}),
    ({"Upgrade": "websocket, h2c"}, 400, {}),
    ({"Upgrade": "websocket,"}, 400, {}),
    ({"Sec-WebSocket-Version": "8"}, 426, {"Sec-WebSocket-Version": "13"}),
    ({"Sec-WebSocket-Key": "short"}, 400, {}),
    ({"Content-Length": str(len(FRAMES))}, 400, {}),
    ({"version": "1.0"}, 400, {}),
    ({"Sec-WebSocket-Protocol": "Chat"}, 400, {}),
    ({"Origin": "https://b"}, 403, {}),
]


@pytest.mark.parametrize("behind", [b"", FRAMES], ids=["alone", "pipelined"])
@pytest.mark.parametrize(("changes", "status", "told"), REFUSED)
async def test_refusal_is_one_response_that_closes(
    serve: Serve, changes: dict[str, str], status: int, told: dict[str, str], behind: bytes
) -> None:
    app = application()
    add_raw_websocket(app.router, "/ws", raw("chat"), "chat", origins=[None])
    if "Content-Length" in changes:
        behind = FRAMES + behind
    elif {"Connection", "Upgrade"} & changes.keys() and status == 426:
        # Not an upgrade to aiohttp either, which may parse on before it asks anybody.
        behind = b""
    answer = await upgrade(await serve(app), "/ws", "chat", behind=behind, **changes)
    assert answer.status == status
    assert {name: answer.headers[name] for name in told} == told
    assert "close" in answer.headers.get("Connection", "close")
    assert len(answer.body) == int(answer.headers["Content-Length"])


async def test_the_table_from_the_top(serve: Serve) -> None:
    """One more thing is right each time, and each time the next row applies."""
    app = application()
    add_raw_websocket(app.router, "/ws", raw("chat"), "chat", origins=["https://a"])
    app.router.add_put("/ws", ordinary("put"))
    address = await serve(app)
    changes = {
        "method": "POST",
        "Connection": "close",
        "Upgrade": "h2c, websocket",
        "Sec-WebSocket-Version": "8",
        "Sec-WebSocket-Key": "short",
        "Content-Length": "3",
        "version": "1.0",
    }
    steps: list[tuple[dict[str, str], int]] = [
        ({"method": "GET"}, 405),
        ({"Connection": "Upgrade"}, 426),
        ({"Upgrade": "websocket"}, 400),
        ({"Sec-WebSocket-Version": "13"}, 426),
        ({"Sec-WebSocket-Key": KEY}, 400),
        ({"Content-Length": "0"}, 400),
        ({"version": "1.1"}, 400),
        ({"Sec-WebSocket-Protocol": "chat"}, 400),
        ({"Origin": "https://a"}, 403),
        ({}, 101),
    ]
    texts = []
    for mended, status in steps:
        answer = await upgrade(address, "/ws", behind=b"abc", **changes)
        assert answer.status == status
        texts.append(answer.text)
        changes |= mended
    assert texts[-1] == "raw chat chat"
    assert len(set(texts)) == len(steps)


async def test_a_path_that_aiohttp_leaves_quoted(serve: Serve) -> None:
    seen = []

    async def handler(session: RawWebSocketSession) -> None:
        assert session.request is not None
        seen.append(dict(session.request.match_info))

    app = application()
    add_raw_websocket(app.router, "/rooms/{id}/{rest:.*}", handler)
    address = await serve(app)
    await upgrade(address, "/rooms/a%2Fb%25%20c/d/e")
    assert seen == [{"id": "a/b% c", "rest": "d/e"}]


# Middlewares.


def journal(name: str, seen: asyncio.Queue[Any]) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.put_nowait((name, "in", dict(request.match_info)))
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            seen.put_nowait((name, "refused", refusal.status))
            raise
        seen.put_nowait((name, "out", response.status))
        return response

    return middleware


async def test_middlewares_of_all_applications_run_once(serve: Serve) -> None:
    seen: asyncio.Queue[Any] = asyncio.Queue()
    inner = web.Application(middlewares=[journal("inner", seen)])
    setup(inner)
    add_raw_websocket(inner.router, "/{id}", raw("inner"), "chat")
    inner.router.add_get("/{id}", ordinary("get"))
    outer = web.Application(middlewares=[journal("outer", seen)])
    outer.add_subapp("/inner", inner)
    app = web.Application(middlewares=[journal("app", seen)])
    app.add_subapp("/outer", outer)
    address = await serve(app)
    names = ["app", "outer", "inner"]

    async def journey(*end: Any) -> None:
        entered = [(name, "in", {"id": "5"}) for name in names]
        left = [(name, *end) for name in reversed(names)]
        assert [await seen.get() for _ in entered + left] == entered + left
        assert seen.empty()

    for _ in range(2):
        assert (await upgrade(address, "/outer/inner/5", "chat")).status == 101
        await journey("out", 101)
        assert (await upgrade(address, "/outer/inner/5")).text == "ordinary get"
        await journey("out", 200)
        assert (await ask(address, "/outer/inner/5", method="PUT")).status == 405
        await journey("refused", 405)


async def test_middleware_chains_are_cached() -> None:
    """aiohttp keeps one for each handler: a new one for each request would push out the others."""
    app = application()
    add_raw_websocket(app.router, "/ws", raw("ws"))
    add_raw_websocket(app.router, "/other", raw("other"))
    handlers = set()
    for method, path in itertools.product(["GET", "POST"], ["/ws", "/ws", "/other"]):
        match = await app.router.resolve(make_mocked_request(method, path, UPGRADE))
        handlers.add(match.handler)
    assert len(handlers) == 3


async def test_normalize_path_middleware_finds_a_raw_route(serve: Serve) -> None:
    app = web.Application(middlewares=[web.normalize_path_middleware()])
    setup(app)
    add_raw_websocket(app.router, "/ws/", raw("ws"))
    answer = await upgrade(await serve(app), "/ws")
    assert (answer.status, answer.headers["Location"]) == (308, "/ws/")


# Asking the router a second time.


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


# Resources and routes as aiohttp lists them.


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


# The path of an existing resource.


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


# Handlers.


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
