"""The state that `setup` leaves in an application."""

import weakref
from collections import defaultdict
from typing import Protocol

from aiohttp import web

from ..session.options import Options
from .ratelimit import RateLimit

__all__ = ("INSTALLED", "Installed", "Stoppable", "installed_in", "options_of")


class Stoppable(Protocol):
    """A handler that runs."""

    def stop(self) -> None:
        """Cancel the handler, once, if it still runs."""


class Installed:
    """The options of an application, and the handlers that must end at its shutdown."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.shutting_down = False
        self.handlings: weakref.WeakSet[Stoppable] = weakref.WeakSet()
        #: By the text of the line, without its arguments.
        self.warning_limits: defaultdict[str, RateLimit] = defaultdict(RateLimit)

    async def shutdown(self, app: web.Application) -> None:
        """Cancel the handlers, which can still send a Close in their `finally`.

        aiohttp itself would cancel them after twice its `shutdown_timeout` only.
        """
        self.shutting_down = True
        for handling in list(self.handlings):
            handling.stop()


INSTALLED: web.AppKey[Installed] = web.AppKey("aiohttp_rawws", Installed)


def installed_in(where: "web.Request | web.Application") -> "Installed | None":
    """The state of an application, or of the innermost one that handles a request."""
    if isinstance(where, web.Application):
        return where.get(INSTALLED)
    return where.config_dict.get(INSTALLED)


def options_of(request: web.Request) -> Options:
    """The options of the request's application, or the default ones without `setup`."""
    installed = installed_in(request)
    return installed.options if installed is not None else Options()
