"""Frames of the caller's own, sent into a pair that runs."""

import asyncio
import random
import weakref
from typing import Any

import pytest

from aiohttp_rawws import Frame, Opcode, RelayHandle, SessionClosed, relay
from tests.support.compressed import NAME, peers
from tests.support.octets import HELLO, masked
from tests.support.relays import WAYS, Between, bare, between, look, nothing_comes, unmasked
from tests.support.servers import Serve
from tests.support.upstreams import Upstream, opened
from tests.support.waiting import soon, turns, until
from tests.support.wire import ByHand

OURS = Frame.text("ours")
PING = Frame.ping(b"ours")

#: As in `WAYS`, and through an edit that lets all pass.
EVERY_WAY = pytest.mark.parametrize(
    "how", [*WAYS.values(), {"edit": lambda *_: None}, {"tap": look, "tap_limit": 1}], ids=str
)


class Started:
    """An `on_start` that keeps the handle."""

    handle: RelayHandle

    def __call__(self, handle: RelayHandle) -> None:
        self.handle = handle

    def sending(self, frame: Frame, to: str) -> "asyncio.Task[None]":
        return asyncio.create_task(self.handle.send(frame, to=to))


def is_fast(it: Between) -> bool:
    """Return True if the visitor's frames are forwarded as they stand."""
    return it.a._connection.reader.parser.forwarding is not None


@EVERY_WAY
async def test_between_frames(how: dict[str, Any]) -> None:
    started = Started()
    async with between(on_start=started, **how) as it:
        it.visitor.send(masked(0x81, b"before"))
        assert await unmasked(it.upstream) == (0x81, b"before")
        was_fast = is_fast(it)
        await soon(started.handle.send(OURS, to="b"))
        await soon(started.handle.send(PING, to="a"))
        assert await unmasked(it.upstream) == (0x81, b"ours")
        assert await it.visitor.read_frame() == (0x89, b"ours")
        it.visitor.send(masked(0x81, b"behind"))
        assert await unmasked(it.upstream) == (0x81, b"behind")
        assert is_fast(it) == was_fast == (how == {})


@EVERY_WAY
async def test_never_within_a_frame(how: dict[str, Any]) -> None:
    """Nor does it wait for a read that happens to end where a frame ends."""
    started = Started()
    data = masked(0x82, bytes(30_000))
    async with between(on_start=started, **how) as it:
        it.visitor.send(data[:20_000])
        await until(lambda: it.a.bytes_received == 20_000)
        await turns()
        is_whole = "edit" in how or how == WAYS["tapped"]
        sending = started.sending(OURS, "b")
        await turns()
        assert sending.done() == is_whole
        it.visitor.send(data[20_000:] + data[:20_000])
        frames = [(0x82, bytes(30_000)), (0x81, b"ours")]
        for expected in reversed(frames) if is_whole else frames:
            assert await unmasked(it.upstream) == expected
        await soon(sending)
        it.visitor.send(data[20_000:] + masked(0x81, b"behind"))
        assert await unmasked(it.upstream) == (0x82, bytes(30_000))
        assert await unmasked(it.upstream) == (0x81, b"behind")
        await until(lambda: is_fast(it) == (how == {}))


@EVERY_WAY
async def test_only_control_frames_between_fragments(how: dict[str, Any]) -> None:
    started = Started()
    async with between(on_start=started, **how) as it:
        it.visitor.send(masked(0x01, b"a"))
        assert await unmasked(it.upstream) == (0x01, b"a")
        sending = started.sending(OURS, "b")
        await turns()
        await soon(started.handle.send(PING, to="b"))
        assert await unmasked(it.upstream) == (0x89, b"ours")
        it.visitor.send(masked(0x89, b"theirs") + masked(0x00, b"b"))
        assert await unmasked(it.upstream) == (0x89, b"theirs")
        assert await unmasked(it.upstream) == (0x00, b"b")
        assert not sending.done()
        it.visitor.send(masked(0x80, b"c") + masked(0x01, b"d"))
        assert await unmasked(it.upstream) == (0x80, b"c")
        assert await unmasked(it.upstream) == (0x81, b"ours")
        assert await unmasked(it.upstream) == (0x01, b"d")
        await soon(sending)


