"""One connection through the proxy: both sides, both directions, and the end of all."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ...session.deadline import in_time
from .injector import Injector
from .opening import Opening, Rest, request_of
from .pump import Lost, Pump, both
from .records import ConnectionEvent
from .side import Side

__all__ = ("ChaosConnection",)

#: The time to connect to the upstream, in seconds.
CONNECT_TIMEOUT = 30.0

#: Connects to the upstream.
Dial = Callable[[], Awaitable[Side]]

#: Makes the injector of a connection and a direction, None if no rule concerns it.
MakeInjector = Callable[[int, str], "Injector | None"]


class ChaosConnection:
    """Joins a client to the upstream.

    `next_number` gives its number once the upstream has answered with a 101. `on_event` is called
    with its opening, or each refusal, and with its end.
    """

    def __init__(
        self,
        client: Side,
        next_number: Callable[[], int],
        make_injector: MakeInjector,
        on_event: Callable[[ConnectionEvent], object],
    ) -> None:
        self._client = client
        self._address = client.address
        self._next_number = next_number
        self._make_injector = make_injector
        self._on_event = on_event
        self._number = 0
        self._injectors: list[Injector] = []
        self._ended = {"client": asyncio.Event(), "upstream": asyncio.Event()}

    async def run(self, dial: Dial, *, base: str, host: str, extensions: bool) -> None:
        """Return once both connections are closed. A cancellation closes them at once.

        The rest is for `Opening`.
        """
        upstream: Side | None = None
        end = ConnectionEvent("end", 0, reason="stopped")
        try:
            try:
                upstream = await in_time(dial(), CONNECT_TIMEOUT)
            except OSError as error:
                await self._refuse(error)
                return
            opening = Opening(
                self._client,
                upstream,
                self._answered,
                base=base,
                host=host,
                extensions=extensions,
            )
            try:
                await self._join(opening, self._client, upstream)
                end = self._end(upstream)
            except Lost:
                end = self._end(upstream)
                self._client.reset()
                upstream.reset()
            if opening.is_unanswered:
                self._refused(opening.request, error=f"no answer, {end.sentence}")
            await asyncio.gather(self._client.close(), upstream.close())
        finally:
            self._client.abort()
            if upstream is not None:
                upstream.abort()
            if self._number:
                self._on_event(replace(end, connection=self._number))

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
            injector = self._make_injector(self._number, direction) if rest.is_upgraded else None
            if injector is not None:
                self._injectors.append(injector)
            await Pump(source, target, injector).run(rest.octets, rest.frames_at, other)
        finally:
            self._ended[direction].set()

    # -- what is told ----------------------------------------------------------------------

    def _answered(self, request: str, status: int) -> None:
        """Tell of the answer to a request for an upgrade."""
        if status != 101:
            self._refused(request, status)
            return
        self._number = self._next_number()
        self._on_event(ConnectionEvent("open", self._number, request, self._address))

    def _refused(self, request: str, status: int = 0, error: str = "") -> None:
        self._on_event(ConnectionEvent("refused", 0, request, self._address, status, error))

    def _end(self, upstream: Side) -> ConnectionEvent:
        """Return who has ended the connection, and how."""
        if any(each.is_cut for each in self._injectors):
            return ConnectionEvent("end", 0, reason="fault")
        sides = {"client": self._client, "upstream": upstream}
        first = min(sides, key=lambda name: sides[name].ended_at)
        if sides[first].ended_at == math.inf:
            return ConnectionEvent("end", 0, reason="lost")
        return ConnectionEvent("end", 0, first=first, reason=sides[first].ending)

    # -- no upstream -----------------------------------------------------------------------

    async def _refuse(self, error: Exception) -> None:
        """Answer the request with a 502, for the upstream cannot be reached."""
        reason = str(error) or "no connection in time"
        body = f"The chaos proxy cannot connect to its upstream: {reason}\n".encode()
        head = (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        try:
            if request := await self._client.read():
                self._refused(request_of(request), 502, reason)
                await self._client.write(head.encode() + body)
            self._client.end()
            # Closing with unread input would have the system drop the answer.
            while await self._client.read():
                pass
        except ConnectionError:
            return
