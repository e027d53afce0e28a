"""The echo, and the inspector as seen from its two channels."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from demo import __main__ as command
from demo import echo, inspector
from tests.support.demos import CLOSE_1000, Visit, visiting
from tests.support.octets import MASK, masked
from tests.support.servers import Serve
from tests.support.wire import Wire

UNMASKED = b"\x81\x02no"
CLOSE_1002 = b"\x03\xea"
CLOSE_1008 = b"\x03\xf0"


@pytest.mark.parametrize("module", [inspector, echo, command])
def test_each_module_makes_an_application(module: Any) -> None:
    assert isinstance(module.make_app(), aiohttp.web.Application)


# -- The echo. -------------------------------------------------------------------------------------


async def test_the_echo_gives_back_every_frame_as_it_came(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(echo.make_app()))
    wire.send(masked(0x01, b"Hel") + masked(0x80, b"lo"))
    assert await wire.read_frame() == (0x01, b"Hel")
    assert await wire.read_frame() == (0x80, b"lo")
    await wire.close()


async def test_the_echo_does_its_duties(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(echo.make_app()))
    wire.send(masked(0x89, b"?") + masked(0x88, CLOSE_1000))
    assert await wire.read_frame() == (0x8A, b"?")
    assert await wire.read_frame() == (0x88, CLOSE_1000)
    assert await wire.read_to_end() == b""
    await wire.close()


# -- The inspector, seen from its two channels. ----------------------------------------------------


@pytest.fixture
async def visit(serve: Serve) -> AsyncIterator[Visit]:
    async with visiting(await serve(inspector.make_app())) as visit:
        yield visit


async def test_a_frame_is_reported_as_it_stood_on_the_wire(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x02, b"\x00\xff" * 1000))  # 0000 0010: BINARY, no FIN
    assert await visit.report() == {
        "kind": "frame",
        "number": 1,
        "direction": "received",
        "opcode": 2,
        "name": "BINARY",
        "fin": False,
        "rsv": [False, False, False],
        "mask": MASK.hex(),
        "length": 2000,
        "payload": "00ff" * (inspector.PREVIEW // 2),
    }
    await wire.close()


async def test_a_ping_between_fragments_is_answered_and_reported(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x01, b"Hel") + masked(0x89, b"?") + masked(0x80, b"lo"))
    assert await visit.shown(4) == [
        ("received", "TEXT", 3),
        ("received", "PING", 1),
        ("sent", "PONG", 1),
        ("received", "CONTINUATION", 2),
    ]
    assert await wire.read_frame() == (0x8A, b"?")
    await wire.close()


async def test_the_peers_close_is_answered_with_its_code(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x88, CLOSE_1000 + b"bye"))
    assert await visit.shown(2) == [("received", "CLOSE", 5), ("sent", "CLOSE", 2)]
    assert await wire.read_frame() == (0x88, CLOSE_1000)
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_a_ping_on_order(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="ping", payload="é")
    assert await wire.read_frame() == (0x89, b"\xc3\xa9")
    assert await visit.shown() == [("sent", "PING", 2)]
    await wire.close()


async def test_fragments_on_order_have_a_ping_between_them(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="fragments", text="fragment", count=3)
    assert [await wire.read_frame() for _ in range(4)] == [
        (0x01, b"fr"),
        (0x89, b"between fragments"),
        (0x00, b"agm"),
        (0x80, b"ent"),
    ]
    await wire.close()


async def test_more_fragments_than_there_are_bytes(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="fragments", text="", count=2)
    assert [await wire.read_frame() for _ in range(3)] == [
        (0x01, b""),
        (0x89, b"between fragments"),
        (0x80, b""),
    ]
    await wire.close()


@pytest.mark.parametrize(("code", "payload"), [(4321, b"\x10\xe1why"), (None, b"")])
async def test_a_close_on_order(visit: Visit, code: int | None, payload: bytes) -> None:
    wire = await visit.watch()
    await visit.order(action="close", code=code, reason="" if code is None else "why")
    assert await wire.read_frame() == (0x88, payload)
    wire.send(masked(0x88, payload))
    assert await visit.shown(2) == [
        ("sent", "CLOSE", len(payload)),
        ("received", "CLOSE", len(payload)),
    ]
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_nothing_follows_the_servers_close(visit: Visit) -> None:
    wire = await visit.watch()
    await visit.order(action="close", code=1000, reason="")
    assert await wire.read_frame() == (0x88, CLOSE_1000)
    await visit.shown()
    await visit.order(action="ping", payload="")
    assert "Close frame was sent" in (await visit.report())["text"]
    wire.send(masked(0x89, b"still there?") + masked(0x88, CLOSE_1000))
    assert await visit.shown(2) == [("received", "PING", 12), ("received", "CLOSE", 2)]
    assert await wire.read_to_end() == b""
    await wire.close()


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"action": "ping", "payload": "x" * 126}, "at most 125 bytes"),
        ({"action": "fragments", "text": "a", "count": 1}, "2 to 100 fragments, got 1"),
        ({"action": "fragments", "text": "a", "count": 101}, "2 to 100 fragments, got 101"),
        ({"action": "close", "code": 1006, "reason": ""}, "1006 may not be sent"),
        ({"action": "close", "code": None, "reason": "why"}, "needs a close code"),
        ({"action": "jump"}, "no such order: {'action': 'jump'}"),
        ([], "no such order: []"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_its_reason(
    visit: Visit, order: object, reason: str
) -> None:
    wire = await visit.watch()
    await visit.control.send_json(order)
    report = await visit.report()
    assert report["kind"] == "notice"
    assert reason in report["text"]
    wire.send(masked(0x89))
    assert await wire.read_frame() == (0x8A, b"")
    await wire.close()


async def test_an_order_that_is_not_json(visit: Visit) -> None:
    await visit.control.send_str("ping!")
    assert "Expecting value" in (await visit.report())["text"]


async def test_an_order_without_an_open_socket(visit: Visit) -> None:
    await visit.order(action="ping", payload="")
    assert "connect first" in (await visit.report())["text"]


async def test_a_broken_rule_is_reported_and_closes(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(UNMASKED)
    assert "fails the connection" in (await visit.report())["text"]
    assert await visit.shown() == [("sent", "CLOSE", 2)]
    assert await wire.read_frame() == (0x88, CLOSE_1002)
    assert await wire.read_to_end() == b""
    await wire.close()


async def test_a_socket_that_nobody_watches(serve: Serve) -> None:
    wire = await Wire.upgrade(await serve(inspector.make_app()), "/watched/nobody")
    head, payload = await wire.read_frame()
    assert (head, payload[:2]) == (0x88, CLOSE_1008)
    await wire.close()


async def test_the_watched_socket_goes_with_its_page(visit: Visit) -> None:
    wire = await visit.watch()
    wire.send(masked(0x81))
    await visit.shown()
    await visit.control.close()
    with pytest.raises(ConnectionResetError):
        await wire.read_to_end()
    await wire.close()


async def test_visitors_see_only_their_own_frames(serve: Serve) -> None:
    address = await serve(inspector.make_app())
    async with visiting(address) as one, visiting(address) as other:
        wires = await one.watch(), await other.watch()
        wires[0].send(masked(0x81, b"one"))
        wires[1].send(masked(0x81, b"other"))
        assert await one.shown() == [("received", "TEXT", 3)]
        assert await other.shown() == [("received", "TEXT", 5)]
        for wire in wires:
            await wire.close()
