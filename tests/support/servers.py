"""Servers of raw routes, and handlers for them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from aiohttp_rawws import RawWebSocketSession, add_raw_websocket, setup
from aiohttp_rawws.proxy.proxy import proxy
from tests.support.waiting import PATIENCE, patience, soon
from tests.support.wire import Address

Serve = Callable[..., Awaitable[Address]]
BOTH = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
#: aiohttp's option, which must make no difference.
CANCELLATION = pytest.mark.parametrize("handler_cancellation", [False, True])
Handler: TypeAlias = Callable[[RawWebSocketSession], Awaitable[None]]
#: The server's and the client's.
Contexts: TypeAlias = tuple[ssl.SSLContext, ssl.SSLContext]


def application(handler: Handler, protocol: "str | None" = None, **options: Any) -> web.Application:
    """Return an application with one raw route, at "/"."""
    app = web.Application()
    setup(app, **options)
    add_raw_websocket(app.router, "/", handler, protocol)
    return app


@contextlib.asynccontextmanager
async def running(
    app: web.Application,
    tls: "Contexts | None" = None,
    **options: Any,
) -> AsyncIterator[tuple[web.AppRunner, Address]]:
    """Run a server, on a Unix socket if there is a `path`; yield its runner and its address."""
    path = options.pop("path", "")
    runner = web.AppRunner(app, **{"access_log": None, "shutdown_timeout": PATIENCE} | options)
    await runner.setup()
    server_tls, client_tls = tls or (None, None)
    site: web.BaseSite
    if path:
        site = web.UnixSite(runner, path, ssl_context=server_tls)
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    try:
        host, port = ("127.0.0.1", 80) if path else runner.addresses[0][:2]
        yield runner, Address(host, port, client_tls, path)
    finally:
        await soon(runner.cleanup())


def connector_to(address: Address) -> aiohttp.BaseConnector:
    """Return a connector for that server."""
    if address.path:
        return aiohttp.UnixConnector(address.path)
    return aiohttp.TCPConnector(ssl=address.ssl or True)


async def forgotten(runner: web.AppRunner) -> None:
    """Wait until a server has no connection left."""
    assert runner.server is not None
    async with patience():
        while runner.server.connections:
            await asyncio.sleep(0.001)


async def echo(session: RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


async def receive_on(session: RawWebSocketSession) -> None:
    """Receive until `receive` raises."""
    while True:
        await session.receive()


def handler_tasks() -> list[str]:
    """Return the tasks of aiohttp's server that still run a handler."""
    return [repr(task) for task in asyncio.all_tasks() if "_handle_request" in repr(task)]


def left(session: aiohttp.ClientSession) -> int:
    """Return how many connections of a client session are in use."""
    connector: Any = session.connector
    return len(connector._acquired) if connector is not None else 0


def ingress(http: aiohttp.ClientSession, upstream: Address, **options: Any) -> web.Application:
    """Return an application that is a proxy to `upstream`."""

    async def handler(request: web.Request) -> web.StreamResponse:
        url = URL(upstream.url(request.rel_url.raw_path_qs), encoded=True)
        return await proxy(request, http, url, **options)

    app = web.Application()
    setup(app)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app
