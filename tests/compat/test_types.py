"""The types of `compat`, as a user's type checkers see them: aiohttp's."""

import re
from pathlib import Path

import pytest

from tests.support.checkers import CHECKED_ONCE, MYPY, PYRIGHT, check

CODE = """
# pyright: strict
from typing import Literal

import aiohttp
from aiohttp import web

from aiohttp_rawws import Frame
from aiohttp_rawws.compat import ClientWebSocketResponse, WebSocketResponse, ws_connect


async def handler(request: web.Request) -> web.WebSocketResponse:
    websocket = WebSocketResponse(heartbeat=20, protocols=["chat"])
    await websocket.prepare(request)
    async for message in websocket:
        same: aiohttp.WSMessage = message
        await websocket.send_str(same.data)
    text: str = await websocket.receive_str()
    await websocket.send_bytes(text)  # wrong
    await websocket.session.send(Frame.text(text))
    websocket.session.request.method
    await websocket.close(code=4000, message=b"bye")
    return websocket


async def as_bytes(request: web.Request) -> None:
    websocket: WebSocketResponse[Literal[False]] = WebSocketResponse(decode_text=False)
    await websocket.prepare(request)
    data: bytes = await websocket.receive_str()
    text: str = await websocket.receive_str()  # wrong
    print(data, text)


async def client(http: aiohttp.ClientSession) -> None:
    async with ws_connect(http, "ws://a", compress=15, autoping=False) as websocket:
        text: str = await websocket.receive_str()
        await websocket.send_json(text)
        print(websocket.session.response.url)
    same: ClientWebSocketResponse = await ws_connect(http, "ws://a")
    old: aiohttp.ClientWebSocketResponse = same
    await old.close()
    raw = await ws_connect(http, "ws://a", decode_text=False)
    data: bytes = await raw.receive_str()
    print(data)
    await ws_connect(http, "ws://a", comprss=15)  # wrong
"""

WRONG = [number for number, line in enumerate(CODE.split("\n"), 1) if line.endswith("# wrong")]


@CHECKED_ONCE
@pytest.mark.parametrize("checker", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_the_types_are_those_of_aiohttp(checker: tuple[str, ...], tmp_path: Path) -> None:
    status, said = check(checker, CODE, tmp_path)
    assert status == 1, said
    lines = [int(line) for line in re.findall(r"app\.py:(\d+)\S* (?:- )?error", said)]
    assert sorted(set(lines)) == WRONG, said
