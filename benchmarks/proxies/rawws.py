"""aiohttp_rawws: frames pass as they stand."""

from typing import Any

from aiohttp import web

from aiohttp_rawws import proxy

from ..servers.rawws import run_rawws
from . import CLIENT, app_of, upstream


def run_proxy(**options: Any) -> None:
    """Serve `proxy` with these options."""
    url = upstream()

    async def handle(request: web.Request) -> web.StreamResponse:
        return await proxy(request, request.app[CLIENT], url, **options)

    run_rawws(app_of(handle))


if __name__ == "__main__":
    run_proxy()
