"""The upgrade of a WebSocketResponse: what is accepted, refused and negotiated."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws.compat import WebSocketResponse
from tests.support.handshakes import ACCEPT, request
from tests.support.servers import Serve
from tests.support.waiting import soon, until
from tests.support.wire import Address, Wire, tell


async def serving(
    serve: Serve, *, setup: "dict[str, Any] | None" = None, **options: Any
) -> Address:
    """Start a server whose responses have a header and a cookie, and close at once."""

    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse(timeout=0, **options)
        websocket.headers["X-Ready"] = str(bool(websocket.can_prepare(request)))
        websocket.set_cookie("name", "value")
        assert not websocket.prepared
        await websocket.prepare(request)
        assert websocket.prepared
        await websocket.send_json([websocket.ws_protocol, websocket.compress])
        return websocket

    async def prepared(request: web.Request, response: web.StreamResponse) -> None:
        if isinstance(response, web.WebSocketResponse):
            response.headers["X-Signal"] = "1"

    app = web.Application()
    app.on_response_prepare.append(prepared)
    if setup is not None:
        aiohttp_rawws.setup(app, **setup)
    app.router.add_route("*", "/", handler)
    return await serve(app)


async def test_the_101(serve: Serve) -> None:
    wire = await Wire.open(await serving(serve))
    wire.send(request())
    status, headers = await wire.read_head()
    assert status == 101
    assert headers["Sec-WebSocket-Accept"] == ACCEPT
    assert headers["Connection"] == "Upgrade"
    assert headers["X-Ready"] == "True"
    assert headers["X-Signal"] == "1"
    assert headers["Set-Cookie"].startswith("name=value")
    assert "Sec-WebSocket-Protocol" not in headers
    await wire.close()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Upgrade": "h2c"}, 400),
        ({"Connection": "keep-alive, notupgrade"}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Version": "8"}, 400),
        ({"method": "POST"}, 400),
    ],
)
async def test_refusals(serve: Serve, changes: dict[str, str], status: int) -> None:
    assert (await tell(await serving(serve), request(**changes)))[0] == status


async def test_the_options_of_setup_hold(serve: Serve) -> None:
    address = await serving(serve, setup={"origins": ["http://good.test"]})
    assert (await tell(address, request(Origin="http://evil.test")))[0] == 403
    assert (await tell(address, request(Origin="http://good.test")))[0] == 101


async def test_a_request_that_cannot_be_upgraded_may_have_another_answer(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse()
        ready = websocket.can_prepare(request)
        try:
            await websocket.prepare(request)
        except web.HTTPBadRequest:
            return web.Response(text=f"{ready.ok} {ready.protocol}")
        return websocket

    app = web.Application()
    app.router.add_get("/", handler)
    async with http.get((await serve(app)).url(scheme="http")) as response:
        assert await response.text() == "False None"


async def test_a_low_level_server(http: aiohttp.ClientSession) -> None:
    """Its requests are of no application."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse()
        assert websocket.can_prepare(request)
        await websocket.prepare(request)
        await websocket.send_str(websocket.session.request.path)
        return websocket

    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with http.ws_connect(f"ws://127.0.0.1:{runner.addresses[0][1]}/low") as client:
            assert await client.receive_str() == "/low"
    finally:
        await runner.cleanup()


async def test_two_upgrades_of_one_request(serve: Serve) -> None:
    errors: list[Exception] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse(timeout=0)
        writer = await websocket.prepare(request)
        assert await websocket.prepare(request) is writer
        for call in (lambda: WebSocketResponse().prepare(request), lambda: None):
            try:
                websocket.can_prepare(request)
            except RuntimeError as error:
                errors.append(error)
            try:
                if (awaitable := call()) is not None:
                    await awaitable
            except RuntimeError as error:
                errors.append(error)
        return websocket

    app = web.Application()
    app.router.add_get("/", handler)
    wire = await Wire.upgrade(await serve(app))
    await wire.read_to_end()
    await wire.close()
    assert len(errors) == 3


async def test_before_it_is_prepared() -> None:
    websocket: WebSocketResponse = WebSocketResponse()
    call: Any
    for call in (websocket.receive, websocket.__anext__, websocket.close, websocket.ping):
        with pytest.raises(RuntimeError, match=r"Call \.prepare\(\) first"):
            await call()
    with pytest.raises(RuntimeError):
        _ = websocket.session
    with pytest.raises(RuntimeError):
        await websocket.write_eof()
    with pytest.raises(RuntimeError):
        await websocket.write(b"")
    assert websocket.exception() is None
    assert websocket.close_code is None
    assert websocket.ws_protocol is None
    assert not websocket.closed
    assert websocket.get_extra_info("socket", 5) == 5


@pytest.mark.parametrize(
    ("offered", "chosen"), [(("chat", "v2"), "v2"), (("chat",), None), ((), None)]
)
async def test_subprotocols(
    serve: Serve,
    http: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    offered: tuple[str, ...],
    chosen: "str | None",
) -> None:
    address = await serving(serve, protocols=["v1", "v2"])
    async with http.ws_connect(address.url(), protocols=offered) as client:
        assert client.protocol == chosen
        assert await client.receive_json() == [chosen, 0]
    # One line each of `can_prepare` and `prepare`, as with aiohttp.
    lines = 2 if offered and chosen is None else 0
    assert [record.name for record in caplog.records] == lines * ["aiohttp.websocket"]


@pytest.mark.parametrize(
    ("offer", "compress", "window"), [(15, True, 15), (10, True, 10), (15, False, 0), (0, True, 0)]
)
async def test_compression(
    serve: Serve, http: aiohttp.ClientSession, offer: int, compress: bool, window: int
) -> None:
    address = await serving(serve, compress=compress)
    async with http.ws_connect(address.url(), compress=offer) as client:
        assert await client.receive_json() == [None, window]


@pytest.mark.parametrize("during", [False, True])
async def test_a_client_that_left_before_the_101(serve: Serve, during: bool) -> None:
    errors: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def gone(request: web.Request) -> None:
        wire.transport.abort()
        await until(lambda: request.transport is None)

    async def handler(request: web.Request) -> web.StreamResponse:
        if not during:
            await gone(request)
        try:
            await WebSocketResponse().prepare(request)
        except ConnectionResetError as error:
            errors.set_result(str(error))
        return web.Response()

    async def prepared(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            await gone(request)

    app = web.Application()
    if during:
        app.on_response_prepare.append(prepared)
    app.router.add_get("/", handler)
    wire = await Wire.open(await serve(app))
    wire.send(request())
    assert await soon(errors)
    await wire.close()


async def test_a_signal_that_raises(serve: Serve, http: aiohttp.ClientSession) -> None:
    """Nothing of the frames behind the request is taken for another one."""
    requests: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append(request.path)
        websocket: WebSocketResponse = WebSocketResponse()
        await websocket.prepare(request)
        return websocket

    async def prepared(request: web.Request, response: web.StreamResponse) -> None:
        if response.status == 101:
            raise web.HTTPForbidden

    app = web.Application()
    app.on_response_prepare.append(prepared)
    app.router.add_get("/{path:.*}", handler)
    assert (await tell(await serve(app), request() + request("/behind")))[0] == 403
    assert requests == ["/"]
