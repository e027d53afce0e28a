"""A script on a connection: how it is told, cancelled, bounded, and how the connection ends."""

import asyncio
import gc
import json

import pytest

from aiohttp_rawws import Frame, Opcode
from aiohttp_rawws.testing import Played, Script, play, play_client, script_server, transcript
from aiohttp_rawws.testing.dialling import dial
from tests.support import sockets
from tests.support.octets import HELLO, masked
from tests.support.scripted import a_client_of, played_by_client, played_by_server, says, silent
from tests.support.waiting import soon, until
from tests.support.wire import ByHand, Wire

TEXT = masked(0x81, b"hello")


async def test_the_report() -> None:
    script = Script("greet").expect("text").send(Frame.text("hi")).expect("ping", within=0.05)
    played = await played_by_server(script, says(TEXT), seed=5)
    told = played.as_json()
    entries = told.pop("entries")
    assert told == {
        "script": "greet",
        "role": "server",
        "seed": 5,
        "ok": False,
        "failure": "expect PING: it did not come within 0.05 s",
        "step": 3,
        "end": None,
        "expected": [
            {"expected": "TEXT", "seen": "TEXT fin 5 bytes b'hello'"},
            {"expected": "PING", "seen": "nothing"},
        ],
        "left_out": 0,
    }
    assert [entry["direction"] for entry in entries] == ["seen", "sent", "seen", "sent"]
    assert json.loads(json.dumps(entries)) == entries


async def test_the_end_is_a_fin_that_lets_the_peer_finish() -> None:
    heard: list[bytes] = []

    async def peer(wire: Wire) -> None:
        wire.send(TEXT * 1000)
        heard.append(await wire.read_to_end())
        await wire.close()

    # What was not read does not make a RST of it.
    played = await played_by_server(Script().send(Frame.text("Hello")), peer)
    assert (heard, played.end, played.ok) == ([HELLO], "FIN", True)


async def test_a_reset_by_the_peer_behind_the_last_step() -> None:
    async def peer(wire: Wire) -> None:
        await wire.read_to_end()
        sockets.reset(wire)

    played = await played_by_server(Script().send(Frame.text("Hello")), peer)
    assert (played.end, played.ok) == ("RST", True)


async def test_a_cancelled_script_leaves_nothing(by_hand: ByHand) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def peer(wire: Wire) -> None:
        await wire.read(11)
        began.set()
        await silent(wire)
        ended.set()

    before = asyncio.all_tasks()
    script = Script().send(Frame.text("Hello")).expect("text")
    task = asyncio.ensure_future(played_by_client(script, peer, by_hand))
    await soon(began.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await soon(ended.wait())
    await until(lambda: not asyncio.all_tasks() - before)
    # A socket that nobody closes would warn.
    gc.collect()


async def unfinished(script: Script, peer: bytes = b"") -> Played:
    """Play a script until it stops, end it there, and return how it went."""
    async with a_client_of(script, seed=1) as (wire, server):
        wire.send(peer)
        await until(lambda: bool(server.started and server.started[0].step == len(script.steps)))
        assert not server.started[0].ok
        still = str(server.started[0])
        await server.stop(0)
    (played,) = server.started
    assert "still at step" in still
    return played


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (Script().stall(), None),
        (Script().stall(9, reads=False), None),
        (Script().echo(), None),
        (Script().pause(9), None),
        (Script().repeat(2, Script().pause(9)), None),
        (Script().expect("text"), "expect TEXT: it was still waited for when the script was ended"),
        (Script().until("text"), "wait for TEXT: it was still waited for when the"),
        (Script().expect_end(), "expect the peer's end (any): it was still waited for"),
        (Script().echo("ping"), "echo until PING: it was still waited for"),
        (Script().close(), "close 1000: it was still waited for"),
        (Script().branch({"text": Script()}), "branch: it was still waited for"),
        (
            Script().repeat(2, Script().pause(9).expect("text")),
            "pause 9 s: the script was ended here, and had still to wait for the peer",
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, Script) else "",
)
async def test_a_script_that_is_ended(script: Script, failure: str | None) -> None:
    played = await unfinished(script)
    assert (played.failure or "").startswith(failure or "")
    assert (played.failure is None) == (failure is None) == played.ok


async def test_a_script_that_is_ended_before_it_waits() -> None:
    async with a_client_of(Script().pause(9).expect("text"), seed=1) as (_, server):
        await until(lambda: bool(server.started and server.started[0].step == 1))
        await server.stop(0)
    assert str(server.started[0]) == (
        "script 'script' (server, seed 1) failed at step 1: pause 9 s: "
        "the script was ended here, and had still to wait for the peer"
    )


async def test_a_flood_is_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "MAX_ENTRIES", 100)
    data = masked(0x89) * 1000
    played = await played_by_server(Script().until("close"), says(data + masked(0x88)))
    played.check()
    kept = played.transcript
    assert 90 <= len(kept.entries) <= 100
    assert len(kept.entries) + kept.left_out == 1004
    assert 90 <= len(kept.expected) <= 100
    # The last ones are there.
    assert [frame.opcode for frame in kept.frames()[-2:]] == [Opcode.PING, Opcode.CLOSE]


async def test_what_failed_behind_a_flood_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "MAX_ENTRIES", 100)
    data = masked(0x89) * 1000 + masked(0x8A, b"1") + masked(0x82, b"2")
    played = await played_by_server(Script().until("pong").expect("text"), says(data))
    assert str(played).endswith("  > TEXT           BINARY fin 1 bytes b'2'")


async def test_steps_that_wait_for_nothing_can_be_ended() -> None:
    async with a_client_of(Script().repeat(2**62, Script().repeat(0, Script()))) as (_, server):
        await until(lambda: bool(server.started and server.started[0].step == 1))
        await soon(server.stop(0))


async def test_a_wire_of_ones_own() -> None:
    async with script_server(Script().send(Frame.text("hi"))) as server:
        wire = await dial(server.url)
        played = await soon(play(Script().expect("text"), wire, seed=3))
        played.check()
        assert (played.seed, played.role, played.end) == (3, "client", "FIN")
        with pytest.raises(ConnectionError):
            await wire.write(b"x")
        first, second = [await soon(play_client(Script(), server.url)) for _ in range(2)]
        # By chance, and told.
        assert first.seed != second.seed
