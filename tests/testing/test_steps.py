"""The steps that do something, as the other side has them."""

import asyncio

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import Player, Script
from tests.support.octets import HELLO, MASK, masked
from tests.support.scripted import (
    Peer,
    Timeout,
    a_client_of,
    played_by_client,
    played_by_server,
    silent,
)
from tests.support.servers import BOTH, Contexts
from tests.support.sockets import MEGABYTES, narrow, send_until_full
from tests.support.wire import ByHand, Wire

TEXT = Frame.text("Hello")


def keeps(heard: list[bytes], first: bytes = b"") -> Peer:
    async def peer(wire: Wire) -> None:
        wire.send(first)
        heard.append(await wire.read_to_end())

    return peer


def ping_of(seen: Frame) -> Frame:
    return Frame.ping(seen.payload[:2])


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        (Script().send(TEXT), HELLO),
        (Script().send(TEXT, Frame(11, b"x", rsv2=True)), HELLO + b"\xab\x01x"),
        (Script().send(TEXT, times=3), HELLO * 3),
        (Script().send(TEXT, times=0), b""),
        (Script().send(TEXT, cut=3), HELLO[:3]),
        (Script().send(TEXT, cut=99), HELLO),
        (Script().send(Frame(1, b"Hello", mask=MASK)), masked(0x81, b"Hello")),
        (Script().send(Frame(1, b"Hello", mask=MASK), masked=True), masked(0x81, b"Hello")),
        (Script().send(Frame(1, b"Hello", mask=MASK), masked=False), HELLO),
        (Script().send(TEXT, split="each"), HELLO),
        (Script().send(TEXT, split="random"), HELLO),
        (Script().send(Frame(9), split="each"), b"\x89\x00"),
        (Script().send_octets(b"no frame", times=2), b"no frameno frame"),
        (Script().pause(0.01).send(TEXT), HELLO),
        (Script().repeat(2, Script().send(TEXT).pause(0)), HELLO * 2),
    ],
    ids=repr,
)
async def test_what_is_sent(script: Script, sent: bytes) -> None:
    heard: list[bytes] = []
    (await played_by_server(script, keeps(heard))).check()
    assert heard == [sent]


async def test_a_frame_made_of_the_last_one() -> None:
    heard: list[bytes] = []
    script = Script().expect("text").send(ping_of)
    (await played_by_server(script, keeps(heard, masked(0x81, b"hello")))).check()
    assert heard == [b"\x89\x02he"]
    assert repr(script) == "<Script 'script': expect TEXT; send ping_of>"


async def test_a_client_masks_unless_told_otherwise(by_hand: ByHand) -> None:
    heard: list[bytes] = []
    script = Script().send(TEXT, Frame(1, b"Hello", mask=MASK)).send(TEXT, masked=False)
    (await played_by_client(script, keeps(heard), by_hand, seed=1)).check()
    key = heard[0][2:6]
    assert heard[0][:2] == b"\x81\x85"
    assert len(heard[0]) == 29
    assert heard[0][11:] == masked(0x81, b"Hello") + HELLO
    # The seed has the keys.
    (await played_by_client(script, keeps(heard), by_hand, seed=1)).check()
    (await played_by_client(script, keeps(heard), by_hand, seed=2)).check()
    assert heard[0] == heard[1] != heard[2]
    assert key == heard[1][2:6] != heard[2][2:6]


async def test_the_seed_has_the_splits() -> None:
    script = Script().send(Frame.binary(bytes(100)), split="random")
    parts: list[list[bytes]] = []
    for seed in (1, 1, 2):
        sent: list[bytes] = []

        class Watch:
            async def run(self, player: Player, sent: list[bytes] = sent) -> None:
                player.wire.on_octets = lambda direction, data: sent.append(data)

        (await played_by_server(Script().add(Watch()).then(script), silent, seed=seed)).check()
        parts.append(sent)
    assert parts[0] == parts[1] != parts[2]
    assert [len(b"".join(each)) for each in parts] == [102] * 3
    assert [len(each) for each in parts] == [9] * 3


