"""aiohttp-cors takes raw routes like any others and leaves their routing alone."""

import itertools
from collections.abc import Callable
from typing import Any

import aiohttp_cors
import pytest
from aiohttp import web

from aiohttp_rawws import RawWebSocketRoute, RawWebSocketSession, add_raw_websocket, setup
from tests.support.handshakes import request
from tests.support.servers import Serve
from tests.support.wire import Address, Wire

ORIGIN = "https://a.example"
#: aiohttp-cors has no types.
allowing: Any = aiohttp_cors.ResourceOptions
CORS = {ORIGIN: allowing(allow_credentials=True, allow_headers=["X-Asked"])}


async def chat(session: RawWebSocketSession) -> None:
    pass


async def page(request: web.Request) -> web.Response:
    return web.Response(text="page")


async def save(request: web.Request) -> web.Response:
    return web.Response(text="saved")


async def options(request: web.Request) -> web.Response:
    return web.Response(text="options")


ADD: dict[str, Callable[[web.UrlDispatcher], web.AbstractRoute]] = {
    "raw": lambda router: add_raw_websocket(router, "/ws", chat),
    "raw for a protocol": lambda router: add_raw_websocket(router, "/ws", chat, "chat"),
    "GET": lambda router: router.add_get("/ws", page),
    "POST": lambda router: router.add_post("/ws", save),
}


def application(*kinds: str) -> web.Application:
    app = web.Application()
    setup(app)
    for kind in kinds:
        ADD[kind](app.router)
    return app


def with_cors(app: web.Application) -> web.Application:
    """As the documentation of aiohttp-cors has it."""
    cors = aiohttp_cors.setup(app, defaults=CORS)
    for route in list(app.router.routes()):
        cors.add(route)
    return app


async def answer(address: Address, method: str = "GET", **headers: str) -> tuple[int, Any]:
    wire = await Wire.open(address)
    wire.send(request("/ws", method=method, **headers))
    head = await wire.read_head()
    await wire.close()
    return head


PLAIN = {"Upgrade": "", "Connection": "close"}


def preflight(method: str, **headers: str) -> dict[str, str]:
    return {
        "method": "OPTIONS",
        "Origin": ORIGIN,
        "Access_Control_Request_Method": method,
        **PLAIN,
        **headers,
    }


async def test_a_raw_route_alone(serve: Serve) -> None:
    app = application()
    cors = aiohttp_cors.setup(app, defaults=CORS)
    route = cors.add(ADD["raw"](app.router))
    assert isinstance(route, RawWebSocketRoute)
    address = await serve(app)
    status, headers = await answer(address, Origin=ORIGIN)
    assert status == 101
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Credentials"] == "true"
    status, headers = await answer(address, Origin="https://other")
    assert status == 101
    assert "Access-Control-Allow-Origin" not in headers
    status, headers = await answer(
        address, **preflight("GET", Access_Control_Request_Headers="X-Asked")
    )
    assert status == 200
    assert headers["Access-Control-Allow-Methods"] == "GET"
    assert headers["Access-Control-Allow-Headers"] == "X-ASKED"
    for refused in (
        preflight("POST"),
        preflight("GET", Origin="https://other"),
        preflight("GET", Access_Control_Request_Headers="X-Other"),
    ):
        assert (await answer(address, **refused))[0] == 403


async def test_a_resource_alone(serve: Serve) -> None:
    app = application()
    cors = aiohttp_cors.setup(app, defaults=CORS)
    resource = ADD["raw"](app.router).resource
    assert cors.add(resource) is resource
    assert resource is not None
    cors.add(next(iter(resource)), {"https://b": allowing()})
    address = await serve(app)
    assert (await answer(address, **preflight("GET", Origin="https://b")))[0] == 200
    status, headers = await answer(address, Origin="https://b")
    assert (status, headers["Access-Control-Allow-Origin"]) == (101, "https://b")


