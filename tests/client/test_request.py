"""The opening handshake that `connect` sends, and the options that it refuses."""

import base64
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from aiohttp_rawws.client.connect import connect
from tests.support.handshakes import Opening
from tests.support.wire import ByHand, Script

# -- what is sent ----------------------------------------------------------------------------------


async def test_the_opening_handshake(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    address = await by_hand(listening)
    async with connect(http, address.url("/chat?a=1")) as session:
        assert session.is_client
        assert session.request is None
        assert session.protocol is None
        assert session.extensions is None
        assert isinstance(session.response, aiohttp.ClientResponse)
        assert session.response.status == 101
    [opening] = heard
    assert opening.line == "GET /chat?a=1 HTTP/1.1"
    headers = opening.headers
    assert headers["Host"] == f"{address.host}:{address.port}"
    assert headers.getall("Upgrade") == ["websocket"]
    assert headers.getall("Connection") == ["Upgrade"]
    assert headers.getall("Sec-WebSocket-Version") == ["13"]
    assert len(base64.b64decode(opening.key, validate=True)) == 16
    for absent in ("Protocol", "Extensions"):
        assert f"Sec-WebSocket-{absent}" not in headers
    assert not {"Origin", "Content-Length", "Transfer-Encoding"} & {*headers}


async def test_what_is_offered(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    deflate = 'permessage-deflate; client_max_window_bits="10", x-own'
    async with connect(
        http,
        (await by_hand(listening)).url(),
        protocols=["chat.v2", "chat.v1"],
        extensions=deflate,
        origin="https://example.com",
        headers={"X-Mine": "1", "Authorization": "Bearer x"},
    ) as session:
        assert session.protocol == "chat.v2"
        assert session.extensions == deflate
    [opening] = heard
    assert opening.headers["Sec-WebSocket-Protocol"] == "chat.v2, chat.v1"
    assert opening.headers["Sec-WebSocket-Extensions"] == deflate
    assert opening.headers["Origin"] == "https://example.com"
    assert opening.headers["X-Mine"] == "1"
    assert opening.headers["Authorization"] == "Bearer x"


@pytest.mark.parametrize(
    ("protocols", "offer"),
    [((), None), ([], None), (None, None), ("chat", "chat"), (["a", "b"], "a, b")],
)
async def test_protocols(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    heard: list[Opening],
    listening: Script,
    protocols: Any,
    offer: "str | None",
) -> None:
    async with connect(http, (await by_hand(listening)).url(), protocols=protocols):
        pass
    assert heard[0].headers.get("Sec-WebSocket-Protocol") == offer


async def test_every_key_is_fresh(
    by_hand: ByHand, http: aiohttp.ClientSession, heard: list[Opening], listening: Script
) -> None:
    url = (await by_hand(listening)).url()
    for _ in range(5):
        async with connect(http, url):
            pass
    assert len({opening.key for opening in heard}) == 5


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1"}, [("X-A", "1")], CIMultiDict({"x-a": "1"})],
    ids=["a mapping", "pairs", "a multidict"],
)
async def test_kinds_of_headers(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    heard: list[Opening],
    listening: Script,
    headers: Any,
) -> None:
    before = list(headers)
    async with connect(http, (await by_hand(listening)).url(), headers=headers):
        pass
    assert heard[0].headers["X-A"] == "1"
    assert list(headers) == before


async def test_headers_of_the_client_session_do_not_break_the_handshake(
    by_hand: ByHand, heard: list[Opening], listening: Script
) -> None:
    own = {"Connection": "keep-alive", "Upgrade": "h2c", "X-Own": "1", "Origin": "http://own"}
    url = (await by_hand(listening)).url()
    async with aiohttp.ClientSession(headers=own) as http, connect(http, url):
        pass
    assert heard[0].headers.getall("Connection") == ["Upgrade"]
    assert heard[0].headers.getall("Upgrade") == ["websocket"]
    assert heard[0].headers["X-Own"] == "1"
    assert heard[0].headers["Origin"] == "http://own"


# -- what is not taken -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("sec-websocket-protocol", "protocols="),
        ("Sec-WebSocket-Extensions", "extensions="),
        ("Origin", "origin="),
        ("Connection", "leave it out"),
        ("upgrade", "leave it out"),
        ("Sec-WebSocket-Key", "leave it out"),
        ("Sec-WebSocket-Version", "leave it out"),
    ],
)
async def test_headers_of_the_handshake_are_not_for_headers(
    http: aiohttp.ClientSession, name: str, instead: str
) -> None:
    """The message says what to do instead; nothing has been sent."""
    with pytest.raises(ValueError, match=f"(?i){name}.*{instead}"):
        connect(http, "ws://127.0.0.1:1", headers={name: "x"})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"protocols": "a b"}, ValueError, "subprotocol"),
        ({"protocols": ""}, ValueError, "subprotocol"),
        ({"protocols": ["a", "a"]}, ValueError, "twice"),
        ({"protocols": 5}, TypeError, "protocol"),
        ({"extensions": ["x"]}, TypeError, "extensions"),
        ({"extensions": " "}, ValueError, "extensions"),
        ({"extensions": "x\r\nX-Smuggled: 1"}, ValueError, "extensions"),
        ({"origin": URL("http://a")}, TypeError, "origin"),
        ({"origin": "http://a\n"}, ValueError, "origin"),
        ({"max_frame_size": 0}, ValueError, "max_frame_size"),
        ({"receive_limit": "1"}, TypeError, "receive_limit"),
        ({"reject": 1}, TypeError, "reject"),
        ({"linger": -1}, ValueError, "linger"),
        ({"json": {}, "data": b"x"}, TypeError, "data, json.*without a body"),
        ({"method": "POST"}, TypeError, "method.*GET"),
        ({"raise_for_status": True}, TypeError, "raise_for_status"),
    ],
)
async def test_bad_options(
    http: aiohttp.ClientSession, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        connect(http, "ws://127.0.0.1:1", **options)
