"""Captures of scripted peers, as both sides keep them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from aiohttp_rawws import Frame, Opcode
from aiohttp_rawws.captures import End, FrameLine, Opening, Recorder, read_capture
from aiohttp_rawws.testing import Script, Wire, play, play_client, script_server
from tests.support.waiting import soon

PING = Frame.ping(b"1")
Lines = Sequence[object]


async def kept(tmp_path: Path, server_script: Script, client_script: Script) -> tuple[Lines, Lines]:
    """Play two scripts with each other; return the lines that the server and the client kept."""
    files = tmp_path / "server", tmp_path / "client"
    with Recorder(files[0]) as of_server, Recorder(files[1]) as of_client:
        async with script_server(server_script, recorder=of_server) as server:
            await play_client(client_script, server.url, recorder=of_client)
            await server.ended()
    of_both = [list(read_capture(file))[1:] for file in files]
    return of_both[0], of_both[1]


def frames(lines: Lines) -> list[tuple[str, Frame]]:
    return [(line.direction, line.frame) for line in lines if isinstance(line, FrameLine)]


def ending(lines: Lines) -> tuple[str | None, str]:
    [end] = [line for line in lines if isinstance(line, End)]
    return end.first, end.reason


async def test_both_sides_keep_the_same(tmp_path: Path) -> None:
    hello = Frame.text("hello", fin=False)
    script = Script().send(hello, PING, split="each", gap=0.001).expect("pong").close(1001)
    lines = await kept(tmp_path, Script().until("ping").send(Frame.pong(b"1")).echo(), script)
    opening = lines[0][0]
    assert isinstance(opening, Opening)
    assert (opening.path, opening.status, opening.method) == ("/", 101, "GET")
    assert dict(opening.client.request or ())["Upgrade"] == "websocket"
    close = Frame.close(1001)
    talk = [
        ("client", hello),
        ("client", PING),
        ("upstream", Frame.pong(b"1")),
        ("client", close),
        ("upstream", close),
    ]
    assert frames(lines[0]) == frames(lines[1]) == talk
    assert ending(lines[0]) == ending(lines[1]) == ("client", "close")
    first = next(line for line in lines[0] if isinstance(line, FrameLine))
    assert first.reads is not None
    assert sum(read.octets for read in first.reads) == 11


async def test_what_stands_behind_the_handshakes(tmp_path: Path) -> None:
    early = Frame.text("early")
    client = Script().request(behind=Frame(9, b"1", mask=bytes(4)).encode()).expect("text")
    server = Script().answer(behind=early.encode()).expect("ping").half_close().stall()
    lines = await kept(tmp_path, server, client)
    for each in lines:
        assert sorted(frames(each), key=lambda one: one[0]) == [
            ("client", PING),
            ("upstream", early),
        ]


@pytest.mark.parametrize(
    ("script", "reason"),
    [(Script().expect("ping").reset(), "lost"), (Script().expect("ping"), "end of stream")],
)
async def test_how_it_ended(tmp_path: Path, script: Script, reason: str) -> None:
    of_server, of_client = await kept(tmp_path, script, Script().send(PING).expect_end())
    assert ending(of_client) == ending(of_server) == ("upstream", reason)


async def test_a_refusal(tmp_path: Path) -> None:
    server = Script().answer(401, body=b"no")
    for lines in await kept(tmp_path, server, Script().request("/x?y", status=401)):
        [opening] = lines
        assert isinstance(opening, Opening)
        assert (opening.status, opening.path) == (401, "/x?y")


async def test_without_a_handshake_nothing_is_kept(tmp_path: Path) -> None:
    script = Script(handshake=False).send(Frame.binary(bytes(2**21))).half_close()
    with Recorder(tmp_path / "capture") as recorder:
        async with script_server(Script(handshake=False).stall()) as server:
            port = int(server.url.rpartition(":")[2].strip("/"))
            wire = await Wire.connect(port=port)
            await play(script, wire, recorder=recorder)
    assert len(list(read_capture(tmp_path / "capture"))) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
async def test_a_file_that_takes_no_more(tmp_path: Path) -> None:
    """The connection goes on, and the script has failed: the capture lacks something."""
    path = tmp_path / "capture"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with Recorder(path) as recorder:
        os.close(reader)
        script = Script("one").expect("text").close()
        async with script_server(script, recorder=recorder) as server:
            script = Script().send(Frame.text("x")).expect("close").send(Frame.close())
            (await soon(play_client(script, server.url))).check()
            (played,) = await server.ended()
    assert [frame.opcode for frame in played.frames] == [Opcode.TEXT, Opcode.CLOSE]
    assert played.failure == "the capture: [Errno 32] Broken pipe"
    assert "failed at the end: the capture" in str(played)
