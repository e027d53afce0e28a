"""The examples of docs/proxy.md and docs/editing.md."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

import aiohttp_rawws
from aiohttp_rawws import Frame, HandshakeRefused
from tests.support.examples import echo_app, example, examples, exchange, run, serving


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


@pytest.mark.parametrize("handler", ["gateway", "renamed", "behind", "mounted", "watched"])
async def test_the_proxy(
    handler: str, bare: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    offers = []

    def offered(offer: str) -> None:
        offers.append(offer)

    async with serving(echo_app(extensions=offered)) as upstream:
        names: dict[str, Any] = {}
        for code in examples("docs/proxy.md")[:6]:
            await run(code.replace("http://127.0.0.1:8099", upstream), names)
        app = web.Application()
        app.cleanup_ctx.append(names["upstream"])
        path = "/apps/{name:[a-z]+}{path:(/.*)?}" if handler == "mounted" else "/{path:.*}"
        app.router.add_route("*", path, names[handler])
        async with serving(names["app"] if handler == "gateway" else app) as url:
            got = await exchange(bare, f"{url}/apps/x?b", Frame.ping(), extensions="x")
            async with bare.post(f"{url}/apps/x".replace("ws:", "http:")) as answer:
                assert answer.status == 405
    assert got == [Frame.ping(), Frame.close(1000)]
    assert offers == ([] if handler == "watched" else ["x"])
    assert ("upstream" in capsys.readouterr().out) == (handler == "watched")


async def test_frames_that_are_edited(bare: aiohttp.ClientSession) -> None:
    async with serving(echo_app()) as upstream:
        key = web.AppKey("UPSTREAM", aiohttp.ClientSession)
        names: dict[str, Any] = {
            "UPSTREAM": key,
            "URL": URL,
            "aiohttp_rawws": aiohttp_rawws,
            "web": web,
        }
        code = example("docs/editing.md", "EndRelay(1008")
        await run(code.replace("http://127.0.0.1:8099", upstream), names)
        app = web.Application()
        app[key] = bare
        app.router.add_get("/{path:.*}", names["gateway"])
        async with serving(app) as url:
            got = await exchange(bare, url, Frame.text("http://a"))
            assert got == [Frame.text("https://a"), Frame.close(1000)]
            got = await exchange(bare, url, Frame.text("a password"))
            assert got == [Frame.close(1008, "no passwords here")]
            # Each message is one frame.
            parts = Frame.text("a pass", fin=False), Frame.continuation(b"word")
            got = await exchange(bare, url, *parts)
            assert got == [Frame.close(1008, "no passwords here")]
        await run(
            example("docs/editing.md", "pair.send(").replace("http://127.0.0.1:8099", upstream),
            names,
        )
        app = web.Application()
        app[key] = bare
        app.router.add_get("/{path:.*}", names["announced"])
        async with (
            serving(app) as url,
            aiohttp_rawws.connect(bare, url) as session,
        ):
            await session.send(Frame.text("a"))
            assert await session.receive() == Frame.text("a")
            await names["announce"]("hello")
            assert await session.receive() == Frame.text("hello")


async def test_two_sessions_by_hand(
    bare: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(echo_app(protocol="chat")) as upstream:
        names: dict[str, Any] = {
            **vars(aiohttp_rawws),
            "client_session": bare,
            "choose": lambda first: f"{upstream}/{first.payload.decode()}",
            "log": logging.getLogger("shown"),
        }
        await run(example("docs/proxy.md", "choose(first)"), names)
        app = web.Application()
        aiohttp_rawws.setup(app)
        app.add_routes([aiohttp_rawws.raw_websocket("/", names["handler"], "chat")])
        with caplog.at_level(logging.INFO, "shown"):
            async with serving(app) as url:
                got = await exchange(bare, url, Frame.text("room"), protocols=["chat"])
                # A shutdown would cancel the handler.
                await asyncio.wait_for(told(caplog), 10)
    assert got == [Frame.text("room"), Frame.close(1000)]
    assert "a ended first: close; {'a->b': 1, 'b->a': 2}" in caplog.text


async def told(caplog: pytest.LogCaptureFixture) -> None:
    while not caplog.messages:
        await asyncio.sleep(0.01)