#: aiohttp has one resource for ordinary routes that are added one after the other, and
#: aiohttp-cors answers preflights for one.
ORDERS = [
    order
    for order in itertools.permutations(ADD)
    if abs(order.index("GET") - order.index("POST")) == 1
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
async def test_a_path_shared_with_ordinary_routes(serve: Serve, order: tuple[str, ...]) -> None:
    """Preflights of all methods are answered, and everything else by who it was before."""
    address = await serve(with_cors(application(*order)))
    for method in ("GET", "POST"):
        status, headers = await answer(address, **preflight(method))
        assert (status, headers["Access-Control-Allow-Methods"]) == (200, method)
        status, headers = await answer(address, method, Origin=ORIGIN, **PLAIN)
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    for protocol in ("", "chat"):
        status, headers = await answer(address, Origin=ORIGIN, Sec_WebSocket_Protocol=protocol)
        assert (status, headers["Access-Control-Allow-Origin"]) == (101, ORIGIN)
        assert headers.get("Sec-WebSocket-Protocol", "") == protocol


async def test_a_refusal_has_the_headers_too(serve: Serve) -> None:
    """So that a script may read it."""
    address = await serve(with_cors(application("raw for a protocol")))
    for headers, expected in ((PLAIN, 426), ({"Sec_WebSocket_Protocol": "other"}, 400)):
        status, got = await answer(address, Origin=ORIGIN, **headers)
        assert (status, got["Access-Control-Allow-Origin"]) == (expected, ORIGIN)
    status, got = await answer(address, "PUT", Origin=ORIGIN, **PLAIN)
    assert (status, got["Allow"]) == (405, "GET,OPTIONS")


async def test_an_ordinary_route_for_options_comes_first(serve: Serve) -> None:
    app = application("raw")
    cors = aiohttp_cors.setup(app, defaults=CORS)
    for route in list(app.router.routes()):
        cors.add(route)
    app.router.add_options("/ws", options)
    status, headers = await answer(await serve(app), **preflight("GET"))
    assert status == 200
    assert "Access-Control-Allow-Methods" not in headers


async def test_in_a_sub_application(serve: Serve) -> None:
    app, sub = web.Application(), application("raw", "GET")
    app.add_subapp("/sub", with_cors(sub))
    address = await serve(app)
    wire = await Wire.open(address)
    wire.send(request("/sub/ws", **preflight("GET")))
    status, headers = await wire.read_head()
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    await wire.close()


# -- a raw resource as any other -------------------------------------------------------------


async def test_a_route_for_another_method_may_be_added(serve: Serve) -> None:
    app = application()
    resource: Any = ADD["raw"](app.router).resource
    assert isinstance(resource, web.Resource)
    resource.add_route("POST", save)
    with pytest.raises(RuntimeError, match="never be executed"):
        resource.add_route("GET", page)
    assert [route.method for route in app.router.routes()] == ["GET", "POST"]
    address = await serve(app)
    assert (await answer(address))[0] == 101
    assert (await answer(address, "POST", **PLAIN))[0] == 200
    assert (await answer(address, **PLAIN))[0] == 426
    status, headers = await answer(address, "PUT", **PLAIN)
    assert (status, headers["Allow"]) == (405, "GET,POST")


async def test_the_path_of_a_raw_resource_may_be_taken(serve: Serve) -> None:
    app, sub = web.Application(), application()
    resource: Any = ADD["raw for a protocol"](sub.router).resource
    add_raw_websocket(sub.router, resource, chat)
    app.add_subapp("/sub", sub)
    address = await serve(app)
    for protocol in ("chat", ""):
        wire = await Wire.open(address)
        wire.send(request("/sub/ws", Sec_WebSocket_Protocol=protocol))
        assert (await wire.read_head())[0] == 101
        await wire.close()


async def test_what_a_parent_and_a_sub_application_share(serve: Serve) -> None:
    """A route of the sub-application's raw resource would miss its middlewares: a 405."""
    app, sub = application(), application("raw for a protocol")
    add_raw_websocket(app.router, "/sub/ws", chat, "parent")
    app.add_subapp("/sub", with_cors(sub))
    wire = await Wire.open(await serve(app))
    wire.send(request("/sub/ws", **preflight("GET")))
    assert (await wire.read_head())[0] == 405
    await wire.close()
