"""One direction of a connection: what comes from one side is delivered to the other."""

import asyncio
import math
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from ...session.deadline import in_time
from .injector import END, RESET, Delivery, Injector
from .side import Side

__all__ = ("Lost", "Pump", "both")

One = TypeVar("One")
Other = TypeVar("Other")

#: How much may be on its way, in bytes, and what a delivery counts beside its octets. With a
#: latency of a second no more than this passes in a second.
LINE_LIMIT = 2**20
DELIVERY_COST = 256


class Lost(Exception):
    """A connection was reset, by its peer or by a fault: the other one is to be reset, too."""


async def both(
    one: Coroutine[Any, Any, One], other: Coroutine[Any, Any, Other]
) -> tuple[One, Other]:
    """Run two coroutines at the same time, and neither for longer than until one fails."""
    tasks = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class DelayLine:
    """Deliveries on their way, each with the time at which it is due. They keep their order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._cost = 0
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    async def put(self, deliveries: Iterable[Delivery]) -> None:
        """Add deliveries, each once there is room."""
        for delivery in deliveries:
            while self._cost > LINE_LIMIT:
                self._taken.clear()
                await self._taken.wait()
            self._waiting.append((self._loop.time() + delivery.delay, delivery))
            self._cost += len(delivery.octets) + DELIVERY_COST
            self._filled.set()

    async def get(self, patience: float | None) -> Delivery | None:
        """Return the next one once it is due, None if there is none within `patience` seconds."""
        while not self._waiting:
            self._filled.clear()
            try:
                await in_time(self._filled.wait(), patience)
            except TimeoutError:
                return None
        due, delivery = self._waiting.popleft()
        self._cost -= len(delivery.octets) + DELIVERY_COST
        self._taken.set()
        if (left := due - self._loop.time()) > 0:
            await asyncio.sleep(left)
        return delivery


class Pump:
    """Passes what comes from `source` on to `target`, and the end of it.

    Without an injector all passes as it is, read by read.
    """

    def __init__(self, source: Side, target: Side, injector: Injector | None) -> None:
        self._source = source
        self._target = target
        self._injector = injector
        self._line = DelayLine()
        self._held: Delivery | None = None

    async def run(self, first: bytes, frames_at: int, other: "asyncio.Event") -> None:
        """Return once the stream has ended. Raises Lost if it ended with a RST.

        `first` has come already. Its frames begin at `frames_at`. `other` is set once the other
        direction has ended.
        """
        try:
            ending, _ = await both(self._receive(first, frames_at), self._deliver(other))
        except ConnectionError:
            # The target is lost. The other direction tells how, behind what has come from there.
            return
        # Behind a fault that ended the stream, what came was thrown away.
        if ending == RESET:
            raise Lost

    # -- from the source to the line -------------------------------------------------------

    async def _receive(self, first: bytes, frames_at: int) -> str:
        """Return how the stream ended."""
        ending = END
        try:
            if self._injector is None:
                await self._pass_on(first)
            else:
                await self._inject(self._injector, first, frames_at)
        except ConnectionError:
            ending = RESET
        await self._line.put([Delivery(ending=ending)])
        return ending

    async def _pass_on(self, first: bytes) -> None:
        data = first or await self._source.read()
        while data:
            await self._line.put([Delivery(data)])
            data = await self._source.read()

    async def _inject(self, injector: Injector, first: bytes, frames_at: int) -> None:
        await self._line.put([Delivery(first[:frames_at])])
        data = first[frames_at:] or await self._source.read()
        while data:
            await self._line.put(injector.feed(data))
            if injector.is_stalled:
                # Nothing more is read, so the peer has to stop at some time.
                return
            data = await self._source.read()
        await self._line.put(injector.finish())

    # -- from the line to the target -------------------------------------------------------

    async def _deliver(self, other: asyncio.Event) -> None:
        is_between = True
        while True:
            patience = None if self._held is None or not is_between else self._held.hold
            delivery = await self._line.get(patience)
            if delivery is None:
                await self._write_held()
                continue
            if delivery.stall == math.inf:
                await other.wait()
                return
            if delivery.stall:
                await asyncio.sleep(delivery.stall)
            if delivery.ending == RESET:
                raise Lost
            if delivery.hold is not None and self._held is None:
                self._held = delivery
                continue
            if delivery.ending and is_between:
                await self._write_held()
            await self._write(delivery)
            if delivery.ending:
                self._target.end()
                return
            is_between = delivery.is_whole
            if is_between:
                await self._write_held()

    async def _write_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await self._write(held)

    async def _write(self, delivery: Delivery) -> None:
        start = 0
        for cut in delivery.cuts:
            await self._target.write(delivery.octets[start:cut])
            start = cut
            await asyncio.sleep(delivery.gap)
        if start < len(delivery.octets):
            await self._target.write(delivery.octets[start:])
