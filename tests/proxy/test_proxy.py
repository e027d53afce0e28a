"""`proxy` while it relays, and how both connections end."""

import asyncio
import gc
import logging
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws import Frame, RawWebSocketSession, Violation
from aiohttp_rawws.server.handler_run import HandlerRun
from aiohttp_rawws.server.upgrade import Upgrade
from tests.support.handshakes import Opening, answer, request
from tests.support.octets import CLOSE, HELLO, MASK, masked
from tests.support.servers import (
    BOTH,
    CANCELLATION,
    Contexts,
    Serve,
    forgotten,
    ingress,
    left,
    running,
)
from tests.support.sockets import reset
from tests.support.upstreams import Upstream, end_of, opened
from tests.support.waiting import PATIENCE, patience, soon, until
from tests.support.wire import ByHand, Wire, tell


@pytest.fixture(name="upstream")
def an_upstream() -> Upstream:
    return Upstream()


# -- what passes -----------------------------------------------------------------------------------


@BOTH
async def test_frames_pass_as_they_are(
    by_hand: ByHand, through: Serve, upstream: Upstream, tls: bool
) -> None:
    """Under the visitor's masking key, with their boundaries, and nothing beside them."""
    there = b"".join(
        (
            masked(0x01, b"Hel"),
            masked(0x89, b"ping"),
            masked(0x80, b"lo"),
            masked(0x8A),
            masked(0x82, bytes(60_000)),
            masked(0x88, b"\x0f\xa0bye"),
        )
    )
    back = b"\x89\x01x" + b"\x02\x01a\x00\x00\x80\x01b" + HELLO + CLOSE
    ours = await through(await by_hand(upstream.script, tls=tls), tls=tls)
    wire = await opened(upstream, ours)
    wire.send(there)
    assert await upstream.wire.read(len(there)) == there
    upstream.wire.send(back)
    assert await wire.read(len(back)) == back
    upstream.over.set()
    assert await end_of(wire) in ("FIN", "RST")
    await wire.close()


async def test_remask(by_hand: ByHand, through: Serve, upstream: Upstream) -> None:
    wire = await opened(upstream, await through(await by_hand(upstream.script), remask=True))
    wire.send(masked(0x81, b"Hello") * 2)
    first, second = await upstream.wire.read(11), await upstream.wire.read(11)
    for each in (first, second):
        assert each[:2] == b"\x81\x85"
        assert bytes(a ^ b for a, b in zip(each[6:], each[2:6] * 2, strict=False)) == b"Hello"
    assert len({MASK, first[2:6], second[2:6]}) == 3
    await wire.close()
    upstream.over.set()


@BOTH
async def test_a_tap_sees_every_frame(
    by_hand: ByHand, through: Serve, upstream: Upstream, tls: bool
) -> None:
    seen: list[tuple[str, Frame]] = []
    ours = await through(
        await by_hand(upstream.script, tls=tls),
        tls=tls,
        tap=lambda direction, frame: seen.append((direction, frame)),
    )
    wire = await opened(upstream, ours)
    there = masked(0x01, b"Hel") + masked(0x89, b"p") + masked(0x80, b"lo") + masked(0x88)
    wire.send(there)
    assert await upstream.wire.read(len(there)) == there
    upstream.wire.send(HELLO + CLOSE)
    assert await wire.read(11) == HELLO + CLOSE
    upstream.over.set()
    await wire.close()
    assert seen == [
        ("client", Frame(1, b"Hel", False)),
        ("client", Frame.ping(b"p")),
        ("client", Frame.continuation(b"lo")),
        ("client", Frame.close()),
        ("upstream", Frame.text("Hello")),
        ("upstream", Frame.close(1000)),
    ]
    assert seen[0][1].mask == MASK


@pytest.mark.parametrize("sender", ["client", "upstream"])
async def test_what_a_tap_raises_ends_both(
    by_hand: ByHand,
    through: Serve,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    sender: str,
) -> None:
    def tap(direction: str, frame: Frame) -> None:
        assert direction == sender
        raise LookupError("not this one")

    wire = await opened(upstream, await through(await by_hand(upstream.script), tap=tap))
    if sender == "client":
        wire.send(masked(0x81, b"Hello"))
    else:
        upstream.wire.send(HELLO)
    assert await end_of(wire) == "RST"
    assert await end_of(upstream.wire) == "RST"
    await wire.close()
    upstream.over.set()
    [record] = caplog.records
    assert (record.name, record.levelname) == ("aiohttp_rawws", "ERROR")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


