"""The aiohttp handler of a raw route: it upgrades a request and runs the user's handler."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from ..session.options import Options, cannot_take
from ..session.session import RawServerSession
from .handler_run import SessionHandler
from .refusals import Disconnected, unanswered
from .upgrade import Upgrade

__all__ = ("check_handler", "endpoint")


def endpoint(
    session_handler: SessionHandler, options: Options, protocols: tuple[str, ...]
) -> Handler:
    """Return the aiohttp handler of one route, under the names of `session_handler`.

    Each route has an object of its own, because aiohttp caches its middlewares by the handler.
    """

    # One that returns something is told so.
    handler: Callable[[RawServerSession], Awaitable[object]] = session_handler

    async def serve(request: web.Request) -> web.StreamResponse:
        upgrade = Upgrade(request, options, protocols)
        try:
            with upgrade:
                await upgrade.accept()
        except Disconnected:
            return unanswered()
        run = upgrade.handler_run
        # An idle connection keeps neither this, nor the coroutine of `HandlerRun.run`.
        del upgrade
        try:
            result = await handler(run.session)
        except BaseException as error:
            return await run.conclude(None, error)
        return await run.conclude(result, None)

    copy_names(session_handler, serve)
    return serve


def copy_names(source: Any, target: Any) -> None:
    """Give a function the name, the module and the docstring of another one."""
    while isinstance(source, functools.partial):
        source = source.func
    target.__doc__ = source.__doc__
    # An object with an async `__call__` has only the name of its class.
    named = source if hasattr(source, "__qualname__") else type(source)
    target.__module__ = named.__module__
    target.__name__ = named.__name__
    target.__qualname__ = named.__qualname__


def check_handler(handler: Any) -> None:
    """Raise TypeError for a handler that cannot be awaited with a session."""
    wanted = f"a raw WebSocket handler is `async def handler(session)`, got {handler!r}"
    if not is_coroutine_function(handler):
        raise TypeError(wanted)
    if reason := cannot_take(handler, "the session"):
        raise TypeError(f"{wanted}, which can not be called with a session alone: {reason}")


def is_coroutine_function(function: object) -> bool:
    """Return True for a coroutine function, a partial of one, or an object that acts as one."""
    if isinstance(function, functools.partial):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    return callable(function) and inspect.iscoroutinefunction(type(function).__call__)
