"""Readers of --tap and --capture that stop, come late or go."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from aiohttp_rawws import Frame
from tests.support.command import Command, proxying
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.octets import MASK, masked
from tests.support.servers import Serve, application, echo
from tests.support.waiting import patience
from tests.support.wire import Address, Wire, tell

#: More than the command keeps for a reader.
LINES = 12
TEXT = Frame(1, b"x" * 2**20, mask=MASK).encode()


async def flood(address: Address) -> None:
    """Have more shown than a reader that stops leaves room for, and all of it passed."""
    wire = await Wire.upgrade(address)
    for _ in range(LINES):
        wire.send(TEXT)
        assert await wire.read_frame() == (0x81, b"x" * 2**20)
    await wire.close()


async def read_until(file: int, text: str) -> str:
    """Read a pipe up to a line that holds a text."""
    loop, data = asyncio.get_running_loop(), b""
    async with patience():
        while text not in data.decode() or not data.endswith(b"\n"):
            data += await loop.run_in_executor(None, os.read, file, 2**20)
    return data.decode()


@ONE_LOOP
async def test_a_reader_that_stops_stops_no_connection(serve: Serve) -> None:
    """The lines that are left out are counted and told when it reads on."""
    ours, theirs = os.pipe()
    options: Any = {"stdout": theirs}
    async with proxying(await serve(application(echo)), "--tap", "--whole", **options) as command:
        os.close(theirs)
        quiet = await Wire.upgrade(command.address)
        await flood(command.address)
        quiet.send(masked(0x89, b"?"))
        assert await quiet.read_frame() == (0x89, b"?")
        await (await Wire.upgrade(command.address)).close()
        before = await read_until(ours, "lines left out")
        quiet.send(masked(0x81, b"later"))
        assert await quiet.read_frame() == (0x81, b"later")
        after = await read_until(ours, "#1 upstream")
        await quiet.close()
        assert await command.stop() == (0, "", "")
    os.close(ours)
    lines = before.splitlines()
    (count,) = re.findall(r"(?m)^\S+ (\d+) lines left out: they were not read$", before)
    # Beside the frames, a ping, its echo and the openings of all three are shown or counted.
    assert len(lines) - 1 + int(count) >= 2 * LINES + 5
    assert "later" in after


@ONE_LOOP
async def test_a_named_pipe_that_is_read_late(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    async with proxying(await serve(application(echo)), "--capture", path) as command:
        await flood(command.address)
        loop = asyncio.get_running_loop()
        reader = await loop.run_in_executor(None, os.open, path, os.O_RDONLY)
        records = [json.loads(line) for line in (await read_until(reader, "left out")).splitlines()]
        assert (records[0]["event"], records[1]["event"]) == ("start", "open")
        (left_out,) = [each for each in records if each.get("event") == "left out"]
        assert left_out["connection"] is None
        assert left_out["lines"] + sum("opcode" in each for each in records) >= 2 * LINES
        os.close(reader)
        # Its end is that of the command, as with standard output.
        wire = await Wire.upgrade(command.address)
        assert await wire.read_to_end() == b"\x88\x02\x03\xe9"
        await wire.close()
        assert await command.wait() == (0, "", "")


@ONE_LOOP
async def test_a_named_pipe_that_nobody_reads(serve: Serve, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    async with proxying(await serve(application(echo)), "--capture", tmp_path / "pipe") as command:
        wire = await Wire.upgrade(command.address)
        wire.send(masked(0x81, b"hello"))
        assert await wire.read_frame() == (0x81, b"hello")
        await wire.close()
        assert await command.stop() == (0, "", "")


@ONE_LOOP
async def test_a_log_that_is_not_read_stops_nothing(tmp_path: Path, unused_tcp_port: int) -> None:
    """Not even where it goes into the same pipe as the lines: `2>&1 | less`."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    ours = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    filling = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    with path.open("wb") as theirs:
        os.set_blocking(ours, True)
        command = [sys.executable, "-m", "aiohttp_rawws", "proxy", "0"]
        command += [f"ws://127.0.0.1:{unused_tcp_port}", "--tap"]
        process = await asyncio.create_subprocess_exec(*command, stdout=theirs, stderr=theirs)
    try:
        address = Command(process, await read_until(ours, "forwarding")).address
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filling, b"x")
        for _ in range(2):
            assert (await tell(address, request()))[0] == 502
        process.send_signal(signal.SIGTERM)
        async with patience():
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(ours)
        os.close(filling)
