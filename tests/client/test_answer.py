"""The answers that `connect` takes for a 101, and those that it does not."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import Frame, ProtocolError, Violation
from aiohttp_rawws.client.answer import HandshakeRefused
from aiohttp_rawws.client.connect import connect
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.handshakes import Opening, answer
from tests.support.octets import HELLO
from tests.support.servers import BOTH
from tests.support.waiting import soon
from tests.support.wire import ByHand, Wire


@pytest.mark.parametrize(
    ("changes", "protocol", "extensions"),
    [
        ({}, None, None),
        ({"Upgrade": "WebSocket", "Connection": "upgrade"}, None, None),
        ({"Connection": "keep-alive, Upgrade"}, None, None),
        ({"Connection": ["Upgrade", "close"]}, None, None),
        ({"Content_Length": "0"}, None, None),
        ({"Sec_WebSocket_Protocol": "a"}, "a", None),
        ({"Sec_WebSocket_Protocol": "b"}, "b", None),
        ({"Sec_WebSocket_Extensions": "x"}, None, "x"),
        ({"Sec_WebSocket_Extensions": " y ; p=1;q "}, None, "y ; p=1;q"),
        ({"Sec_WebSocket_Extensions": ["x", "y;p"]}, None, "x, y;p"),
        ({"Sec_WebSocket_Extensions": ","}, None, None),
    ],
    ids=str,
)
async def test_valid_answers(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    changes: dict[str, Any],
    protocol: "str | None",
    extensions: "str | None",
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes) + HELLO)
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    async with connect(http, url, protocols=["a", "b"], extensions="x, y; p=2") as session:
        assert session.protocol == protocol
        assert session.extensions == extensions
        assert await soon(session.receive()) == Frame.text("Hello")


WRONG = {
    "no upgrade": ({"Upgrade": ""}, "Upgrade"),
    "another upgrade": ({"Upgrade": "h2c"}, "Upgrade"),
    "more than one upgrade": ({"Upgrade": "websocket, h2c"}, "Upgrade"),
    "an upgrade twice": ({"Upgrade": ["websocket", "websocket"]}, "Upgrade"),
    "a Kelvin sign": ({"Upgrade": "websoc\u212aet"}, "Upgrade"),
    "no connection": ({"Connection": ""}, "Connection"),
    "another connection": ({"Connection": "keep-alive"}, "Connection"),
    "nothing at all": ({"Upgrade": "", "Connection": "", "Sec_WebSocket_Accept": ""}, "Upgrade"),
    "no accept": ({"Sec_WebSocket_Accept": ""}, "Accept"),
    "the accept of another key": ({"Sec_WebSocket_Accept": accept_key("x" * 24)}, "Accept"),
    "a protocol": ({"Sec_WebSocket_Protocol": "c"}, "'c' was not offered"),
    "a protocol in capitals": ({"Sec_WebSocket_Protocol": "A"}, "'A' was not offered"),
    "two protocols": ({"Sec_WebSocket_Protocol": "a, b"}, "'a, b' was not offered"),
    "two lines": ({"Sec_WebSocket_Protocol": ["a", "b"]}, "more than one subprotocol: a, b"),
    "an extension": ({"Sec_WebSocket_Extensions": "z; p"}, "not offered: z"),
    "one of two": ({"Sec_WebSocket_Extensions": "x, z"}, "not offered: z"),
    "one of two lines": ({"Sec_WebSocket_Extensions": ["x", "z"]}, "not offered: z"),
}


@BOTH
@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
async def test_wrong_answers(
    by_hand: ByHand,
    http: aiohttp.ClientSession,
    changes: dict[str, Any],
    message: str,
    tls: bool,
) -> None:
    """RFC 6455 section 4.1: the client fails the connection."""
    ended = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes) + HELLO)
        with contextlib.suppress(ConnectionError):
            assert await wire.read_to_end() == b""
        ended.set()

    url = (await by_hand(script, tls=tls)).url()
    with pytest.raises(HandshakeRefused, match=message) as caught:
        await connect(http, url, protocols=["a", "b"], extensions="x, y")
    assert caught.value.status == 101
    assert caught.value.body == b""
    await soon(ended.wait())


@pytest.mark.parametrize(
    "changes", [{"Sec_WebSocket_Protocol": "a"}, {"Sec_WebSocket_Extensions": "x"}], ids=str
)
async def test_answers_where_nothing_was_offered(
    by_hand: ByHand, http: aiohttp.ClientSession, changes: dict[str, Any]
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes))
        await wire.read_to_end()

    with pytest.raises(HandshakeRefused, match="not offered"):
        await connect(http, (await by_hand(script)).url())


async def test_a_connection_with_a_wrong_answer_serves_nobody_else(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    """To aiohttp, a 101 without Upgrade is an answer like any other."""

    async def script(wire: Wire, opening: Opening) -> None:
        if "Upgrade" in opening.headers:
            wire.send(b"HTTP/1.1 101 Switching\r\n\r\n")
        else:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh")
        await wire.read_to_end()

    url = (await by_hand(script)).url()
    with pytest.raises(HandshakeRefused):
        await connect(http, url)
    async with http.get(url) as response:
        assert await response.text() == "fresh"
        response.close()


async def test_an_extension_makes_reserved_bits_lawful(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, Sec_WebSocket_Extensions="x") + b"\xc1\x00")
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), extensions="x") as session:
        frame = await soon(session.receive())
        assert (frame.rsv1, frame.violations) == (True, Violation.NONE)


async def test_an_empty_extensions_header_does_not(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, Sec_WebSocket_Extensions=[""]) + b"\xc1\x00")
        await wire.read_to_end()

    async with connect(http, (await by_hand(script)).url(), extensions="x") as session:
        assert session.extensions is None
        with pytest.raises(ProtocolError) as caught:
            await soon(session.receive())
        assert caught.value.violation == Violation.RESERVED_BITS
