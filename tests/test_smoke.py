import pytest
from aiohttp import web

import aiohttp_rawws

from .conftest import Serve
from .wire import Wire, masked


@pytest.mark.parametrize("tls", [False, True])
async def test_echo(serve: Serve, tls) -> None:
    async def echo(session):
        async for f in session:
            await session.send(f)

    app = web.Application()
    aiohttp_rawws.setup(app)
    app.router.add_raw_websocket("/", echo)
    wire = await Wire.upgrade(await serve(app, tls=tls), "/", masked(0x81, b"Hello"))
    assert await wire.read_frame() == (0x81, b"Hello")
    wire.send(masked(0x88, b"\x03\xe8"))
    assert await wire.read_frame() == (0x88, b"\x03\xe8")
    assert await wire.read_to_end() == b""
    await wire.close()
