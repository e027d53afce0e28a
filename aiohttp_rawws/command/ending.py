"""The end of the command: a signal, an output without a reader, or a failure."""

import asyncio
import contextlib
import signal

__all__ = ("Failure", "Stop", "stop_on_signals")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Failure(Exception):
    """The command cannot go on. The message is one sentence for the user."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        #: The exit status of the command.
        self.status = status


class Stop:
    """The request to end the command. `failure` is a sentence if something went wrong."""

    def __init__(self) -> None:
        self.requested = False
        self.failure = ""
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def request(self, failure: str = "") -> None:
        """End the command. Safe in a signal handler and any thread; the first failure is kept."""
        self.requested = True
        self.failure = self.failure or failure
        # The loop may have ended: by then nothing waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return once the end is requested."""
        await self._event.wait()


def stop_on_signals(stop: Stop) -> None:
    """Have the first SIGINT or SIGTERM request the end, and the second end the process."""

    def end(number: int, frame: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        stop.request()

    # `add_signal_handler` would not do: the loop cannot run while a write waits for its disk.
    for each in SIGNALS:
        signal.signal(each, end)
