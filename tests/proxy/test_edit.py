"""Frames that a function changes on their way."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aiohttp_rawws import EndRelay, Frame, Opcode
from aiohttp_rawws.proxy.edit import frames_of
from tests.support.octets import CLOSE, HELLO, masked
from tests.support.relays import LEGS, between, nothing_comes, tls_of, unmasked
from tests.support.servers import Contexts, Serve
from tests.support.upstreams import Upstream, opened
from tests.support.waiting import until
from tests.support.wire import ByHand


def upper(direction: str, frame: Frame) -> "Frame | None":
    if frame.opcode != Opcode.TEXT:
        return None
    return frame.replace(payload=frame.payload.upper())


async def upper_later(direction: str, frame: Frame) -> "Frame | None":
    await asyncio.sleep(0.001)
    return upper(direction, frame)


def twice(direction: str, frame: Frame) -> Iterator[Frame]:
    yield frame
    if frame.opcode == Opcode.TEXT:
        yield Frame.text(f"from {direction}")


@LEGS
@pytest.mark.parametrize("edit", [upper, upper_later])
async def test_frames_are_replaced(
    contexts: Contexts, visitor_tls: bool, upstream_tls: bool, edit: Any
) -> None:
    async with between(*tls_of(contexts, visitor_tls, upstream_tls), edit=edit) as it:
        it.visitor.send(masked(0x01, b"Hel") + masked(0x89, b"ping") + masked(0x80, b"lo"))
        # The masking key is kept.
        there = masked(0x01, b"HEL") + masked(0x89, b"ping") + masked(0x80, b"lo")
        assert await it.upstream.read(len(there)) == there
        it.upstream.send(HELLO + b"\x8a\x00")
        assert await it.visitor.read_frame() == (0x81, b"HELLO")
        assert await it.visitor.read_frame() == (0x8A, b"")


async def test_one_frame_becomes_several_or_none() -> None:
    async with between(edit=twice) as it:
        it.visitor.send(masked(0x81, b"a"))
        assert await unmasked(it.upstream) == (0x81, b"a")
        assert await unmasked(it.upstream) == (0x81, b"from a->b")
        it.upstream.send(HELLO)
        assert await it.visitor.read_frame() == (0x81, b"Hello")
        assert await it.visitor.read_frame() == (0x81, b"from b->a")
    async with between(edit=lambda direction, frame: ()) as it:
        it.visitor.send(masked(0x81, b"a"))
        it.upstream.send(HELLO)
        await nothing_comes(it.upstream)
        await nothing_comes(it.visitor)


async def test_a_tap_comes_first() -> None:
    seen: list[bytes] = []
    async with between(edit=upper, tap=lambda _, frame: seen.append(frame.payload)) as it:
        it.visitor.send(masked(0x81, b"a"))
        assert await unmasked(it.upstream) == (0x81, b"A")
    assert seen == [b"a"]


async def test_a_close_is_replaced() -> None:
    def edit(direction: str, frame: Frame) -> "Frame | None":
        return Frame.close(4001, "other") if frame.opcode == Opcode.CLOSE else None

    async with between(edit=edit) as it:
        it.visitor.send(masked(0x88, b"\x03\xe8"))
        assert await unmasked(it.upstream) == (0x88, b"\x0f\xa1other")
        it.upstream.send(CLOSE)
        assert await it.visitor.read_frame() == (0x88, b"\x0f\xa1other")
        stats_of = it.stats
        await it.visitor.close()
        await it.upstream.close()
        assert (await stats_of()).reason == "close"


ENDS: list[tuple[EndRelay, bytes, bytes]] = [
    (EndRelay(4000, "no"), b"\x0f\xa0no", b"\x0f\xa0no"),
    (EndRelay(4000, "no", other=(4001, "gone")), b"\x0f\xa0no", b"\x0f\xa1gone"),
]


@LEGS
@pytest.mark.parametrize(("end", "sender", "other"), ENDS)
async def test_an_end_with_a_close_to_each(
    contexts: Contexts,
    visitor_tls: bool,
    upstream_tls: bool,
    end: EndRelay,
    sender: bytes,
    other: bytes,
) -> None:
    def edit(direction: str, frame: Frame) -> None:
        if frame.payload == b"end":
            raise end

    async with between(*tls_of(contexts, visitor_tls, upstream_tls), edit=edit) as it:
        it.visitor.send(masked(0x81, b"before") + masked(0x81, b"end") + masked(0x81, b"behind"))
        assert await unmasked(it.upstream) == (0x81, b"before")
        assert await unmasked(it.upstream) == (0x88, other)
        assert await it.visitor.read_frame() == (0x88, sender)
        it.upstream.send(b"\x88\x00")
        it.visitor.send(masked(0x88))
        assert await it.upstream.read_to_end() == b""
        assert await it.visitor.read_to_end() == b""
        await it.visitor.close()
        await it.upstream.close()
        stats = await it.stats()
    assert (stats.ended_first, stats.reason, stats.error) == ("a", "edit", None)
    assert stats.frames == {"a->b": 1, "b->a": 0}


def fails(direction: str, frame: Frame) -> None:
    raise LookupError("not this one")


def gives(result: Any) -> Callable[[str, Frame], Any]:
    return lambda direction, frame: result


WRONG: list[tuple[Any, str]] = [
    (fails, "LookupError: not this one"),
    (gives("a"), "TypeError: edit must return"),
    (gives([Frame.text("a"), b"b"]), "TypeError: edit must return"),
    (gives(1), "TypeError: edit must return"),
]


@pytest.mark.parametrize(("edit", "message"), WRONG)
async def test_an_edit_that_fails(
    edit: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with between(edit=edit) as it:
        it.upstream.send(HELLO)
        assert await it.visitor.read_frame() == (0x88, b"\x03\xf3")
        assert await unmasked(it.upstream) == (0x88, b"\x03\xf3")
        await it.visitor.close()
        await it.upstream.close()
        stats = await it.stats()
    assert (stats.ended_first, stats.reason) == ("b", "edit")
    assert message in f"{type(stats.error).__name__}: {stats.error}"
    [record] = caplog.records
    assert "GET / from 127.0.0.1" in record.getMessage()
    assert record.exc_info is not None


async def test_a_close_is_not_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async with between(edit=lambda direction, frame: ()) as it:
        it.visitor.send(masked(0x88))
        assert await it.visitor.read_frame() == (0x88, b"\x03\xf3")
        assert await unmasked(it.upstream) == (0x88, b"\x03\xf3")
    assert "edit may replace a Close and not drop it" in caplog.text


async def test_the_edit_of_a_proxy(
    by_hand: ByHand, through: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = Upstream()
    directions: list[str] = []

    def edit(direction: str, frame: Frame) -> None:
        directions.append(direction)
        if frame.payload == b"end":
            raise EndRelay(1008, "not this", other=(1001, ""))

    wire = await opened(upstream, await through(await by_hand(upstream.script), edit=edit))
    upstream.wire.send(HELLO)
    assert await wire.read_frame() == (0x81, b"Hello")
    wire.send(masked(0x81, b"end"))
    assert await wire.read_frame() == (0x88, b"\x03\xf0not this")
    assert await unmasked(upstream.wire) == (0x88, b"\x03\xe9")
    assert directions == ["upstream", "client"]
    await wire.close()
    upstream.over.set()
    assert not caplog.records


async def test_a_slow_edit_holds_its_sender_back() -> None:
    """What waits is bounded by `receive_limit`, as for any slow side."""
    went_on = asyncio.Event()

    async def edit(direction: str, frame: Frame) -> None:
        await went_on.wait()

    async with between(edit=edit, options={"receive_limit": 2**16}) as it:
        it.visitor.writer.transport.set_write_buffer_limits(0)
        it.visitor.send(b"".join(masked(0x82, bytes(1000)) for _ in range(20_000)))
        await until(lambda: it.a.bytes_received > 2**15)
        await asyncio.sleep(0.1)
        assert it.a.bytes_received < 2**20
        went_on.set()
        assert await unmasked(it.upstream) == (0x82, bytes(1000))


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ((1006,), ValueError),
        ((1000, "x" * 124), ValueError),
        (("1000",), TypeError),
        ((1000, b"x"), TypeError),
    ],
)
def test_an_end_that_no_close_can_tell(arguments: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        EndRelay(*arguments)
    with pytest.raises(kind):
        EndRelay(1000, other=arguments if len(arguments) == 2 else (*arguments, ""))


def test_what_an_edit_may_give() -> None:
    frame, other = Frame.text("a"), Frame.text("b")
    results: list[tuple[Any, tuple[Frame, ...]]] = [
        (None, (frame,)),
        (other, (other,)),
        (iter([other, frame]), (other, frame)),
        ([], ()),
    ]
    for result, expected in results:
        assert frames_of(gives(result), result, frame) == expected