async def test_a_stall_ends_with_the_peer_or_its_time() -> None:
    async def chatty(wire: Wire) -> None:
        for _ in range(40):
            wire.send(masked(0x89))
            await asyncio.sleep(0.005)
        await silent(wire)

    (await played_by_server(Script().stall(0.1), chatty)).check()
    # Longer and shorter than the script's timeout, which bounds other waits.
    (await played_by_server(Script().add(Timeout(0.02)).stall(0.1).send(TEXT), silent)).check()
    (await played_by_server(Script().add(Timeout(0.02)).stall().send(TEXT), silent)).check()

    async def leave(wire: Wire) -> None:
        wire.send(masked(0x81, b"late"))
        wire.end()
        await silent(wire)

    played = await played_by_server(Script().stall(60), leave)
    assert (played.ok, played.end, played.frames) == (True, "FIN", [Frame.text("late")])


@BOTH
async def test_a_stall_that_does_not_read(contexts: Contexts, tls: bool) -> None:
    server_tls, client_tls = contexts if tls else (None, None)

    class Narrow:
        async def run(self, player: Player) -> None:
            narrow(player.wire.transport)

    script = Script().add(Narrow()).stall(1000, reads=False)
    chunk = masked(0x82, bytes(60_000))
    async with a_client_of(script, client_tls, ssl=server_tls) as (wire, server):
        narrow(wire.writer)
        left = await send_until_full(wire, chunk, 2 * MEGABYTES)
        assert left < 2 * MEGABYTES
        wire.transport.abort()
    server.check()


async def test_it_reads_on_behind_a_stall() -> None:
    script = Script().stall(0.01, reads=False).expect("text")
    (await played_by_server(script, keeps([], masked(0x81, b"early")))).check()


async def test_half_close_and_reset() -> None:
    heard: list[bytes] = []

    async def answers(wire: Wire) -> None:
        heard.append(await wire.read_to_end())
        wire.send(masked(0x81, b"back"))
        await wire.close()

    script = Script().send(TEXT).half_close().expect("text").expect_end("FIN")
    (await played_by_server(script, answers)).check()
    assert heard == [HELLO]

    async def lost(wire: Wire) -> None:
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()

    (await played_by_server(Script().reset(), lost)).check()
    played = await played_by_server(Script().reset().send(TEXT), lost)
    assert played.failure == "send TEXT fin 5 bytes b'Hello': the connection is lost"
    assert ">" not in str(played)


async def test_a_half_close_on_tls(contexts: Contexts) -> None:
    server_tls, client_tls = contexts
    async with a_client_of(Script().half_close(), client_tls, ssl=server_tls) as (_, server):
        (played,) = await server.ended()
    told = "half close: a TLS connection cannot be half closed"
    assert played.failure in (told, None)


async def test_a_mistake_in_a_function_is_told() -> None:
    def wrong(seen: Frame) -> Frame:
        raise KeyError(seen.payload)

    ping = masked(0x89, b"1")
    script = Script().expect("ping").send(wrong)
    played = await played_by_server(script, keeps([], ping))
    assert played.failure == "send wrong: KeyError: b'1'"
    with pytest.raises(AssertionError) as raised:
        played.check()
    assert isinstance(raised.value.__cause__, KeyError)

    def nothing(seen: Frame) -> Frame:
        return None  # type: ignore[return-value]

    played = await played_by_server(Script().expect("ping").send(nothing), keeps([], ping))
    assert played.failure == "send nothing: TypeError: nothing has to return a frame, got None"
    played = await played_by_server(Script().send(nothing), silent)
    assert played.failure == "send nothing: no frame was seen that this one could be made of"


async def test_a_pause_reads_nothing_away() -> None:
    script = Script().pause(0.05).expect("text")
    (await played_by_server(script, keeps([], masked(0x81, b"early")))).check()