async def test_a_message_that_was_begun_before_the_relay() -> None:
    started = Started()
    async with between() as it:
        it.relaying.cancel()
        await asyncio.wait([it.relaying])
        it.visitor.send(masked(0x01, b"a"))
        await it.b.send(await it.a.receive())
        relaying = asyncio.create_task(relay(it.a, it.b, edit=lambda *_: None, on_start=started))
        await turns()
        sending = started.sending(OURS, "b")
        it.visitor.send(masked(0x80, b"b"))
        for expected in [(0x01, b"a"), (0x80, b"b"), (0x81, b"ours")]:
            assert await unmasked(it.upstream) == expected
        await soon(sending)
        relaying.cancel()


async def test_a_slow_side_holds_it_back() -> None:
    started = Started()
    async with between(on_start=started) as it:
        it.upstream.transport.pause_reading()
        block = bare(0x82, bytes(60_000))
        sendings: list[asyncio.Task[None]] = []
        while not (sendings and not sendings[-1].done()):
            sendings.append(started.sending(Frame.binary(bytes(60_000)), "b"))
            await turns()
            assert len(sendings) < 1000
        backlog = it.b.write_backlog
        cancelled = started.sending(OURS, "b")
        await turns()
        cancelled.cancel()
        await turns()
        assert it.b.write_backlog == backlog
        it.upstream.transport.resume_reading()
        for _ in sendings:
            assert await unmasked(it.upstream) == (0x82, block[4:])
        await soon(asyncio.gather(*sendings))
        # What was cancelled was not sent.
        await nothing_comes(it.upstream)
        assert is_fast(it)


async def test_it_is_compressed_where_the_side_is() -> None:
    started = Started()
    options: dict[str, Any] = {"extensions": (NAME, ""), "deflate": "decode"}
    async with between(on_start=started, **options) as it:
        visitor, upstream = peers(it)
        upstream.send(Frame(Opcode.TEXT, b"ab" * 100, False))
        assert await visitor.receive() == Frame(Opcode.TEXT, b"ab" * 100, False)
        sending = started.sending(Frame(Opcode.TEXT, b"ab" * 100), "a")
        await turns()
        await soon(started.handle.send(OURS, to="b"))
        assert await unmasked(it.upstream) == (0x81, b"ours")
        upstream.send(Frame.continuation(b"c"), Frame.text("d"))
        assert await visitor.receive() == Frame.continuation(b"c")
        ours = await visitor.receive_raw()
        assert ours.rsv1
        assert visitor.deflate is not None
        assert visitor.deflate.decode(ours) == Frame(Opcode.TEXT, b"ab" * 100)
        assert await visitor.receive() == Frame.text("d")
        await soon(sending)
        with pytest.raises(ValueError, match="RSV1"):
            await started.handle.send(OURS.replace(rsv1=True), to="a")


async def test_nobody_is_shown_it() -> None:
    seen: list[str] = []
    started = Started()

    def edit(direction: str, frame: Frame) -> None:
        seen.append(frame.payload_text)

    options: dict[str, Any] = {"edit": edit, "tap": lambda _, frame: seen.append("tap")}
    async with between(on_start=started, **options) as it:
        await started.handle.send(OURS, to="b")
        it.visitor.send(masked(0x81, b"theirs"))
        assert await unmasked(it.upstream) == (0x81, b"ours")
        assert await unmasked(it.upstream) == (0x81, b"theirs")
        await it.visitor.close()
        await it.upstream.close()
        assert (await it.stats()).frames == {"a->b": 1, "b->a": 0}
    assert seen == ["tap", "theirs"]


