"""The wait of tasks for a change of a connection."""

import asyncio

__all__ = ("Changes",)


class Changes:
    """Tasks that wait for a change: the end of a stream, of the connection, or of a write pause."""

    __slots__ = ("_futures", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] | None = None

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._futures or ())

    def notify(self) -> None:
        """Wake all tasks that wait."""
        futures, self._futures = self._futures, None
        for future in futures or ():
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Wait for the next change."""
        future = self._loop.create_future()
        if self._futures is None:
            self._futures = []
        self._futures.append(future)
        try:
            await future
        finally:
            if self._futures is not None and future in self._futures:
                self._futures.remove(future)

    async def wait_within(self, seconds: float) -> None:
        """Wait for the next change, but no longer."""
        timer = self._loop.call_later(seconds, self.notify)
        try:
            await self.wait()
        finally:
            timer.cancel()
