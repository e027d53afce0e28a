"""Ordinary handlers that accept an upgrade."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from aiohttp_rawws import accept, setup
from tests.support.octets import masked
from tests.support.servers import echo

HELLO = masked(0x81, b"Hello")
#: Behind a refused request: much, and some of it would pass for HTTP.
FRAMES = (masked(0x81, b"x") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") * 300
WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ordinary(handler: WebHandler, installed: bool = True) -> web.Application:
    """Return an application with one ordinary handler, at "/"."""
    app = web.Application()
    if installed:
        setup(app)
    app.router.add_route("*", "/", handler)
    return app


async def accepting_echo(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        await echo(session)
    return session.response


CLOSE = masked(0x88)
