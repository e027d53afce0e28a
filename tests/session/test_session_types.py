"""The types of a session, as a user's type checkers see them."""

import re
from pathlib import Path

import pytest

from tests.support.checkers import CHECKED_ONCE, MYPY, PYRIGHT, check

CODE = """
# pyright: strict
import asyncio
import ssl

import aiohttp
from aiohttp import web

from aiohttp_rawws import (
    Frame,
    RawServerSession,
    RawWebSocketSession,
    accept,
    connect,
    raw_websocket,
)


async def ordinary(request: web.Request) -> web.StreamResponse:
    async with accept(request) as session:
        async for frame in session:
            await session.send(frame)
        room: str = session.request.match_info["room"]
        assert room
    return session.response


async def any_session(session: RawWebSocketSession) -> None:
    session.request.method  # wrong
    frame: Frame = await session.receive()
    text: str = frame.payload_text
    changed: Frame = frame.replace(payload=text.encode())
    await session.send(changed)
    frame.txt  # wrong
    session.response.status
    context: ssl.SSLContext | None = session.get_extra_info("sslcontext")
    assert context is None
    session.get_extra_info("socket").fileno()  # wrong
    number: int = session.get_extra_info("peername")  # wrong
    anything: int = session.get_extra_info("of another transport", 5)
    assert number == anything


async def server_session(session: RawServerSession) -> None:
    print(session.request.method)


raw_websocket("/", any_session)
raw_websocket("/", server_session)


async def client(http: aiohttp.ClientSession) -> None:
    async with connect(http, "ws://a") as session:
        print(session.response.url)
        nothing: None = session.request
        assert nothing is None


asyncio.run(ordinary)  # wrong
"""

WRONG = [number for number, line in enumerate(CODE.split("\n"), 1) if line.endswith("# wrong")]


@CHECKED_ONCE
@pytest.mark.parametrize("checker", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_the_types_of_a_session(checker: tuple[str, ...], tmp_path: Path) -> None:
    status, said = check(checker, CODE, tmp_path)
    assert status == 1, said
    lines = [int(line) for line in re.findall(r"app\.py:(\d+)\S* (?:- )?error", said)]
    assert sorted(set(lines)) == WRONG, said
