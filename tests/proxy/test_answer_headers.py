"""The answer that `proxy` gives to the visitor, its subprotocol and extensions."""

import asyncio

import pytest

from tests.support.handshakes import ACCEPT, Opening, answer, asks, request
from tests.support.octets import CLOSE, masked
from tests.support.servers import BOTH, Serve
from tests.support.sockets import send_until_full
from tests.support.wire import ByHand, Script, Wire, tell

# -- subprotocol and extensions --------------------------------------------------------------------


async def test_what_the_two_agree_on(by_hand: ByHand, through: Serve, heard: list[Opening]) -> None:
    agreed = 'permessage-deflate ;  client_max_window_bits="10", x-own'

    async def script(wire: Wire, opening: Opening) -> None:
        heard.append(opening)
        wire.send(
            answer(opening, Sec_WebSocket_Protocol="b", Sec_WebSocket_Extensions=agreed)
            + b"\xc1\x01x"
        )
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script)))
    wire.send(
        asks(
            "Sec-WebSocket-Protocol: a, b",
            "sec-websocket-protocol: c",
            "Sec-WebSocket-Extensions: permessage-deflate;  client_max_window_bits",
            "Sec-WebSocket-Extensions: x-own, y",
        )
    )
    _, headers = await wire.read_head()
    assert await wire.read_frame() == (0xC1, b"x")
    await wire.close()
    assert headers.getall("Sec-WebSocket-Protocol") == ["b"]
    assert headers.getall("Sec-WebSocket-Extensions") == [agreed]
    offers = heard[0].headers
    assert offers.getall("Sec-WebSocket-Protocol") == ["a, b, c"]
    assert offers.getall("Sec-WebSocket-Extensions") == [
        "permessage-deflate;  client_max_window_bits, x-own, y"
    ]


@pytest.mark.parametrize("none", [None, ""])
async def test_an_offer_that_is_kept_back(
    by_hand: ByHand, through: Serve, upstream: Script, heard: list[Opening], none: "str | None"
) -> None:
    asked = []

    def choose(offer: str) -> "str | None":
        asked.append(offer)
        return none

    ours = await through(await by_hand(upstream), extensions=choose)
    status, headers = await tell(ours, asks("Sec-WebSocket-Extensions: permessage-deflate"))
    assert status == 101
    assert "Sec-WebSocket-Extensions" not in headers
    assert "Sec-WebSocket-Extensions" not in heard[0].headers
    await tell(ours, request())
    assert asked == ["permessage-deflate"]


async def test_a_part_of_an_offer(by_hand: ByHand, through: Serve) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        offer = opening.headers["Sec-WebSocket-Extensions"]
        wire.send(answer(opening, Sec_WebSocket_Extensions=offer))
        await wire.read_to_end()

    ours = await through(await by_hand(script), extensions=lambda offer: offer.partition(",")[0])
    _, headers = await tell(ours, asks("Sec-WebSocket-Extensions: x; p=1, y"))
    assert headers["Sec-WebSocket-Extensions"] == "x; p=1"


# -- what the visitor gets -------------------------------------------------------------------------


async def test_the_headers_of_the_101(by_hand: ByHand, through: Serve) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(
            answer(
                opening,
                Connection=["Upgrade, X-Hop", "keep-alive"],
                Set_Cookie=["a=1; Path=/; HttpOnly", "b=2"],
                Server="theirs/1",
                Date="Mon, 01 Jan 2024 00:00:00 GMT",
                Keep_Alive="timeout=5",
                Content_Length="0",
                X_Hop="1",
                X_Own=["1", "2", "1"],
            )
        )
        await wire.read_to_end()

    _, headers = await tell(await through(await by_hand(script)), request())
    assert [*headers.items()] == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
        ("Set-Cookie", "a=1; Path=/; HttpOnly"),
        ("Set-Cookie", "b=2"),
        ("Server", "theirs/1"),
        ("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ("X-Own", "1"),
        ("X-Own", "2"),
        ("X-Own", "1"),
    ]


@BOTH
async def test_frames_in_the_segment_of_the_101(by_hand: ByHand, through: Serve, tls: bool) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening) + b"\x81\x05Hello" * 1000 + CLOSE)
        await wire.read_to_end()

    wire = await Wire.upgrade(await through(await by_hand(script, tls=tls), tls=tls))
    for _ in range(1000):
        assert await wire.read_frame() == (0x81, b"Hello")
    assert await wire.read_frame() == (0x88, b"\x03\xe8")
    await wire.close()


@BOTH
async def test_frames_behind_the_request(by_hand: ByHand, through: Serve, tls: bool) -> None:
    """Megabytes, before the upstream has answered: they wait in the visitor."""
    chunk = masked(0x82, bytes(60_000))
    answered = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        await answered.wait()
        wire.send(answer(opening))
        data = await wire.read(32 * 2**20 // len(chunk) * len(chunk))
        assert data == chunk * (len(data) // len(chunk))
        wire.send(CLOSE)
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script, tls=tls), tls=tls))
    wire.send(request() + chunk)
    sent = len(chunk) + await send_until_full(wire, chunk, 16 * 2**20)
    assert sent < 16 * 2**20
    answered.set()
    all_of_it = 32 * 2**20 // len(chunk) * len(chunk)
    rest = all_of_it - sent - wire.transport.get_write_buffer_size()
    wire.send(chunk * (rest // len(chunk)))
    assert (await wire.read_head())[0] == 101
    assert await wire.read_frame() == (0x88, b"\x03\xe8")
    await wire.close()
