"""The state that `setup` leaves in an application."""

from collections import defaultdict
from typing import Protocol

from aiohttp import web

from ..session.options import DEFAULTS, Options
from .ratelimit import RateLimit

__all__ = ("INSTALLED", "Installed", "Stoppable", "installed_in", "options_of")


class Stoppable(Protocol):
    """A handler that runs."""

    def stop(self) -> None:
        """Cancel the handler, unless that was done or it has ended."""


class Installed:
    """The options of an application, and the handlers that its shutdown stops."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.shutting_down = False
        self._runs: set[Stoppable] = set()
        #: The limits of WARNING lines, by the text of the line without its arguments.
        self.warning_limits: defaultdict[str, RateLimit] = defaultdict(RateLimit)

    def add(self, run: Stoppable) -> None:
        """Stop a handler at the shutdown, or now if the shutdown has begun."""
        self._runs.add(run)
        if self.shutting_down:
            run.stop()

    def remove(self, run: Stoppable) -> None:
        """Forget a handler that has ended."""
        self._runs.discard(run)

    async def shutdown(self, app: web.Application) -> None:
        """Cancel the handlers, which can still send a Close in their `finally`.

        aiohttp itself cancels them only after twice its `shutdown_timeout`.
        """
        self.shutting_down = True
        for run in list(self._runs):
            run.stop()


INSTALLED: web.AppKey[Installed] = web.AppKey("aiohttp_rawws", Installed)


def installed_in(request: web.Request) -> "Installed | None":
    """Return the state of the innermost application that handles a request and has one."""
    try:
        return request.app[INSTALLED]
    except KeyError:
        # An outer application may have it, which costs more to ask.
        return request.config_dict.get(INSTALLED)


def options_of(request: web.Request) -> Options:
    """Return the options of the request's application, or the defaults without `setup`."""
    installed = installed_in(request)
    return installed.options if installed is not None else DEFAULTS
