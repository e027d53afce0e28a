"""`replay`: exit statuses, and the two sides as commands that play with each other."""

import asyncio
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from aiohttp_rawws.__main__ import main
from tests.support import ROOT
from tests.support.loops import ONE_LOOP
from tests.support.waiting import soon

CAPTURES = ROOT / "demo" / "captures"


async def started(*arguments: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "aiohttp_rawws", "replay", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@ONE_LOOP
@pytest.mark.parametrize("where", ["0", "unix:{}/s"])
@pytest.mark.parametrize("other", ["ping-of-200-bytes", "close-1006"])
async def test_both_sides_play_with_each_other(other: str, where: str, tmp_path: Path) -> None:
    """What one side sends is what the other one expects, unless they play different captures."""
    capture = CAPTURES / "ping-of-200-bytes.jsonl"
    listen = "--listen", where.format(tmp_path)
    server = await started(CAPTURES / f"{other}.jsonl", *listen, "--side", "server")
    assert server.stderr is not None
    told = (await soon(server.stderr.readline())).decode()
    found = re.fullmatch(r"Listening on (ws://127\.0\.0\.1:\d+|unix:.*/s)\n", told)
    assert found is not None, told
    client = await started(capture, "--connect", found[1], "--no-wait", "--timeout", "5")
    (out, errors), (seen, complaints) = await soon(
        asyncio.gather(client.communicate(), server.communicate())
    )
    assert errors + complaints == b""
    if other == capture.stem:
        assert (client.returncode, server.returncode) == (0, 0)
        assert out == b"same: 50 octets sent, 3 frames compared\n"
        assert seen == b"same: 215 octets sent, 3 frames compared\n"
    else:
        assert server.returncode == 1
        assert seen.startswith(b"another frame: payload (line 3)\n  captured: TEXT FIN MASKED 5 b")


def test_what_cannot_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = str(CAPTURES / "close-1006.jsonl")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, said in (
            ([capture, "--listen", port], f"cannot listen on 127.0.0.1:{port}: "),
            ([capture, "--connect", "ws://127.0.0.1:1"], "ws://127.0.0.1:1: Connection refused"),
            ([capture, "--connect", "ws://h", "--connection", "7"], "there is no connection 7"),
            ([str(tmp_path / "x"), "--connect", "ws://h"], f"{tmp_path / 'x'}: No such file"),
            # A socket that listens, and that nobody accepts.
            (
                [capture, "--connect", f"ws://127.0.0.1:{port}", "--timeout", "0.05"],
                "no answer to the handshake within 0.05 seconds\n",
            ),
        ):
            assert main(["replay", *arguments]) == 2
            out, errors = capsys.readouterr()
            assert out == ""
            assert said in errors
            assert "usage" not in errors
    for arguments, said in (
        ([capture], "one of the arguments --connect --listen is required"),
        ([capture, "--connect", "ftp://h"], "not a ws, wss, http or https URL, nor unix:PATH"),
        ([capture, "--listen", "0", "--side", "client"], "--side client needs --connect URL"),
        ([capture, "--listen", "0", "--connection", "0"], "not the number of a connection"),
        ([capture, "--listen", "0", "--speed", "0"], "not a number of seconds above 0: '0'"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["replay", *arguments])
        assert said in capsys.readouterr().err


@ONE_LOOP
async def test_an_answer_that_is_no_http() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = await started(CAPTURES / "close-1006.jsonl", "--connect", url)
        out, errors = await soon(client.communicate())
    assert (client.returncode, out) == (2, b"")
    assert errors.decode() == f"aiohttp-rawws: {url}: the answer is no HTTP: Bad status line\n"


def test_the_help_of_both_is_in_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "captures.md").read_text()
    for command in ("convert", "replay"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        for option in re.findall(r"--[a-z-]+", capsys.readouterr().out):
            assert option in ("--help", "--capture") or f"`{option}" in page
