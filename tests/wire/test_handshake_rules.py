"""The rules of the opening handshake that devices break: refused, or let pass on request."""

import base64
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import (
    Frame,
    HandshakeRefused,
    HandshakeRule,
    RawWebSocketSession,
    accept,
    connect,
)
from aiohttp_rawws.wire.handshake import accept_key
from tests.support.handshakes import Opening, answer, asks, request
from tests.support.servers import Serve, application
from tests.support.wire import ByHand, Wire, raw_bytes

ALL = HandshakeRule.ALL
VERSION_LIST = HandshakeRule.VERSION_LIST
KEY_LENGTH = HandshakeRule.KEY_LENGTH
UNASKED_PROTOCOL = HandshakeRule.UNASKED_PROTOCOL
EMPTY_PROTOCOL = HandshakeRule.EMPTY_PROTOCOL

KEY_OF_15 = base64.b64encode(b"15 bytes of key").decode()
KEY_OF_1 = base64.b64encode(b"1").decode()
KEY_OF_32 = base64.b64encode(bytes(32)).decode()

#: What a device sends, the rule it breaks, and the status that says so.
REQUESTS: dict[str, tuple[bytes, HandshakeRule, int]] = {
    "versions": (request(Sec_WebSocket_Version="13, 8"), VERSION_LIST, 426),
    "versions, the other way round": (request(Sec_WebSocket_Version="8,13"), VERSION_LIST, 426),
    "versions in two lines": (asks("Sec-WebSocket-Version: 8"), VERSION_LIST, 426),
    "15 bytes": (request(Sec_WebSocket_Key=KEY_OF_15), KEY_LENGTH, 400),
    "1 byte": (request(Sec_WebSocket_Key=KEY_OF_1), KEY_LENGTH, 400),
    "32 bytes": (request(Sec_WebSocket_Key=KEY_OF_32), KEY_LENGTH, 400),
}

#: What no rule lets pass.
WRONG: dict[str, tuple[bytes, int]] = {
    "no 13": (request(Sec_WebSocket_Version="8, 7"), 426),
    "no version": (request(Sec_WebSocket_Version=""), 426),
    "too many versions": (request(Sec_WebSocket_Version="13" + ",13" * 1000), 426),
    "no base64": (request(Sec_WebSocket_Key="15 bytes of key"), 400),
    "no padding": (request(Sec_WebSocket_Key=KEY_OF_1.rstrip("=")), 400),
    "no key": (request(Sec_WebSocket_Key=""), 400),
    "two keys": (asks(f"Sec-WebSocket-Key: {KEY_OF_15}"), 400),
}


def test_the_rules() -> None:
    assert HandshakeRule.NONE | VERSION_LIST | KEY_LENGTH | UNASKED_PROTOCOL | EMPTY_PROTOCOL == ALL
    assert "HandshakeRule" in aiohttp_rawws.__all__


async def leave(session: RawWebSocketSession) -> None:
    pass


def route(**options: Any) -> web.Application:
    """The options are those of `setup`."""
    return application(leave, **options)


def one_route(**options: Any) -> web.Application:
    app = application(leave)
    app.router.add_raw_websocket("/", leave, "never", **options)  # type: ignore[attr-defined]
    app.add_routes([aiohttp_rawws.raw_websocket("/one", leave, **options)])
    return app


def by_accept(**options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with accept(request, **options) as session:
            pass
        return session.response

    app = web.Application()
    app.router.add_get("/", handler)
    return app


EVERY_WAY = pytest.mark.parametrize("make", [route, by_accept])


async def status_of(app: web.Application, data: bytes, serve: Serve) -> int:
    answer = await raw_bytes(await serve(app), data)
    return int(answer.split(b" ")[1])


@EVERY_WAY
@pytest.mark.parametrize(("data", "rule", "status"), REQUESTS.values(), ids=REQUESTS)
async def test_requests_of_devices(
    serve: Serve, make: Any, data: bytes, rule: HandshakeRule, status: int
) -> None:
    assert await status_of(make(), data, serve) == status
    assert await status_of(make(reject_handshake=~rule), data, serve) == 101
    assert await status_of(make(reject_handshake=HandshakeRule.NONE), data, serve) == 101
    assert await status_of(make(reject_handshake=rule), data, serve) == status


@EVERY_WAY
@pytest.mark.parametrize(("data", "status"), WRONG.values(), ids=WRONG)
async def test_requests_that_no_rule_lets_pass(
    serve: Serve, make: Any, data: bytes, status: int
) -> None:
    assert await status_of(make(reject_handshake=HandshakeRule.NONE), data, serve) == status


async def test_one_route_may_be_lenient(serve: Serve) -> None:
    app = one_route(reject_handshake=~KEY_LENGTH)
    data = request("/one", Sec_WebSocket_Key=KEY_OF_15)
    assert await status_of(app, data, serve) == 101


@pytest.mark.parametrize("reject", [ALL, HandshakeRule.NONE])
async def test_a_device_that_no_route_matches(serve: Serve, reject: HandshakeRule) -> None:
    """It is told what is wrong by the rules of the route."""
    app = application(leave, "chat", reject_handshake=reject)
    data = request(Sec_WebSocket_Key=KEY_OF_15, Sec_WebSocket_Protocol="other")
    body = (await raw_bytes(await serve(app), data)).rpartition(b"\r\n\r\n")[2]
    assert body.startswith(b"Sec-WebSocket-Key" if reject else b"Sec-WebSocket-Protocol")


async def test_the_answer_to_a_short_key(serve: Serve) -> None:
    """It proves that the server has read it, whatever its length."""
    wire = await Wire.open(await serve(route(reject_handshake=HandshakeRule.NONE)))
    wire.send(request(Sec_WebSocket_Key=KEY_OF_15))
    _, headers = await wire.read_head()
    assert headers["Sec-WebSocket-Accept"] == accept_key(KEY_OF_15)
    await wire.close()


# -- the client ------------------------------------------------------------------------------

#: What a device answers to an offer of "a", the rule it breaks, what the session's protocol is
#: if that is let pass, and what is said if not.
ANSWERS: dict[str, tuple[str | list[str], HandshakeRule, str | None, str]] = {
    "empty": ([""], EMPTY_PROTOCOL, None, "the subprotocol is empty"),
    "unasked": ("b", UNASKED_PROTOCOL, "b", "'b' was not offered"),
    "another case": ("A", UNASKED_PROTOCOL, "A", "'A' was not offered"),
    "a list": ("a, b", UNASKED_PROTOCOL, "a, b", "'a, b' was not offered"),
}


def device(**changes: Any) -> Any:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, **changes) + Frame.text("hello").encode())
        await wire.read_to_end()

    return script


