"""The steps that wait: what they take, what they refuse, and how a failure is told."""

import asyncio

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import FrameLike, Script
from tests.support import sockets
from tests.support.octets import CLOSE, HELLO, MASK, masked
from tests.support.scripted import (
    Peer,
    Timeout,
    played_by_client,
    played_by_server,
    says,
    says_and_ends,
    silent,
)
from tests.support.wire import ByHand, Wire

TEXT = masked(0x81, b"hello")
PING = masked(0x89, b"1")
#: What never comes is not waited for longer, in seconds.
SHORT = 0.05


async def reset(wire: Wire) -> None:
    sockets.reset(wire)


@pytest.mark.parametrize(
    ("script", "peer"),
    [
        (Script().expect("text", Frame.ping(b"1")), says(TEXT + PING)),
        (Script().expect(FrameLike("text", masked=True, payload=b"hello")), says(TEXT)),
        (Script().expect(lambda frame: len(frame.payload) == 5), says(TEXT)),
        (Script().until("ping"), says(TEXT + TEXT + PING)),
        (Script().until("ping", count=3), says(PING, TEXT, PING, TEXT, PING, gap=0.01)),
        (Script().expect_end(), says_and_ends(b"")),
        (Script().expect_end("FIN"), says_and_ends(b"")),
        (Script().expect_end("FIN", passing=True), says_and_ends(TEXT + PING)),
        (Script().expect_end("RST"), reset),
        (Script().expect_end().expect_end("FIN"), says_and_ends(b"")),
        (Script().echo(), says(TEXT + masked(0x88, b"\x03\xe8"))),
        (Script().echo(), says_and_ends(TEXT)),
        (Script().echo("text", count=2).expect("ping"), says(TEXT + PING + TEXT + PING)),
        (Script().echo("close"), says(TEXT + masked(0x88, b"\x03\xe8"))),
        (Script().close(1001, "away"), says(PING + TEXT + masked(0x88))),
        (Script().close(None), says(masked(0x88))),
        (Script().branch({"text": Script().expect("ping")}), says(TEXT + PING)),
        (
            Script().branch([("ping", Script()), (Frame.text("hello"), Script().expect("ping"))]),
            says(TEXT + PING),
        ),
        (Script().branch({"pong": Script()}, Script().expect("ping")), says(TEXT + PING)),
        (Script().repeat(2, Script().expect("text", "ping")), says(2 * (TEXT + PING))),
        (Script().expect("text").then(Script().expect("ping")), says(TEXT + PING)),
        (Script(handshake=False).pause(0), silent),
    ],
    ids=lambda value: repr(value) if isinstance(value, Script) else "",
)
async def test_what_goes_as_written(script: Script, peer: Peer) -> None:
    if not script.handshake:
        script = Script().then(script)
    played = await played_by_server(script, peer)
    played.check()
    assert played.ok
    assert (played.step, str(played)) == (None, f"script 'script' (server, seed {played.seed}): ok")


FAILURES: list[tuple[Script, Peer, str]] = [
    (
        Script().expect("text", "ping"),
        says(TEXT + TEXT),
        """step 2: expect PING: got TEXT fin 5 bytes b'hello'
    expected  seen
    TEXT      TEXT fin 5 bytes b'hello'
  > PING      TEXT fin 5 bytes b'hello'""",
    ),
    (
        Script().expect("text", within=SHORT),
        silent,
        """step 1: expect TEXT: it did not come within 0.05 s
    expected  seen
  > TEXT      nothing""",
    ),
    (
        Script().add(Timeout(SHORT)).expect("text"),
        says(TEXT[:3]),
        """step 2: expect TEXT: it did not come within 0.05 s
    expected  seen
  > TEXT      nothing""",
    ),
    (
        Script().expect("text"),
        says_and_ends(b""),
        """step 1: expect TEXT: the peer ended its stream
    expected  seen
  > TEXT      FIN""",
    ),
    (
        Script().expect("text"),
        says_and_ends(TEXT[:3]),
        """step 1: expect TEXT: the peer ended its stream in the middle of a frame or a handshake
    expected  seen
  > TEXT      FIN""",
    ),
    (
        Script().expect("text"),
        reset,
        """step 1: expect TEXT: the peer reset the connection
    expected  seen
  > TEXT      RST""",
    ),
    (
        Script().until("ping", count=2),
        says_and_ends(PING + TEXT),
        """step 1: wait for PING, 2 times: the peer ended its stream
    expected       seen
    PING           PING fin 1 bytes b'1'
    (passed over)  TEXT fin 5 bytes b'hello'
  > PING           FIN""",
    ),
    (
        Script().expect_end("FIN"),
        says(TEXT),
        """step 1: expect the peer's end (FIN): got TEXT fin 5 bytes b'hello'
    expected  seen
  > FIN       TEXT fin 5 bytes b'hello'""",
    ),
    (
        Script().expect_end("RST"),
        says_and_ends(b""),
        """step 1: expect the peer's end (RST): got a FIN
    expected  seen
  > RST       FIN""",
    ),
    (
        Script().expect_end(within=SHORT),
        silent,
        """step 1: expect the peer's end (any): it did not come within 0.05 s
    expected  seen
  > an end    nothing""",
    ),
    (
        Script().echo("ping"),
        says(masked(0x88)),
        """step 1: echo until PING: got a Close
    expected  seen
  > PING      CLOSE fin 0 bytes b''""",
    ),
    (
        Script().echo("ping", count=2),
        says_and_ends(PING),
        """step 1: echo until PING, 2 times: the peer ended its stream
    expected  seen
  > PING      FIN""",
    ),
    (
        Script().add(Timeout(SHORT)).echo(),
        silent,
        """step 2: echo: it did not come within 0.05 s
    expected  seen
  > a frame   nothing""",
    ),
    (
        Script().close(1000, within=SHORT),
        silent,
        """step 1: close 1000: it did not come within 0.05 s
    expected  seen
  > CLOSE     nothing""",
    ),
    (
        Script().branch({"text": Script(), "ping": Script()}),
        says(masked(0x8A)),
        """step 1: branch: got PONG fin 0 bytes b''
    expected      seen
  > TEXT or PING  PONG fin 0 bytes b''""",
    ),
    (
        Script().pause(0).repeat(2, Script().expect("text", "ping")),
        says(TEXT + PING + PING),
        """step 2: expect TEXT: got PING fin 1 bytes b'1'
    expected  seen
    TEXT      TEXT fin 5 bytes b'hello'
    PING      PING fin 1 bytes b'1'
  > TEXT      PING fin 1 bytes b'1'""",
    ),
]


