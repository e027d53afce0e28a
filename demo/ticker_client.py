"""A small client that follows prices, and comes back when it has lost its server.

It looks right. docs/tutorial-testing.md tests it, finds two mistakes, and mends them.
"""

import asyncio
import json
from collections.abc import Callable

import aiohttp

Handle = Callable[[str, float], None]


class Ticker:
    """Calls `handle(symbol, price)` for each price that the server tells."""

    def __init__(
        self, url: str, handle: Handle, *, delay: float = 1.0, heartbeat: float = 20.0
    ) -> None:
        self._url = url
        self._handle = handle
        #: How long it waits before it connects again, in seconds.
        self._delay = delay
        #: How often it pings the server, in seconds.
        self._heartbeat = heartbeat

    async def run(self) -> None:
        """Follow the prices until this is cancelled."""
        async with aiohttp.ClientSession() as client:
            while True:
                try:
                    async with client.ws_connect(self._url, heartbeat=self._heartbeat) as websocket:
                        await websocket.send_json({"subscribe": "prices"})
                        await self._follow(websocket)
                except aiohttp.ClientError:
                    await asyncio.sleep(self._delay)

    async def _follow(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in websocket:
            price = json.loads(message.data)
            self._handle(price["symbol"], price["price"])