@pytest.mark.parametrize("sender", ["client", "upstream"])
async def test_the_options_are_those_of_both_sessions(
    by_hand: ByHand,
    through: Serve,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    sender: str,
) -> None:
    seen: list[Frame] = []
    ours = await through(
        await by_hand(upstream.script),
        tap=lambda direction, frame: seen.append(frame),
        max_frame_size=4,
        linger=0.1,
        reject=Violation.ALL & ~(Violation.UNMASKED | Violation.MASKED),
    )
    wire = await opened(upstream, ours)
    there, back = (wire, upstream.wire) if sender == "client" else (upstream.wire, wire)
    odd = b"\x81\x01a" if sender == "client" else masked(0x81, b"a")
    there.send(odd + HELLO)
    assert await back.read(len(odd)) == odd
    await end_of(back)
    await end_of(there)
    await wire.close()
    upstream.over.set()
    assert seen == [Frame.text("a")]
    assert seen[0].violations in (Violation.UNMASKED, Violation.MASKED)
    [message] = caplog.messages
    assert message.startswith(f"Relay dropped: {sender} of GET / from 127.0.0.1:")


# -- how it ends -----------------------------------------------------------------------------------


@CANCELLATION
@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_the_end_of_one_is_the_end_of_the_other(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    handler_cancellation: bool,
    how: str,
    side: str,
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp_rawws")
    app = ingress(bare, await by_hand(upstream.script))
    async with running(app, handler_cancellation=handler_cancellation) as (runner, ours):
        wire = await opened(upstream, ours)
        one, other = (wire, upstream.wire) if side == "client" else (upstream.wire, wire)
        if how == "FIN":
            one.end()
        else:
            reset(one)
        assert await end_of(other) == how
        if how == "FIN":
            # The other half is open still.
            data = masked(0x81, b"Hello") if side == "upstream" else HELLO
            other.send(data)
            assert await one.read(len(data)) == data
            other.end()
            assert await end_of(one) == how
        await wire.close()
        upstream.over.set()
        await forgotten(runner)
    [message] = [text for text in caplog.messages if text.startswith("Proxied")]
    assert f"ended_first='{side}'" in message


@BOTH
@CANCELLATION
@pytest.mark.parametrize("tapped", [False, True])
async def test_a_shutdown_during_the_relay(
    by_hand: ByHand,
    bare: aiohttp.ClientSession,
    contexts: Contexts,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    tls: bool,
    handler_cancellation: bool,
    tapped: bool,
) -> None:
    """Without a goodbye both get the end of the stream, and do not wait for each other."""
    options: dict[str, Any] = {"goodbye": None}
    if tapped:
        options["tap"] = lambda direction, frame: None
    app = ingress(bare, await by_hand(upstream.script, tls=tls), linger=10 * PATIENCE, **options)
    bounds = {"handler_cancellation": handler_cancellation, "shutdown_timeout": 10 * PATIENCE}
    async with running(app, contexts if tls else None, **bounds) as (runner, ours):
        wire = await opened(upstream, ours)
        wire.send(masked(0x81, b"Hello"))
        assert await upstream.wire.read(11) == masked(0x81, b"Hello")
        stopping = asyncio.create_task(runner.cleanup())
        for end in (wire, upstream.wire):
            assert await end_of(end) == "FIN"
        await wire.close()
        upstream.over.set()
        await soon(stopping)
    assert not caplog.records


@BOTH
async def test_the_client_session_ends_during_the_relay(
    by_hand: ByHand, client_tls: Any, upstream: Upstream, tls: bool
) -> None:
    connector = aiohttp.TCPConnector(ssl=client_tls)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http:
        app = ingress(http, await by_hand(upstream.script, tls=tls), linger=0.1)
        async with running(app) as (runner, ours):
            wire = await opened(upstream, ours)
            closing = asyncio.create_task(http.close())
            assert await end_of(upstream.wire) == "FIN"
            assert await end_of(wire) == "FIN"
            upstream.over.set()
            await wire.close()
            await soon(closing)
            await forgotten(runner)


async def test_nothing_is_left(
    by_hand: ByHand, through: Serve, bare: aiohttp.ClientSession
) -> None:
    """Neither connections nor what is kept for one, whatever the upstream answers."""

    async def script(wire: Wire, opening: Opening) -> None:
        if "/no" in opening.line:
            wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif "/wrong" in opening.line:
            wire.send(answer(opening, Upgrade=""))
        else:
            wire.send(answer(opening) + CLOSE)
        await wire.read_to_end()

    kinds = (RawWebSocketSession, HandlerRun, Upgrade)
    # Other tests may have left some, for example in the log records that pytest keeps.
    others = objects_of(*kinds)
    ours = await through(await by_hand(script))
    for path in ("/", "/no", "/wrong") * 3:
        await tell(ours, request(path))
    await until(lambda: not left(bare))
    async with patience():
        while objects_of(*kinds).keys() - others.keys():
            await asyncio.sleep(0.01)
            gc.collect()


def objects_of(*kinds: type) -> dict[int, object]:
    """Return the living objects of these classes by their ids."""
    return {id(each): each for each in gc.get_objects() if issubclass(type(each), kinds)}
