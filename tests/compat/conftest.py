"""A WebSocketResponse in the hands of a test, and the bytes of its peer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws.compat import WebSocketResponse
from tests.support.servers import Serve
from tests.support.waiting import patience, soon
from tests.support.wire import Wire

Held = Callable[..., AbstractAsyncContextManager[tuple[WebSocketResponse, Wire]]]


class Holder:
    """A handler that gives its WebSocketResponse away, and returns once it is released."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.given: asyncio.Future[WebSocketResponse] = asyncio.get_running_loop().create_future()
        self.released = asyncio.Event()
        self._options = options

    async def handle(self, request: web.Request) -> web.StreamResponse:
        websocket: WebSocketResponse = WebSocketResponse(**self._options)
        await websocket.prepare(request)
        self.given.set_result(websocket)
        await self.released.wait()
        return websocket


@pytest.fixture
def held(serve: Serve) -> Held:
    """`async with held(**options) as (websocket, wire)`: its handler returns behind the block."""

    @contextlib.asynccontextmanager
    async def hold(
        behind: bytes = b"",
        setup: "dict[str, Any] | None" = None,
        handler_cancellation: bool = False,
        **options: Any,
    ) -> AsyncIterator[tuple[WebSocketResponse, Wire]]:
        holder = Holder(options)
        app = web.Application()
        if setup is not None:
            aiohttp_rawws.setup(app, **setup)
        app.router.add_get("/", holder.handle)
        address = await serve(app, handler_cancellation=handler_cancellation)
        wire = await Wire.upgrade(address, behind=behind)
        try:
            async with patience():
                yield await holder.given, wire
        finally:
            holder.released.set()
            await soon(wire.close())

    return hold
