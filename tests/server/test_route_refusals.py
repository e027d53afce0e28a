"""Refusals of raw routes, each one clean response, and their middlewares."""

import asyncio
import itertools
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler, Middleware

from aiohttp_rawws import RawWebSocketSession
from aiohttp_rawws.server.setup import add_raw_websocket, setup
from tests.support.handshakes import KEY
from tests.support.routes import FRAMES, UPGRADE, application, ask, ordinary, raw, upgrade
from tests.support.servers import Serve

# -- Refusals, each one clean response. ------------------------------------------------------------


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


# -- Middlewares. ----------------------------------------------------------------------------------


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
