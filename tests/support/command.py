"""The command `python -m aiohttp_rawws` as a process between real peers."""

import asyncio
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aiohttp_rawws import RawWebSocketSession
from aiohttp_rawws.__main__ import main
from tests.support.octets import masked
from tests.support.waiting import PATIENCE, patience
from tests.support.wire import Address, Wire

TIME = r"\d\d:\d\d:\d\d\.\d{6} "
THERE = "visitor -> upstream"
BACK = "upstream -> visitor"
CLOSE = masked(0x88, b"\x03\xe8")
End = tuple[int, str, str]


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> End:
    """What the command ends with, in this process."""
    try:
        status: Any = main([*arguments])
    except SystemExit as error:
        status = error.code
    out, errors = capsys.readouterr()
    return status, out, errors


class Command:
    """The running command."""

    def __init__(
        self,
        process: "asyncio.subprocess.Process",
        told: str,
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        self.process = process
        self.told = told
        where = told.removeprefix("Listening on ").partition(", forwarding to ")[0]
        if where.startswith("unix:"):
            self.address = Address("127.0.0.1", 80, tls, where.removeprefix("unix:"))
            return
        found = re.fullmatch(r"wss?://(\S+):(\d+)", where)
        assert found is not None, told
        self.address = Address(found[1].strip("[]"), int(found[2]), tls)

    async def line(self) -> str:
        """Return the next line of standard output without its time, "" at the end."""
        assert self.process.stdout is not None
        async with patience():
            line = (await self.process.stdout.readline()).decode()
        return re.sub(f"^{TIME}", "", line.rstrip("\n"))

    async def lines(self, number: int) -> list[str]:
        return [await self.line() for _ in range(number)]

    async def stop(self, number: int = signal.SIGTERM) -> End:
        """Send a signal and wait; return the exit status, the rest of the output, the errors."""
        self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> End:
        async with patience():
            out, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, (out or b"").decode(), (errors or b"").decode()


@contextlib.asynccontextmanager
async def proxying(
    upstream: "Address | str",
    *options: object,
    subcommand: str = "proxy",
    listen: str = "0",
    stdout: Any = subprocess.PIPE,
    env: "dict[str, str] | None" = None,
    tls: "ssl.SSLContext | None" = None,
) -> AsyncIterator[Command]:
    """Run the command in front of an upstream. `tls` is for the visitors."""
    url = upstream if isinstance(upstream, str) else upstream.url("")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "aiohttp_rawws", subcommand, listen, url),
        *map(str, options),
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stderr is not None
        async with patience():
            told = (await process.stderr.readline()).decode()
        yield Command(process, told, tls)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def sink(session: RawWebSocketSession) -> None:
    """Answer a Close, and nothing else."""
    async for frame in session:
        if session.close_received is not None:
            await session.send(frame)


async def never(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(10 * PATIENCE)
    raise AssertionError("not reached")


async def visit(command: Command, *data: bytes, path: str = "/") -> Wire:
    """Send bytes through the proxy, a Close last, and wait for the end."""
    wire = await Wire.upgrade(command.address, path)
    wire.send(b"".join(data) + CLOSE)
    assert (await wire.read_to_end()).endswith(b"\x88\x02\x03\xe8")
    await wire.close()
    return wire


def name(wire: Wire) -> str:
    return "{}:{}".format(*wire.writer.get_extra_info("sockname")[:2])


def opened(line: str) -> str:
    """Return an open line without its address, which must be on this machine."""
    short, found = re.subn(r" from 127\.0\.0\.1:\d+,", "", line)
    assert found == 1, line
    return short


LONG = "ä" * 60

PAYLOADS = [
    (masked(0x81, b"hello"), 'TEXT          FIN       5  "hello"'),
    (masked(0x81), "TEXT          FIN       0"),
    (masked(0x81, b"a\tb\r\n\\ \"'"), r'TEXT          FIN       9  "a\tb\r\n\\ ' + '"\'"'),
    (masked(0x81, "\u202eä\u2028".encode()), r'TEXT          FIN       8  "\u202eä\u2028"'),
    (masked(0x81, b"\x1b[31m"), "TEXT          FIN       5  1b 5b 33 31 6d"),
    (masked(0x81, b"\xc2\x9b1m"), "TEXT          FIN       4  c2 9b 31 6d"),
    (masked(0x81, b"y" + LONG.encode()), f'TEXT          FIN     121  "y{LONG[:39]}"...'),
    (masked(0x81, b"x" * 80), f'TEXT          FIN      80  "{"x" * 80}"'),
    (masked(0x81, b"\xff" * 3 + b"x" * 80), f"TEXT          FIN      83  ff ff ff{' 78' * 29}..."),
    (masked(0x82, b"\x00\xff"), "BINARY        FIN       2  00 ff"),
    (masked(0x82, bytes(32)), f"BINARY        FIN      32  00{' 00' * 31}"),
    (masked(0x82, bytes(33)), f"BINARY        FIN      33  00{' 00' * 31}..."),
    (masked(0x82, b"text"), 'BINARY        FIN       4  "text"'),
    (masked(0x82, bytes(2**17 - 65536 - 1)), f"BINARY        FIN   65535  00{' 00' * 31}..."),
    (masked(0x01, b"\xc3"), "TEXT          -         1  c3"),
    (masked(0x00, b"\xa4"), "CONTINUATION  -         1  a4"),
    (masked(0x89, b"ping"), 'PING          FIN       4  "ping"'),
    (masked(0x80), "CONTINUATION  FIN       0"),
    (masked(0x8A), "PONG          FIN       0"),
]


def without_uvloop(folder: Path) -> dict[str, str]:
    """Return an environment in which uvloop cannot be imported."""
    (folder / "uvloop.py").write_text("raise ImportError")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