@pytest.mark.parametrize("offer", [[], ["a"]], ids=["no offer", "an offer"])
@pytest.mark.parametrize(("chosen", "rule", "protocol", "said"), ANSWERS.values(), ids=ANSWERS)
async def test_answers_of_devices(
    by_hand: ByHand,
    chosen: str | list[str],
    rule: HandshakeRule,
    protocol: str | None,
    said: str,
    offer: list[str],
) -> None:
    url = (await by_hand(device(Sec_WebSocket_Protocol=chosen))).url()
    async with aiohttp.ClientSession() as http:
        for reject in (ALL, rule):
            with pytest.raises(HandshakeRefused, match=said):
                await connect(http, url, protocols=offer, reject_handshake=reject)
        for reject in (ALL & ~rule, HandshakeRule.NONE):
            async with connect(http, url, protocols=offer, reject_handshake=reject) as session:
                assert session.protocol == protocol
                assert (await session.receive()).payload == b"hello"


@pytest.mark.parametrize("chosen", [["a", "a"], ["", ""], ["", "a"]])
async def test_answers_that_no_rule_lets_pass(by_hand: ByHand, chosen: list[str]) -> None:
    url = (await by_hand(device(Sec_WebSocket_Protocol=chosen))).url()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(HandshakeRefused, match="more than one subprotocol"):
            await connect(http, url, protocols=["a"], reject_handshake=HandshakeRule.NONE)


async def test_connect_takes_nothing_but_rules() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(TypeError, match="reject_handshake must be a HandshakeRule"):
            connect(http, "ws://127.0.0.1:1", reject_handshake=0)  # type: ignore[arg-type]


# -- the proxy -------------------------------------------------------------------------------


@pytest.mark.parametrize(("chosen", "rule", "protocol", "said"), ANSWERS.values(), ids=ANSWERS)
async def test_a_proxy_to_a_device(
    by_hand: ByHand,
    through: Serve,
    chosen: str | list[str],
    rule: HandshakeRule,
    protocol: str | None,
    said: str,
) -> None:
    """The visitor gets the answer that was let pass, but for an empty header."""
    upstream = await by_hand(device(Sec_WebSocket_Protocol=chosen))
    data = request(Sec_WebSocket_Protocol="a")
    assert (await raw_bytes(await through(upstream), data)).startswith(b"HTTP/1.1 502")
    wire = await Wire.open(await through(upstream, reject_handshake=~rule))
    wire.send(data)
    status, headers = await wire.read_head()
    assert status == 101
    assert headers.get("Sec-WebSocket-Protocol") == protocol
    assert await wire.read_frame() == (0x81, b"hello")
    await wire.close()


@pytest.mark.parametrize(("data", "rule", "status"), REQUESTS.values(), ids=REQUESTS)
async def test_a_device_at_a_proxy(
    by_hand: ByHand, through: Serve, data: bytes, rule: HandshakeRule, status: int
) -> None:
    """The upstream gets a handshake that breaks no rule: it is another one."""
    heard: list[Opening] = []

    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(answer(opening) + Frame.text("hello").encode())
        await wire.read_to_end()

    upstream = await by_hand(script)
    refused = await raw_bytes(await through(upstream), data)
    assert refused.startswith(b"HTTP/1.1 %d" % status)
    assert heard == []
    wire = await Wire.open(await through(upstream, reject_handshake=~rule))
    wire.send(data)
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x81, b"hello")
    await wire.close()
    [opening] = heard
    assert opening.headers.getall("Sec-WebSocket-Version") == ["13"]
    assert len(base64.b64decode(opening.key)) == 16
