"""The command in front of an application: plain requests, and what of them is changed."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.command import proxying
from tests.support.handshakes import request
from tests.support.servers import running
from tests.support.wire import Address, Wire, tell


async def told(request: web.Request) -> web.StreamResponse:
    """Tell what came."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.text()
    return web.json_response(
        {"method": request.method, "path": request.raw_path, "headers": headers, "body": body}
    )


def application() -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", told)
    return app


async def ask(address: Address, path: str = "/", **options: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(url=address.url(path, scheme="http"), **options) as answer,
    ):
        text = await answer.text()
        return answer.status, json.loads(text) if answer.status == 200 else text


async def test_a_plain_request() -> None:
    async with running(application()) as (_, upstream), proxying(upstream) as command:
        status, it = await ask(command.address, "/a?b=c", method="POST", data=b"the body")
    assert status == 200
    assert (it["method"], it["path"], it["body"]) == ("POST", "/a?b=c", "the body")
    assert it["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert it["headers"]["host"] == f"127.0.0.1:{command.address.port}"


@pytest.mark.parametrize(
    ("options", "sent", "wanted"),
    [
        (["--host", "upstream"], {}, {"host": "{upstream}"}),
        (["--host", "name.test"], {}, {"host": "name.test"}),
        (["--drop-header", "Cookie"], {"Cookie": "a=b", "X-A": "1"}, {"cookie": None, "x-a": "1"}),
        (["--header", "X-A:2"], {"X-A": "1"}, {"x-a": "2"}),
        ([], {"X-Forwarded-For": "1.2.3.4"}, {"x-forwarded-for": "127.0.0.1"}),
        (
            ["--trusted", "10.0.0.0/8", "--trusted", "127.0.0.1"],
            {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"},
            {"x-forwarded-for": "1.2.3.4, 127.0.0.1", "x-forwarded-proto": "https"},
        ),
    ],
    ids=str,
)
async def test_headers(
    options: list[str], sent: dict[str, str], wanted: dict[str, str | None]
) -> None:
    async with running(application()) as (_, upstream), proxying(upstream, *options) as command:
        _, it = await ask(command.address, method="GET", headers=sent)
    where = f"{upstream.host}:{upstream.port}"
    for name, value in wanted.items():
        found = it["headers"].get(name)
        assert found == (value and value.replace("{upstream}", where)), name


async def test_a_prefix() -> None:
    async with (
        running(application()) as (_, upstream),
        proxying(upstream.url("/base"), "--strip-prefix", "/apps/x") as command,
    ):
        for path, wanted in (("/apps/x/a?b", "/base/a?b"), ("/apps/x", "/base/")):
            status, it = await ask(command.address, path, method="GET")
            assert (status, it["path"]) == (200, wanted)
        assert (await ask(command.address, "/apps/xy", method="GET"))[0] == 404
        assert (await tell(command.address, request("/other")))[0] == 404


@pytest.mark.parametrize("option", ["--idle", "--lifetime"])
async def test_clocks(option: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for _ in ws:
            pass
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    async with running(app) as (_, upstream), proxying(upstream, option, "0.3") as command:
        wire = await Wire.upgrade(command.address)
        assert await asyncio.wait_for(wire.read_frame(), 20) == (0x88, b"\x03\xe9")
        await wire.close()
