"""Whole messages for an edit."""

from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, Violation
from tests.support.octets import HELLO, masked
from tests.support.relays import between, lost_abruptly, unmasked

NOT_UTF8 = b"\xff is not UTF-8"


async def test_fragments_go_on_as_one_frame() -> None:
    seen: list[Frame] = []

    def edit(direction: str, frame: Frame) -> Frame | None:
        seen.append(frame)
        return frame.replace(payload=frame.payload + b"!") if not frame.is_control else None

    async with between(edit=edit, messages=True) as it:
        it.visitor.send(masked(0x01, b"Hel") + masked(0x89, b"ping") + masked(0x00, b"l"))
        # A control frame does not wait for the message.
        assert await unmasked(it.upstream) == (0x89, b"ping")
        it.visitor.send(masked(0x80, b"o") + masked(0x82, b"whole"))
        # The masking key is that of the first fragment.
        there = masked(0x81, b"Hello!") + masked(0x82, b"whole!")
        assert await it.upstream.read(len(there)) == there
        it.upstream.send(b"\x01\x02ab\x80\x01c" + HELLO)
        assert await it.visitor.read_frame() == (0x81, b"abc!")
        assert await it.visitor.read_frame() == (0x81, b"Hello!")
    assert [(frame.opcode, frame.fin, frame.payload) for frame in seen] == [
        (Opcode.PING, True, b"ping"),
        (Opcode.TEXT, True, b"Hello"),
        (Opcode.BINARY, True, b"whole"),
        (Opcode.TEXT, True, b"abc"),
        (Opcode.TEXT, True, b"Hello"),
    ]


@pytest.mark.parametrize("cut", [None, 1])
async def test_a_text_that_is_not_utf8_is_not_altered(cut: int | None) -> None:
    async with between(edit=lambda *_: None, messages=True) as it:
        parts = [NOT_UTF8] if cut is None else [NOT_UTF8[:cut], NOT_UTF8[cut:]]
        heads = [0x81] if cut is None else [0x01, 0x80]
        it.visitor.send(b"".join(map(masked, heads, parts)))
        assert await unmasked(it.upstream) == (0x81, NOT_UTF8)


async def test_a_tap_sees_the_fragments() -> None:
    seen: list[tuple[int, bool, bytes]] = []

    def tap(direction: str, frame: Frame) -> None:
        seen.append((frame.opcode, frame.fin, frame.payload))

    async with between(edit=lambda *_: None, messages=True, tap=tap) as it:
        it.visitor.send(masked(0x02, b"a") + masked(0x80, b"b"))
        assert await unmasked(it.upstream) == (0x82, b"ab")
    assert seen == [(2, False, b"a"), (0, True, b"b")]


async def test_compressed_fragments_are_one_compressed_message() -> None:
    """RFC 7692 section 6.1: the payloads joined are that of the message, and RSV1 stands once."""
    async with between(edit=lambda *_: None, messages=True, extensions="permessage-deflate") as it:
        it.visitor.send(masked(0x41, b"\xf2\x48\xcd") + masked(0x80, b"\xc9\xc9\x07\x00"))
        assert await unmasked(it.upstream) == (0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")


BROKEN: list[tuple[bytes, dict[str, Any], str]] = [
    (masked(0x02, bytes(600)) + masked(0x80, bytes(600)), {}, "over max_frame_size (1000)"),
    (masked(0x02) + masked(0x82), {}, "the message before is not finished"),
    # What `reject` lets pass cannot be joined either.
    (masked(0x02) + masked(0x82), {"reject": Violation.NONE}, "the message before is not finished"),
    (masked(0x00), {"reject": Violation.NONE}, "there is no message to continue"),
]


@pytest.mark.parametrize(("sent", "options", "message"), BROKEN)
async def test_a_message_that_cannot_be_joined_is_a_violation(
    sent: bytes, options: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"max_frame_size": 1000, **options}
    async with between(edit=lambda *_: None, messages=True, options=options) as it:
        it.visitor.send(masked(0x81, b"before") + sent)
        assert await unmasked(it.upstream) == (0x81, b"before")
        assert await it.upstream.read_to_end() == b""
        it.upstream.writer.close()
        await lost_abruptly(it.visitor)
        stats = await it.stats()
    assert (stats.ended_first, stats.reason) == ("a", "violation")
    assert message in caplog.text


async def test_a_message_that_is_never_ended_does_not_go_on() -> None:
    async with between(edit=lambda *_: None, messages=True) as it:
        it.visitor.send(masked(0x01, b"begun") + masked(0x88, b"\x03\xe8"))
        assert await unmasked(it.upstream) == (0x88, b"\x03\xe8")
