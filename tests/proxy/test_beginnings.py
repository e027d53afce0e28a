"""A tap that sees the beginning of each frame while frames of any size flow on."""

import pytest

from aiohttp_rawws import Frame, Opcode, Piece
from tests.support.octets import HELLO, long_frame, masked
from tests.support.relays import between, unmasked
from tests.support.waiting import until


async def test_a_frame_over_the_limits_flows_on() -> None:
    """It passes while it arrives, though `max_frame_size` is far below."""
    seen: list[tuple[str, Frame | Piece]] = []
    options = {"max_frame_size": 1000, "receive_limit": 2**16}
    data = long_frame(0x82, b"beginning" + bytes(2**20))

    def tap(direction: str, item: Frame | Piece) -> None:
        seen.append((direction, item))

    async with between(tap=tap, tap_limit=4, options=options) as it:
        it.visitor.send(data[:20])
        await until(lambda: bool(seen))
        it.visitor.send(data[20:])
        assert await it.upstream.read(len(data)) == data
        it.visitor.send(masked(0x89, b"a whole ping") + masked(0x81, b"abc"))
        assert await unmasked(it.upstream) == (0x89, b"a whole ping")
        it.upstream.send(HELLO)
        await it.visitor.read_frame()
        await unmasked(it.upstream)
    [big, ping, short, back] = [item for _, item in seen]
    assert isinstance(big, Piece)
    assert isinstance(ping, Frame)
    assert isinstance(short, Piece)
    assert (big.opcode, big.payload, big.length, big.last) == (2, b"begi", 2**20 + 9, False)
    assert ping.payload == b"a whole ping"
    assert (short.payload, short.length, short.last) == (b"abc", 3, True)
    assert back.payload == b"Hell"
    assert [direction for direction, _ in seen] == ["a->b"] * 3 + ["b->a"]


async def test_octet_by_octet() -> None:
    """The beginning is shown as soon as it is there, and once."""
    seen: list[Piece] = []

    def tap(direction: str, item: Frame | Piece) -> None:
        assert isinstance(item, Piece)
        seen.append(item)

    data = masked(0x01, b"abcdef")
    async with between(tap=tap, tap_limit=3) as it:
        for octet in data[:-3]:
            it.visitor.send(bytes([octet]))
            await it.upstream.read(0)
        await until(lambda: bool(seen))
        it.visitor.send(data[-3:] + masked(0x80))
        assert await it.upstream.read(len(data) + 6) == data + masked(0x80)
    [first, empty] = seen
    assert (first.payload, first.length, first.offset) == (b"abc", 6, 0)
    assert (empty.payload, empty.opcode, empty.last) == (b"", Opcode.CONTINUATION, True)


@pytest.mark.parametrize("limit", [0, 5, 100])
async def test_beside_an_edit(limit: int) -> None:
    """The frames are whole then, and the tap still sees their beginnings only."""
    seen: list[bytes] = []

    def tap(direction: str, item: Frame | Piece) -> None:
        seen.append(item.payload)

    async with between(tap=tap, tap_limit=limit, edit=lambda *_: None) as it:
        it.visitor.send(masked(0x82, bytes(range(50))))
        assert await unmasked(it.upstream) == (0x82, bytes(range(50)))
    assert seen == [bytes(range(50))[:limit]]
