"""Frames that `reject` lets pass go through a relay octet by octet."""

import asyncio
from typing import Any

import pytest

from aiohttp_rawws import Frame, Violation
from tests.support.octets import MASK
from tests.support.relays import Between, between
from tests.support.servers import application, running
from tests.support.waiting import patience, soon
from tests.support.ways import all_frames
from tests.support.wire import Wire

NOBODY = Violation.NONE


def look(direction: str, frame: Frame) -> None:
    """A tap that does nothing."""


HOW = pytest.mark.parametrize(
    "how", [{}, {"tap": look}, {"remask": True}], ids=["fast", "tapped", "remasked"]
)


def octets(head: int, payload: bytes, *, is_masked: bool, form: int = 0) -> bytes:
    """A frame whose length has this form: 126 for 16 bits, 127 for 64, 0 for the shortest."""
    size = len(payload)
    form = form or (size if size < 126 else 126 if size < 65536 else 127)
    length = size.to_bytes({126: 2, 127: 8}.get(form, 0), "big") if form > 125 else b""
    header = bytes([head, form | (0x80 if is_masked else 0)]) + length
    if not is_masked:
        return header + payload
    key = (MASK * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return header + MASK + mixed.to_bytes(size, "big")


def odd_frames(is_masked: bool) -> "dict[str, bytes]":
    """Frames and streams that break a rule each, as one side sends them, masked or not."""

    def make(head: int, payload: bytes, form: int = 0) -> bytes:
        return octets(head, payload, is_masked=is_masked, form=form)

    return {
        "16 bits for nothing": make(0x82, b"", 126),
        "64 bits for nothing": make(0x82, b"", 127),
        "16 bits for 5": make(0x81, b"hello", 126),
        "64 bits for 5": make(0x81, b"hello", 127),
        "64 bits for 126": make(0x82, bytes(range(126)), 127),
        "64 bits for 60000": make(0x82, bytes(60000), 127),
        "a long length of a ping": make(0x89, b"x" * 125, 127),
        "rsv": make(0xF1, b"reserved bits"),
        "a reserved opcode": make(0x83, b"data") + make(0x8F, b"control"),
        "a control frame in fragments": make(0x09, b"ping"),
        "a long ping": make(0x89, b"x" * 126),
        "a very long ping": make(0x89, bytes(300_000)),
        "a continuation of nothing": make(0x00, b"a") + make(0x80, b"b"),
        "a message within a message": make(0x01, b"a") + make(0x81, b"b"),
        "masked or not": octets(0x81, b"the other way", is_masked=not is_masked),
        "masked or not, and big": octets(0x82, bytes(300_000), is_masked=not is_masked),
        "masked or not, and long": octets(0x82, b"abc", is_masked=not is_masked, form=127),
    }


NAMES = list(odd_frames(True))
SIDES = pytest.mark.parametrize("side", ["visitor", "upstream"])
LENIENT = {"reject": NOBODY, "linger": 2.0}


def ends_of(it: Between, side: str) -> "tuple[Wire, Wire]":
    return (it.visitor, it.upstream) if side == "visitor" else (it.upstream, it.visitor)


def same(came: bytes, sent: bytes, how: "dict[str, Any]", side: str, is_masked: bool) -> bool:
    """Whether the octets are the same; a fresh key is asked for with `remask`, of masked ones."""
    if not (how.get("remask") and side == "visitor" and is_masked):
        return came == sent
    # Header, then a key of its own, then what that unmasks to.
    return len(came) == len(sent) and came[:2] == sent[:2]


@HOW
@SIDES
@pytest.mark.parametrize("name", NAMES)
async def test_a_frame_that_broke_a_rule(how: "dict[str, Any]", side: str, name: str) -> None:
    is_masked = side == "visitor"
    data = odd_frames(is_masked)[name]
    sound = octets(0x82, b"behind", is_masked=is_masked)
    async with between(options=LENIENT, **how) as it:
        there, back = ends_of(it, side)
        there.send(data)
        came = await back.read(len(data))
        assert same(
            came, data, how, side, not is_masked if name.startswith("masked or not") else is_masked
        )
        there.send(sound)
        assert len(await back.read(len(sound))) == len(sound)


@HOW
@SIDES
@pytest.mark.parametrize(
    "name", ["16 bits for 5", "64 bits for 5", "64 bits for 126", "a long ping"]
)
async def test_octet_by_octet(how: "dict[str, Any]", side: str, name: str) -> None:
    is_masked = side == "visitor"
    data = odd_frames(is_masked)[name]
    async with between(options=LENIENT, **how) as it:
        there, back = ends_of(it, side)
        for octet in data:
            there.send(bytes([octet]))
            await asyncio.sleep(0)
        assert same(await back.read(len(data)), data, how, side, is_masked)


@HOW
@SIDES
@pytest.mark.parametrize("payload", [b"x", b"\x03\xed", b"\x03\xe8\xff", bytes(200)])
async def test_a_close_that_broke_a_rule(how: "dict[str, Any]", side: str, payload: bytes) -> None:
    is_masked = side == "visitor"
    data = octets(0x88, payload, is_masked=is_masked, form=127)
    async with between(options=LENIENT, **how) as it:
        there, back = ends_of(it, side)
        there.send(data)
        assert same(await back.read(len(data)), data, how, side, is_masked)


@HOW
@SIDES
async def test_frames_behind_a_close(how: "dict[str, Any]", side: str) -> None:
    is_masked = side == "visitor"
    data = b"".join(
        octets(head, payload, is_masked=is_masked)
        for head, payload in [
            (0x88, b"\x03\xe8bye"),
            (0x81, b"still here"),
            (0x89, b"?"),
            (0x82, bytes(100_000)),
            (0x88, b"\x0f\xa1"),
        ]
    )
    async with between(options=LENIENT, **how) as it:
        there, back = ends_of(it, side)
        there.send(data)
        assert same(await back.read(len(data)), data, how, side, is_masked)
        # The other direction goes on, too.
        answer = octets(0x88, b"\x03\xe8", is_masked=not is_masked)
        back.send(answer)
        assert len(await there.read(len(answer))) == len(answer)


@HOW
async def test_a_long_close_is_bounded(how: "dict[str, Any]") -> None:
    """It is held until it is whole: `max_frame_size` applies."""
    options = LENIENT | {"max_frame_size": 1000, "linger": 0.1}
    async with between(options=options, **how) as it:
        it.visitor.send(octets(0x88, bytes(1001), is_masked=True)[:20])
        assert await it.upstream.read_to_end() == b""
        it.upstream.writer.close()
        assert (await it.stats()).reason == "violation"


@pytest.mark.parametrize("rule", [Violation.UNMASKED, Violation.LENGTH_ENCODING])
async def test_a_fresh_key_for_what_is_masked_alone(rule: Violation) -> None:
    """`remask` draws keys for frames that have one, in any form."""
    form = 127 if rule is Violation.LENGTH_ENCODING else 0
    is_masked = rule is not Violation.UNMASKED
    data = octets(0x81, b"hello", is_masked=is_masked, form=form)
    async with between(options={"reject": Violation.ALL & ~rule}, remask=True) as it:
        it.visitor.send(data)
        came = await it.upstream.read(len(data))
    if not is_masked:
        assert came == data
        return
    assert came[:10] == data[:10]
    key, payload = came[10:14], came[14:]
    assert key != MASK
    assert bytes(octet ^ key[i % 4] for i, octet in enumerate(payload)) == b"hello"


async def test_a_send_of_ones_own_is_sound() -> None:
    """An echo answers as RFC 6455 has it, whatever it got."""

    async def echo(session: Any) -> None:
        for frame in await all_frames(session):
            await session.send(frame)

    app = application(echo, reject=Violation.ALL & ~Violation.LENGTH_ENCODING)
    async with running(app) as (_, address), patience():
        wire = await Wire.upgrade(address)
        wire.send(octets(0x81, b"hello", is_masked=True, form=127))
        wire.writer.write_eof()
        assert await soon(wire.read_to_end()) == b"\x81\x05hello"
        await wire.close()


async def test_violations_are_those_of_the_rules() -> None:
    """What a frame tells of itself does not show which of the longer forms its length had."""
    seen: list[Frame] = []

    async def handler(session: Any) -> None:
        async for frame in session:
            seen.append(frame)

    app = application(handler, reject=Violation.ALL & ~Violation.LENGTH_ENCODING)
    async with running(app) as (_, address), patience():
        wire = await Wire.upgrade(address)
        wire.send(octets(0x81, b"hello", is_masked=True, form=127))
        wire.writer.write_eof()
        await soon(wire.read_to_end())
        await wire.close()
    [frame] = seen
    assert frame == Frame.text("hello")
    assert frame.violations == Violation.LENGTH_ENCODING
    assert repr(frame).endswith("LENGTH_ENCODING>")
