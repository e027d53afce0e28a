"""Send one echo through a raw route of the installed package.

With the argument `compiled`, fail if the extensions are missing.
"""

import asyncio
import sys

import aiohttp
from aiohttp import web

import aiohttp_rawws


async def echo(session: aiohttp_rawws.RawWebSocketSession) -> None:
    async for frame in session:
        await session.send(frame)


async def main() -> None:
    app = web.Application()
    aiohttp_rawws.setup(app)
    app.add_routes([aiohttp_rawws.raw_websocket("/", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"http://{host}:{port}/") as ws,
    ):
        await ws.send_str("works")
        print(await ws.receive_str(), aiohttp_rawws.COMPILED, aiohttp_rawws.__file__)
    await runner.cleanup()


if __name__ == "__main__":
    if "compiled" in sys.argv and not aiohttp_rawws.COMPILED:
        sys.exit("the extensions are missing")
    asyncio.run(main())