async def test_a_relay_that_has_ended() -> None:
    started = Started()
    async with between(on_start=started) as it:
        it.visitor.send(masked(0x01, b"begun"))
        assert await unmasked(it.upstream) == (0x01, b"begun")
        waiting = started.sending(OURS, "b")
        await turns()
        it.visitor.send(masked(0x88))
        assert await unmasked(it.upstream) == (0x88, b"")
        with pytest.raises(SessionClosed, match="a Close frame was sent"):
            await soon(waiting)
        it.upstream.send(b"\x01\x01a")
        assert await it.visitor.read_frame() == (0x01, b"a")
        waiting = started.sending(OURS, "a")
        await turns()
        it.relaying.cancel()
        with pytest.raises(SessionClosed, match="the relay has ended"):
            await soon(waiting)
        with pytest.raises(SessionClosed, match="the relay has ended"):
            await started.handle.send(PING, to="a")


async def test_what_cannot_be_sent() -> None:
    started = Started()
    async with between(on_start=started):
        send: Any = started.handle.send
        for frame in (Frame.text("a", fin=False), Frame.continuation(b"a")):
            with pytest.raises(ValueError, match="as one frame"):
                await send(frame, to="a")
        with pytest.raises(ValueError, match="to must be 'a' or 'b', got 'client'"):
            await send(OURS, to="client")
        with pytest.raises(TypeError, match="send takes a Frame, got str"):
            await send("ours", to="a")


async def test_into_a_proxy(by_hand: ByHand, through: Serve) -> None:
    upstream = Upstream()
    pairs: weakref.WeakSet[RelayHandle] = weakref.WeakSet()
    ours = await through(await by_hand(upstream.script), on_start=pairs.add)
    wire = await opened(upstream, ours)
    await until(lambda: len(pairs) == 1)
    [pair] = pairs
    await pair.send(OURS, to="client")
    await pair.send(PING, to="upstream")
    assert await wire.read_frame() == (0x81, b"ours")
    assert await unmasked(upstream.wire) == (0x89, b"ours")
    upstream.wire.send(HELLO)
    assert await wire.read_frame() == (0x81, b"Hello")
    await wire.close()
    upstream.over.set()
    del pair
    # Nothing of it waits for the garbage collector.
    await until(lambda: not pairs)


async def test_an_error_of_on_start_ends_the_relay() -> None:
    def fails(handle: RelayHandle) -> None:
        raise LookupError("not this one")

    async with between(on_start=fails) as it:
        with pytest.raises(LookupError):
            await it.stats()


@pytest.mark.parametrize("seed", range(3))
async def test_in_the_midst_of_any_traffic(seed: int) -> None:
    """All that is sent arrives whole, in order, and where it may stand."""
    chance = random.Random(seed)
    sent, octets = [], bytearray()
    for number in range(60):
        parts = chance.choice([1, 1, 3])
        for part in range(parts):
            head = (0x80 if part == parts - 1 else 0) | (0x02 if part == 0 else 0)
            payload = b"%d " % number + bytes(chance.choice([0, 10, 9_000, 40_000]))
            sent.append((head, payload))
            octets += masked(head, payload)
    started = Started()

    async def inject(frame: Frame) -> None:
        for _ in range(20):
            await started.handle.send(frame, to="b")
            await asyncio.sleep(chance.random() / 1000)

    async def feed() -> None:
        position = 0
        while position < len(octets):
            size = chance.choice([1, 5_000, 70_000, 300_000])
            it.visitor.send(bytes(octets[position : position + size]))
            position += size
            await it.visitor.writer.drain()
            await asyncio.sleep(0)

    async with between(on_start=started) as it:
        running = asyncio.gather(feed(), inject(OURS), inject(PING))
        got: list[tuple[int, bytes]] = []
        counts, is_between = {0x81: 0, 0x89: 0}, True
        while len(got) < len(sent) or sum(counts.values()) < 40:
            head, payload = await unmasked(it.upstream)
            if head in counts:
                assert payload == b"ours"
                assert is_between or head == 0x89
                counts[head] += 1
            else:
                got.append((head, payload))
                is_between = head & 0x80 != 0
        await soon(running)
    assert got == sent
    assert counts == {0x81: 20, 0x89: 20}
