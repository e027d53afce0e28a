"""Which route answers which request on a path that several share."""

import functools
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from aiohttp_rawws.server.setup import add_raw_websocket
from tests.support.routes import (
    ADD,
    UPGRADE,
    Answer,
    Order,
    application,
    ask,
    ordinary,
    raw,
    told,
    told_by,
    upgrade,
)
from tests.support.servers import Serve

# -- Sharing a path, in every order of registration. -----------------------------------------------


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


# -- Several raw routes on one path. ---------------------------------------------------------------


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
