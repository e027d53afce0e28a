"""The examples of docs/layers.md."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiohttp_rawws import RawWebSocketSession, layers
from tests.support import ROOT
from tests.support.octets import masked
from tests.support.servers import Serve, application
from tests.support.waiting import soon
from tests.support.wire import Wire

HOW_TO = (ROOT / "docs" / "layers.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```", HOW_TO, re.DOTALL | re.MULTILINE)


def handlers() -> dict[str, Callable[[RawWebSocketSession], Awaitable[None]]]:
    """Return the two endpoints that are shown: by messages, and by hand."""
    names: dict[str, Any] = {"__name__": "shown"}
    for code in SNIPPETS[:4]:
        exec(code, names)
    by_messages = layers.websocket_handler(names["echo"], max_message_size=2**20)
    return {"messages": by_messages, "by hand": names["by_hand"]}


def test_public_names() -> None:
    assert sorted(layers.__all__) == list(layers.__all__)
    for name in layers.__all__:
        assert getattr(layers, name).__module__.startswith("aiohttp_rawws.")


def test_all_that_is_shown_runs() -> None:
    """In order, and each on what the ones before it made known."""
    names: dict[str, Any] = {"__name__": "shown"}
    for code in SNIPPETS:
        exec(code, names)
    shown = {"app", "ask", "handler", "answered", "upload", "send_in_parts", "goodbye", "watched"}
    assert shown <= set(names)


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (masked(0x89, b"?") + masked(0x88, b"\x0f\xa0"), [(0x8A, b"?"), (0x88, b"\x0f\xa0")]),
        (
            masked(0x01, b"Hel") + masked(0x89) + masked(0x80, b"lo") + masked(0x88),
            [(0x8A, b""), (0x81, b"got 'Hello'"), (0x88, b"")],
        ),
        (masked(0x82, b"\xff") + masked(0x88), [(0x81, rb"got b'\xff'"), (0x88, b"")]),
        (masked(0x01, b"\xff") + masked(0x88), [(0x88, b"\x03\xef")]),
        (masked(0x02, bytes(60_000)) + masked(0x00, bytes(60_000)) * 17, [(0x88, b"\x03\xf1")]),
        (masked(0xC1) + masked(0x88), [(0x88, b"\x03\xea")]),
        (masked(0x80), [(0x88, b"\x03\xea")]),
    ],
    ids=["control", "fragments", "binary", "not UTF-8", "too big", "reserved bit", "order"],
)
@pytest.mark.parametrize("form", ["messages", "by hand"])
async def test_the_handlers_shown_are_endpoints(
    serve: Serve, form: str, sent: bytes, answers: list[tuple[int, bytes]]
) -> None:
    wire = await Wire.upgrade(await serve(application(handlers()[form])))
    wire.send(sent)
    wire.end()
    for head, payload in answers:
        got = await wire.read_frame()
        # The one by messages tells the reason of a violation, too.
        assert (got[0], got[1][: len(payload)]) == (head, payload)
    assert await wire.read_to_end() == b""
    await soon(wire.close())