@pytest.mark.parametrize(("script", "peer", "told"), FAILURES, ids=[f[2][:40] for f in FAILURES])
async def test_a_failure_shows_both_sides(script: Script, peer: Peer, told: str) -> None:
    played = await played_by_server(script, peer, seed=4711)
    assert str(played) == f"script 'script' (server, seed 4711) failed at {told}"
    with pytest.raises(AssertionError) as raised:
        played.check()
    assert str(raised.value) == str(played)
    assert not played.ok


async def test_the_same_as_a_client(by_hand: ByHand) -> None:
    script = Script("greeting").expect("text").until("ping").expect("pong", within=SHORT)
    played = await played_by_client(script, says(HELLO + b"\x89\x00"), by_hand, seed=1)
    assert str(played) == (
        """script 'greeting' (client, seed 1) failed at step 3: expect PONG: \
it did not come within 0.05 s
    expected    seen
    status 101  HTTP/1.1 101 Switching Protocols
    TEXT        TEXT fin 5 bytes b'Hello'
    PING        PING fin 0 bytes b''
  > PONG        nothing"""
    )


@pytest.mark.parametrize("pongs", [True, False])
async def test_what_an_echo_answers(pongs: bool) -> None:
    heard: list[bytes] = []

    async def peer(wire: Wire) -> None:
        wire.send(masked(0x01, b"a") + masked(0x89, b"?" * 130) + masked(0x80, b"b"))
        wire.send(masked(0x88, b"\x03\xe8x"))
        heard.append(await wire.read_to_end())

    (await played_by_server(Script().echo(pongs=pongs), peer)).check()
    pong = b"\x8a\x7e\x00\x82" + b"?" * 130 if pongs else b""
    assert heard == [b"\x01\x01a" + pong + b"\x80\x01b\x88\x03\x03\xe8x"]


async def test_a_wait_is_bounded_also_while_something_else_comes() -> None:
    async def peer(wire: Wire) -> None:
        while not wire.transport.is_closing():
            wire.send(PING)
            await asyncio.sleep(0.005)

    played = await played_by_server(Script().until("text", within=0.2), peer)
    assert played.failure == "wait for TEXT: it did not come within 0.2 s"


async def test_a_close_that_may_not_be_sent() -> None:
    heard: list[bytes] = []

    async def peer(wire: Wire) -> None:
        heard.append(await wire.read(4))
        wire.send(masked(0x88))
        await silent(wire)

    (await played_by_server(Script().close(1006), peer)).check()
    assert heard == [b"\x88\x02\x03\xee"]


async def test_a_client_closes_with_a_mask(by_hand: ByHand) -> None:
    heard: list[bytes] = []

    async def peer(wire: Wire) -> None:
        heard.append(await wire.read(8))
        wire.send(CLOSE)
        await silent(wire)

    played = await played_by_client(Script().close(), peer, by_hand)
    played.check()
    assert heard[0][:2] == b"\x88\x82"
    assert heard[0][2:6] != MASK
    assert played.frames == [Frame.close(1000)]


async def test_what_is_no_frame(by_hand: ByHand) -> None:
    octets = b"\x82\x7f\x80" + bytes(7)
    script = Script("odd").expect("ping").expect("text")
    played = await played_by_client(script, says(b"\x89\x00" + octets), by_hand)
    row = "  > TEXT        no frame: the length is not in its shortest form (RFC 6455 5.2)"
    assert str(played).splitlines()[-1] == row
