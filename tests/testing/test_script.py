"""Scripts as objects: they are built step by step, and played many times."""

from aiohttp_rawws import Frame
from aiohttp_rawws.testing import Player, Script
from tests.support.octets import masked
from tests.support.scripted import played_by_server, says, silent

TEXT = masked(0x81, b"hello")


async def test_a_script_is_played_many_times() -> None:
    script = Script().expect("text").send(Frame.text("hi"), split=iter([1, 2]))
    for _ in range(2):
        (await played_by_server(script, says(TEXT))).check()
    assert [str(step) for step in script] == ["expect TEXT", "send TEXT fin 2 bytes b'hi'"]


async def test_a_step_of_ones_own() -> None:
    class Count:
        async def run(self, player: Player) -> None:
            assert player.last is not None
            await player.send(Frame.text(str(len(player.last.payload))))

        def __str__(self) -> str:
            return "count"

    script = Script("counting").expect("text").add(Count())
    assert repr(script) == "<Script 'counting': expect TEXT; count>"
    played = await played_by_server(script, says(TEXT))
    played.check()
    assert played.transcript.frames("sent") == [Frame.text("5")]


async def test_a_script_added_to_itself() -> None:
    script = Script().send(Frame.ping())
    script.then(script)
    (await played_by_server(script, silent)).check()
    assert len(script.steps) == 2


def test_the_handshake_that_is_left_out() -> None:
    assert [str(step) for step in Script().whole(False)] == ["answer 101"]
    assert [str(step) for step in Script().whole(True)] == ["request /"]
    assert Script(handshake=False).whole(True) == []
    assert [str(step) for step in Script().answer(404).whole(False)] == ["answer 404"]


def test_the_words_of_the_steps() -> None:
    script = Script().send_octets(b"ab").pause(1).stall().reset().half_close().close(1001)
    script.branch({"text": Script()}).repeat(3, Script()).expect_end().echo("ping", count=2).echo()
    assert [str(step) for step in script] == [
        "send 2 octets",
        "pause 1 s",
        "stall",
        "reset",
        "half close",
        "close 1001",
        "branch",
        "repeat 3 times",
        "expect the peer's end (any)",
        "echo until PING, 2 times",
        "echo",
    ]
    many = Script().send(*[Frame.ping()] * 5000).steps[0]
    frames = ", ".join(["PING fin 0 bytes b''"] * 5)
    assert str(many) == f"send {frames}, and 4995 more"
