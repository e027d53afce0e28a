"""Captures of scripted peers, as both sides keep them."""

import errno
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws import Frame
from aiohttp_rawws.captures import End, FrameLine, Opening, Recorder, read_capture
from aiohttp_rawws.testing import Script, Wire, play, play_client, script_server

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
    script = Script(handshake=False).send_octets(bytes(2**21)).half_close()
    with Recorder(tmp_path / "capture") as recorder:
        async with script_server(Script(handshake=False).stall()) as server:
            port = int(server.url.rpartition(":")[2].strip("/"))
            wire = await Wire.connect(port=port)
            await play(script, wire, recorder=recorder)
    assert len(list(read_capture(tmp_path / "capture"))) == 1


class FullDisk(io.BytesIO):
    """A file that takes three lines: the start, the opening and a frame."""

    def write(self, data: Any) -> int:
        if self.getvalue().count(b"\n") == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


async def test_a_disk_that_is_full() -> None:
    """The connection is played to its end, and the failure tells of the disk alone."""
    script = Script().expect("TEXT").send(Frame.text("a")).expect("CLOSE")
    async with script_server(script, recorder=Recorder(FullDisk())) as server:
        client = Script().send(Frame.text("a")).expect("TEXT").send(Frame.close())
        assert (await play_client(client, server.url)).failure is None
        (played,) = await server.ended()
    assert str(played).startswith(
        f"script 'script' (server, seed {played.seed}) failed at its end: the capture cannot be "
        f"written: [Errno {errno.ENOSPC}] No space left on device"
    )
    assert isinstance(played.error, OSError)
