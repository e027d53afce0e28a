"""Raw sessions for a test: a client of any server, and both ends of one connection."""

import asyncio
import contextlib
import ssl as ssl_module
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from yarl import URL

from ..client.connect import connect
from ..server.setup import add_raw_websocket, setup
from ..session.session import RawClientSession, RawServerSession

__all__ = ("RawWebSocketPair", "raw_client", "raw_pair", "serving")

#: How long the handlers of an application may take at the end of a test, in seconds.
SHUTDOWN = 1.0


class RawWebSocketPair(NamedTuple):
    """The two sessions of one connection."""

    server: RawServerSession
    client: RawClientSession


@contextlib.asynccontextmanager
async def serving(
    app: web.Application,
    *,
    ssl: ssl_module.SSLContext | None = None,
    unix_socket: str | None = None,
) -> AsyncIterator[URL]:
    """Serve an application within the block, on a free port or a Unix socket. Yield its URL."""
    # A handler that does not end is cancelled soon.
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        scheme = "ws" if ssl is None else "wss"
        if unix_socket is not None:
            await web.UnixSite(runner, unix_socket, ssl_context=ssl).start()
            yield URL.build(scheme=scheme, host="localhost")
        else:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl).start()
            yield URL.build(scheme=scheme, host="127.0.0.1", port=runner.addresses[0][1])
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_client(
    target: web.Application | str | URL,
    path: str = "/",
    *,
    ssl: ssl_module.SSLContext | bool = True,
    server_ssl: ssl_module.SSLContext | None = None,
    unix_socket: str | None = None,
    **options: Any,
) -> AsyncIterator[RawClientSession]:
    """Connect to an application, which is served within the block, or to a URL.

    `path` is that of an application, with its query. `unix_socket` is the path of the socket that
    the server has, or gets. `ssl` is the client's TLS, `server_ssl` that of an application. The
    other `options` are those of `connect`, whose errors it raises.
    """
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(target, web.Application):
            base = await stack.enter_async_context(
                serving(target, ssl=server_ssl, unix_socket=unix_socket)
            )
            target = base.join(URL(path, encoded=True))
        connector = aiohttp.UnixConnector(unix_socket) if unix_socket is not None else None
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield await stack.enter_async_context(connect(client, target, ssl=ssl, **options))


@contextlib.asynccontextmanager
async def raw_pair(
    *, server: dict[str, Any] | None = None, **client: Any
) -> AsyncIterator[RawWebSocketPair]:
    """Join two sessions by a TCP connection within the process.

    `server` are options of the route (`add_raw_websocket`), the others those of `connect`.
    Leaving the block ends both.
    """
    given: asyncio.Future[RawServerSession] = asyncio.get_running_loop().create_future()
    left = asyncio.Event()

    async def handler(session: RawServerSession) -> None:
        given.set_result(session)
        await left.wait()

    app = web.Application()
    setup(app)
    add_raw_websocket(app.router, "/", handler, **(server or {}))
    async with raw_client(app, **client) as session:
        try:
            yield RawWebSocketPair(await given, session)
        finally:
            left.set()
