"""`compat` under what runs applications of aiohttp, and beside what is used with it."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiohttp_rawws.compat import WebSocketResponse, ws_connect
from tests.support import ROOT
from tests.support.servers import Serve
from tests.support.waiting import PATIENCE, soon

APPLICATION = """
from aiohttp import web

from aiohttp_rawws.compat import WebSocketResponse


async def handler(request):
    websocket = WebSocketResponse()
    await websocket.prepare(request)
    async for message in websocket:
        await websocket.send_str(message.data)
    return websocket


app = web.Application()
app.router.add_get("/", handler)
"""
RUN_APP = "import application, sys; application.web.run_app(application.app, path=sys.argv[1])"


def command(program: str, path: Path) -> list[str]:
    """Return the command that serves the application on a Unix socket."""
    if program == "run_app":
        return [sys.executable, "-c", RUN_APP, str(path)]
    pytest.importorskip("gunicorn")
    worker = ["-k", "aiohttp.GunicornWebWorker"]
    return [sys.executable, "-m", "gunicorn", *worker, "-b", f"unix:{path}", "application:app"]


async def ask(path: Path) -> str:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client:
        while True:
            try:
                async with ws_connect(client, "ws://localhost/", compress=15) as websocket:
                    await websocket.send_str("Hello")
                    return await websocket.receive_str()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets in asyncio")
@pytest.mark.parametrize("program", ["run_app", "gunicorn"])
def test_a_program_serves_it(program: str, tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    path = tmp_path / "socket"
    with subprocess.Popen(
        command(program, path), cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    ) as process:
        try:
            assert asyncio.run(asyncio.wait_for(ask(path), PATIENCE)) == "Hello"
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


async def echo(request: web.Request) -> web.StreamResponse:
    websocket: WebSocketResponse = WebSocketResponse()
    await websocket.prepare(request)
    async for message in websocket:
        await websocket.send_str(message.data)
    return websocket


async def test_pytest_aiohttp(aiohttp_client: Callable[[web.Application], Awaitable[Any]]) -> None:
    app = web.Application()
    app.router.add_get("/", echo)
    client = await aiohttp_client(app)
    for opening in (client.ws_connect("/"), ws_connect(client.session, client.make_url("/"))):
        async with opening as websocket:
            await websocket.send_str("Hello")
            assert await soon(websocket.receive_str()) == "Hello"


@pytest.mark.filterwarnings("ignore:It is recommended to use web")
async def test_aiohttp_session(serve: Serve) -> None:
    aiohttp_session = pytest.importorskip("aiohttp_session")

    async def visit(request: web.Request) -> web.StreamResponse:
        session = await aiohttp_session.get_session(request)
        session["name"] = "Ada"
        return web.Response()

    async def greet(request: web.Request) -> web.StreamResponse:
        session = await aiohttp_session.get_session(request)
        websocket: WebSocketResponse = WebSocketResponse()
        await websocket.prepare(request)
        await websocket.send_str(session["name"])
        return websocket

    app = web.Application()
    aiohttp_session.setup(app, aiohttp_session.SimpleCookieStorage())
    app.router.add_get("/", visit)
    app.router.add_get("/ws", greet)
    address = await serve(app)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        async with client.get(address.url(scheme="http")):
            pass
        async with ws_connect(client, address.url("/ws")) as websocket:
            assert await soon(websocket.receive_str()) == "Ada"
