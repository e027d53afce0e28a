"""Sides that are compressed each by itself, with plain frames between them."""

import asyncio
from typing import Any

import pytest

from aiohttp_rawws import EndRelay, Frame, Opcode, ProtocolError, Violation, relay
from tests.support.compressed import LEGS, NAME, peers
from tests.support.deflate import TEXT, bomb
from tests.support.octets import masked
from tests.support.relays import between, lost_abruptly, nothing_comes, unmasked

EACH = pytest.mark.parametrize("extensions", LEGS.values(), ids=LEGS)

TALK = [
    Frame(Opcode.TEXT, TEXT),
    Frame(Opcode.TEXT, TEXT),
    Frame(Opcode.BINARY, b"first", False),
    Frame.ping(b"between"),
    Frame.continuation(b"", False),
    Frame.continuation(TEXT),
    Frame(Opcode.TEXT),
    Frame(Opcode.TEXT, b"\xff is not UTF-8"),
    Frame.pong(b"pong"),
    Frame.close(1000, "over"),
]


@EACH
@pytest.mark.parametrize(
    "options", [{}, {"remask": True}, {"heartbeat": (60.0, 60.0)}], ids=["", "remask", "heartbeat"]
)
async def test_frames_pass_from_leg_to_leg(
    extensions: tuple[str, str], options: dict[str, Any]
) -> None:
    async with between(extensions=extensions, deflate="decode", **options) as it:
        visitor, upstream = peers(it)
        for source, target in ((visitor, upstream), (upstream, visitor)):
            source.send(*TALK)
            assert [await target.receive() for _ in TALK] == TALK
        await it.visitor.close()
        await it.upstream.close()
        stats = await it.stats()
    # They count as they are before they are compressed.
    size = sum(len(frame.payload) for frame in TALK)
    assert stats.bytes == {"a->b": size, "b->a": size}
    assert stats.frames == {"a->b": len(TALK), "b->a": len(TALK)}


@EACH
async def test_a_tap_and_an_edit_see_plain_frames(extensions: tuple[str, str]) -> None:
    tapped: list[bytes] = []

    def tap(direction: str, frame: Any) -> None:
        tapped.append(frame.payload)

    def edit(direction: str, frame: Frame) -> list[Frame]:
        return [frame.replace(payload=frame.payload.upper()), Frame.text(direction)]

    options: dict[str, Any] = {"tap": tap, "tap_limit": 3, "edit": edit, "messages": True}
    async with between(extensions=extensions, deflate="decode", **options) as it:
        visitor, upstream = peers(it)
        visitor.send(Frame(Opcode.TEXT, b"Hel", False), Frame.continuation(b"lo"))
        assert await upstream.receive() == Frame.text("HELLO")
        assert await upstream.receive() == Frame.text("a->b")
        upstream.send(Frame.text("world"))
        assert await visitor.receive() == Frame.text("WORLD")
        assert await visitor.receive() == Frame.text("b->a")
    assert tapped == [b"Hel", b"lo", b"wor"]


async def test_a_message_that_a_side_leaves_uncompressed() -> None:
    async with between(extensions=NAME, deflate="decode", tap=lambda *_: None) as it:
        _, upstream = peers(it)
        it.visitor.send(masked(0x81, TEXT[:100]))
        assert await upstream.receive() == Frame(Opcode.TEXT, TEXT[:100])


async def test_nothing_is_decoded_where_nothing_was_negotiated() -> None:
    """The frames go on as they stand, masked as they were."""
    async with between(deflate="decode") as it:
        it.visitor.send(masked(0x81, b"as it stands"))
        assert await it.upstream.read(18) == masked(0x81, b"as it stands")
        assert it.a._connection.reader.parser.forwarding is not None


# -- what cannot be inflated -----------------------------------------------------------------------

BROKEN: list[tuple[bytes, str]] = [
    (masked(0xC1, b"\xff\xff\xff"), "RFC 7692"),
    (masked(0xC2, bomb(2**20)), "a frame inflates to more than max_frame_size (2000 bytes)"),
    (masked(0x41, b"\x02\x00") + masked(0xC0), "RSV2, RSV3 or a misplaced RSV1"),
    (masked(0xA1), "RSV2, RSV3 or a misplaced RSV1"),
]


@pytest.mark.parametrize(("sent", "message"), BROKEN)
async def test_what_cannot_be_inflated_is_a_violation(
    sent: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"max_frame_size": 2000}
    async with between(extensions=(NAME, ""), deflate="decode", options=options) as it:
        visitor, _ = peers(it)
        visitor.send(Frame.text("before"))
        it.visitor.send(sent)
        assert await unmasked(it.upstream) == (0x81, b"before")
        await it.upstream.read_to_end()
        it.upstream.writer.close()
        await lost_abruptly(it.visitor)
        stats = await it.stats()
    assert (stats.ended_first, stats.reason) == ("a", "violation")
    assert isinstance(stats.error, ProtocolError)
    assert message in caplog.text


