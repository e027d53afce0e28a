"""The responses of `proxy`: nothing is added, and what breaks off looks so."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.forwarding import Recorder, plain
from tests.support.handshakes import Opening, request
from tests.support.servers import Serve, ingress
from tests.support.waiting import until
from tests.support.wire import ByHand, Script, Wire, raw_bytes, tell

ADDED = {"Server", "Date", "Content-Type"}


async def test_nothing_is_added_to_a_101(by_hand: ByHand, through: Serve, upstream: Script) -> None:
    status, headers = await tell(await through(await by_hand(upstream)), request())
    assert status == 101
    assert {*headers} == {"Upgrade", "Connection", "Sec-WebSocket-Accept"}


@pytest.mark.parametrize("asked", [plain(), plain(method="HEAD"), request()])
async def test_nothing_is_added_to_an_answer(by_hand: ByHand, through: Serve, asked: bytes) -> None:
    said = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    _, headers = await tell(await through(await by_hand(Recorder(said).script)), asked)
    assert not ADDED & {*headers}


@pytest.mark.parametrize("asked", [plain(), request()])
async def test_what_the_application_adds(
    by_hand: ByHand, bare: aiohttp.ClientSession, serve: Serve, asked: bytes
) -> None:
    """`on_response_prepare` comes behind the headers that aiohttp adds."""

    async def add(asked: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Own"] = "1"
        response.headers["Server"] = "mine"

    said = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    app = ingress(bare, await by_hand(Recorder(said).script))
    app.on_response_prepare.append(add)
    _, headers = await tell(await serve(app), asked)
    assert headers["X-Own"] == "1"
    assert headers["Server"] == "mine"
    assert "Date" not in headers


async def test_the_head_does_not_wait_for_the_body(by_hand: ByHand, through: Serve) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script)))
    wire.send(plain())
    assert (await wire.read_head())[0] == 200
    await wire.close()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_an_answer_that_is_cut_in_its_first_segment(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nHello")
        await wire.close()

    ours = await through(await by_hand(script))
    got: Any = b""
    try:
        got = await raw_bytes(ours, plain(version=version))
    except ConnectionError:
        pass
    else:
        # Without a length the end would complete it.
        assert version == "1.1"
    assert not got.endswith(b"0\r\n\r\n")
    await until(lambda: bool(caplog.messages))
    await asyncio.sleep(0)
