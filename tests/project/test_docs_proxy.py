"""Examples of docs/proxy.md that need an upstream of their own."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

import aiohttp_rawws
from aiohttp_rawws import HandshakeRefused
from tests.support.examples import example, exchange, run, serving


@contextlib.asynccontextmanager
async def shown_proxy(
    bare: aiohttp.ClientSession, upstream: web.Application, path: str, *handlers: str
) -> AsyncIterator[tuple[str, str]]:
    """Run the first of these handlers of docs/proxy.md; yield the URLs of upstream and proxy."""
    app, key = web.Application(), web.AppKey("UPSTREAM", aiohttp.ClientSession)
    app[key] = bare
    names: dict[str, Any] = {
        "aiohttp_rawws": aiohttp_rawws,
        "web": web,
        "URL": URL,
        "app": app,
        "UPSTREAM": key,
    }
    async with serving(upstream) as there:
        there = there.replace("ws:", "http:")
        for handler in handlers:
            code = example("docs/proxy.md", f"async def {handler}(")
            await run(code.replace("http://127.0.0.1:8099", there), names)
        app.router.add_route("*", path, names[handlers[0]])
        async with serving(app) as here:
            yield there, here.replace("ws:", "http:")


async def test_redirects_below_a_prefix(bare: aiohttp.ClientSession) -> None:
    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    upstream = web.Application()
    upstream.router.add_get("/", redirect)
    path = "/apps/{name:[a-z]+}{path:(/.*)?}"
    async with shown_proxy(bare, upstream, path, "mounted", "redirected") as (_, url):
        for to, expected in [("/a", "/apps/x/a"), ("a", "a"), ("//b/a", "//b/a")]:
            here = f"{url}/apps/x?to={to}"
            async with bare.get(here, allow_redirects=False) as answer:
                assert answer.headers["Location"] == expected
            with pytest.raises(HandshakeRefused) as refused:
                await exchange(bare, here, allow_redirects=False)
            assert refused.value.headers is not None
            assert refused.value.headers["Location"] == expected


async def test_an_upstream_by_its_own_name(bare: aiohttp.ClientSession) -> None:
    """It takes its own pages for its own, and no others."""

    async def told(request: web.Request) -> web.Response:
        return web.Response(text=f"http://{request.host} {request.headers.get('Origin')}")

    upstream = web.Application()
    upstream.router.add_get("/", told)
    async with shown_proxy(bare, upstream, "/", "renamed") as (own, url):
        other = "https://other.example"
        for origin, expected in [("https://name.example", own), (other, other), (None, None)]:
            headers = {"Origin": origin} if origin else {}
            async with bare.get(url, headers=headers) as answer:
                assert await answer.text() == f"{own} {expected}"