async def test_the_limit_is_for_a_frame_and_not_for_a_message() -> None:
    options = {"max_frame_size": 1000}
    async with between(extensions=(NAME, ""), deflate="decode", options=options) as it:
        visitor, upstream = peers(it)
        parts = [Frame(Opcode.BINARY, bytes(1000), False)]
        parts += [Frame.continuation(bytes(1000), False) for _ in range(3)]
        visitor.send(*parts, Frame.continuation(bytes(1000)))
        assert [await upstream.receive() for _ in parts] == parts


@pytest.mark.parametrize("sent", [masked(0xC1, b"not deflated"), masked(0x02) + masked(0x82)])
async def test_what_reject_lets_pass_and_a_compression_does_not(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The upstream would take it for compressed, or could not inflate what comes behind it."""
    options = {"reject": Violation.NONE}
    async with between(extensions=("", NAME), deflate="decode", options=options) as it:
        it.visitor.send(sent)
        await it.upstream.read_to_end()
        it.upstream.writer.close()
        await lost_abruptly(it.visitor)
        assert (await it.stats()).reason == "violation"
    assert "broke the protocol" in caplog.text


async def test_an_edit_that_cannot_be_compressed_fails() -> None:
    def edit(direction: str, frame: Frame) -> Frame:
        return frame.replace(rsv1=True)

    async with between(extensions=NAME, deflate="decode", edit=edit) as it:
        visitor, _ = peers(it)
        visitor.send(Frame.text("a"))
        assert await it.visitor.read_frame() == (0x88, b"\x03\xf3")
        assert await unmasked(it.upstream) == (0x88, b"\x03\xf3")
        await it.visitor.close()
        await it.upstream.close()
        assert isinstance((await it.stats()).error, ValueError)


# -- together with what else a relay does ----------------------------------------------------------


async def test_closes_are_not_compressed() -> None:
    def edit(direction: str, frame: Frame) -> None:
        if frame.payload == b"end":
            raise EndRelay(4000, "no", other=(4001, "gone"))

    async with between(extensions=NAME, deflate="decode", edit=edit) as it:
        visitor, _ = peers(it)
        visitor.send(Frame(Opcode.TEXT, b"en", False))
        await peers(it)[1].receive_raw()
        visitor.send(Frame.continuation(b""), Frame.text("end"))
        assert (await unmasked(it.upstream))[0] == 0x80
        assert await unmasked(it.upstream) == (0x88, b"\x0f\xa1gone")
        assert await it.visitor.read_frame() == (0x88, b"\x0f\xa0no")


async def test_the_pongs_to_our_pings_do_not_pass() -> None:
    options: dict[str, Any] = {"heartbeat": (0.05, 5.0), "deflate": "decode"}
    async with between(extensions=NAME, **options) as it:
        visitor, upstream = peers(it)
        ping = await visitor.receive_raw()
        visitor.send(Frame.pong(ping.payload), Frame.text("behind"))
        while (frame := await upstream.receive()).is_control:
            assert frame.opcode == Opcode.PING
        assert frame == Frame.text("behind")


async def test_what_inflates_much_holds_neither_the_loop_nor_memory() -> None:
    """A slow target holds back what little inflates to. Others run where an edit drops it all."""
    small = bomb(2**20)
    async with between(extensions=(NAME, ""), deflate="decode") as it:
        it.upstream.transport.pause_reading()
        for _ in range(64):
            it.visitor.send(masked(0xC2, small))
        await asyncio.sleep(0.2)
        assert it.b.write_backlog < 2 * 2**20
    turned = inflated = 0

    def edit(direction: str, frame: Frame) -> tuple[()]:
        nonlocal inflated
        inflated += 1
        return ()

    async with between(extensions=(NAME, ""), deflate="decode", edit=edit) as it:
        for _ in range(8):
            it.visitor.send(masked(0xC2, small))
        while inflated < 8:
            await asyncio.sleep(0)
            turned += 1
        await nothing_comes(it.upstream)
    assert turned >= 7


# -- the sessions ----------------------------------------------------------------------------------


async def test_sessions_that_do_not_fit() -> None:
    async with between(extensions=("", NAME)) as it, between(extensions="x-flags") as other:
        with pytest.raises(ValueError, match="has negotiated permessage-deflate"):
            await relay(it.a, it.b, deflate="offload")
        with pytest.raises(ValueError, match=r"knows permessage-deflate alone; .* 'x-flags'"):
            await relay(it.a, other.b, deflate="decode")
    async with between(extensions=("", f"{NAME}; server_max_window_bits=7")) as it:
        with pytest.raises(ProtocolError, match="server_max_window_bits"):
            await relay(it.a, it.b, deflate="decode")


async def test_offload() -> None:
    async with between(extensions=(NAME, ""), deflate="offload") as it:
        visitor, upstream = peers(it)
        visitor.send(Frame.text("plain"))
        assert await it.upstream.read(11) != b""
        upstream.send(Frame(Opcode.TEXT, TEXT))
        raw = await visitor.receive_raw()
        assert raw.rsv1
        assert len(raw.payload) < len(TEXT) / 2
