"""One connection through the proxy: both sides, both directions, and the end of all."""

import asyncio
from collections.abc import Awaitable, Callable

from ..deadline import in_time
from .injector import Injector
from .opening import Opening, Rest
from .pump import Lost, Pump, both
from .side import Side

__all__ = ("ChaosConnection",)

#: The time to connect to the upstream, in seconds.
CONNECT_TIMEOUT = 30.0

#: Connects to the upstream.
Dial = Callable[[], Awaitable[Side]]

#: Makes the injector of a direction once there are frames, None if no rule concerns it.
MakeInjector = Callable[["ChaosConnection", str], "Injector | None"]


class ChaosConnection:
    """Joins a client to the upstream. `number` is 0 until the upstream has answered with a 101."""

    def __init__(self, client: Side, make_injector: MakeInjector) -> None:
        self.number = 0
        self._client = client
        self._make_injector = make_injector
        self._ended = {"client": asyncio.Event(), "upstream": asyncio.Event()}

    async def run(self, dial: Dial, *, base: str, host: str) -> None:
        """Return once both connections are closed. A cancellation closes them at once."""
        upstream: Side | None = None
        try:
            try:
                upstream = await in_time(dial(), CONNECT_TIMEOUT)
            except OSError as error:
                await self._refuse(error)
                return
            opening = Opening(self._client, upstream, base=base, host=host)
            try:
                await self._join(opening, self._client, upstream)
            except Lost:
                self._client.reset()
                upstream.reset()
            await asyncio.gather(self._client.close(), upstream.close())
        finally:
            self._client.abort()
            if upstream is not None:
                upstream.abort()

    async def _join(self, opening: Opening, client: Side, upstream: Side) -> None:
        await both(
            self._pass("client", opening.requests, client, upstream),
            self._pass("upstream", opening.answers, upstream, client),
        )

    async def _pass(
        self, direction: str, http: Callable[[], Awaitable[Rest]], source: Side, target: Side
    ) -> None:
        other = self._ended["upstream" if direction == "client" else "client"]
        try:
            rest = await http()
            injector = self._make_injector(self, direction) if rest.is_upgraded else None
            await Pump(source, target, injector).run(rest.octets, rest.frames_at, other)
        finally:
            self._ended[direction].set()

    async def _refuse(self, error: Exception) -> None:
        """Answer the request with a 502, for the upstream cannot be reached."""
        reason = str(error) or "it did not answer in time"
        body = f"The chaos proxy cannot connect to its upstream: {reason}\n".encode()
        head = (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        try:
            if await self._client.read():
                await self._client.write(head.encode() + body)
            self._client.end()
            # Closing with unread input would have the system drop the answer.
            while await self._client.read():
                pass
        except ConnectionError:
            return
