"""A proxy whose two legs negotiate their compression each by itself."""

import pytest

from aiohttp_rawws import Frame, Opcode
from tests.support.compressed import NAME, Peer
from tests.support.deflate import TEXT
from tests.support.handshakes import Opening, answer, request
from tests.support.servers import Serve
from tests.support.wire import ByHand, Wire, tell

OFFER = f"{NAME}; client_max_window_bits"

# What the visitor offers, `deflate=`, what the upstream is offered and answers, and what the
# visitor is answered.
LEGS = [
    ("", "decode", OFFER, NAME, ""),
    ("", "decode", OFFER, "", ""),
    (f"x-other, {OFFER}", "decode", OFFER, "", NAME),
    (f"{NAME}; server_no_context_takeover", "decode", OFFER, NAME, None),
    (OFFER, "offload", "", "", NAME),
    ("x-other", "offload", "", "", ""),
]


@pytest.mark.parametrize(("offers", "deflate", "offered", "answered", "gets"), LEGS)
async def test_each_leg_by_itself(
    by_hand: ByHand,
    through: Serve,
    offers: str,
    deflate: str,
    offered: str,
    answered: str,
    gets: "str | None",
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        assert opening.headers.get("Sec-WebSocket-Extensions", "") == offered
        wire.send(answer(opening, Sec_WebSocket_Extensions=answered))
        upstream = Peer(wire, is_client=False, is_compressed=bool(answered))
        upstream.send(await upstream.receive())
        await upstream.receive()

    wire = await Wire.open(await through(await by_hand(script), deflate=deflate))
    wire.send(request(Sec_WebSocket_Extensions=offers))
    status, headers = await wire.read_head()
    assert status == 101
    given = headers.get("Sec-WebSocket-Extensions", "")
    assert given == (offers if gets is None else gets)
    visitor = Peer(wire, is_client=True, is_compressed=bool(given))
    visitor.send(Frame(Opcode.TEXT, TEXT))
    raw = await visitor.receive_raw()
    assert raw.rsv1 == bool(given)
    plain = raw if visitor.deflate is None else visitor.deflate.decode(raw)
    assert plain == Frame(Opcode.TEXT, TEXT)
    await wire.close()


@pytest.mark.parametrize(
    ("deflate", "answered", "reason"),
    [
        ("decode", f"{NAME}; server_max_window_bits=7", "server_max_window_bits must be 8 to 15"),
        ("decode", f"{NAME}; client_max_window_bits", "client_max_window_bits must be 8 to 15"),
        ("decode", "x-other", "extensions that were not offered: x-other"),
        ("offload", NAME, "extensions that were not offered: permessage-deflate"),
    ],
)
async def test_an_answer_that_does_not_fit_is_a_502(
    by_hand: ByHand,
    through: Serve,
    deflate: str,
    answered: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening, Sec_WebSocket_Extensions=answered))
        await wire.read_to_end()

    ours = await through(await by_hand(script), deflate=deflate)
    # The visitor's offer is nothing to the upstream.
    status, _ = await tell(ours, request(Sec_WebSocket_Extensions=f"{NAME}, x-other"))
    assert status == 502
    assert reason in caplog.text
