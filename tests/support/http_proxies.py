"""HTTP proxies: one that records what it is asked, and tinyproxy in its own process."""

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from yarl import URL

from tests.support.handshakes import Opening, answer
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE, soon
from tests.support.wire import Wire, read_opening

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

CONFIGURATION = """\
Port {port}
Listen 127.0.0.1
Timeout 600
MaxClients 100
LogLevel Critical
"""


@contextlib.contextmanager
def tinyproxy(folder: Path, *more: str) -> Iterator[str]:
    """Run tinyproxy with more lines of configuration; yield its address, "host:port"."""
    program = shutil.which("tinyproxy")
    if program is None:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_PROXY") == "1"
        (pytest.fail if required else pytest.skip)("tinyproxy is not installed")
    port = free_port()
    path = folder / "tinyproxy.conf"
    path.write_text(CONFIGURATION.format(port=port) + "".join(f"{line}\n" for line in more))
    with subprocess.Popen([program, "-d", "-c", str(path)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield f"127.0.0.1:{port}"
        finally:
            # It has nothing to put in order; and it may miss a SIGTERM before its next visitor.
            process.kill()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "tinyproxy does not listen"
            time.sleep(0.01)
        else:
            return


class Proxy:
    """A small HTTP proxy for CONNECT and plain requests; `heard` holds the requests."""

    def __init__(self) -> None:
        self.heard: list[Opening] = []
        self.url = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = await read_opening(Wire(reader, writer))
        self.heard.append(opening)
        method, target, version = opening.line.split(" ")
        url = URL(f"//{target}" if method == "CONNECT" else target)
        server_reader, server_writer = await asyncio.open_connection(url.host, url.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            lines = [f"{name}: {value}" for name, value in opening.headers.items()]
            head = "\r\n".join([f"{method} {url.path_qs} {version}", *lines, "", ""])
            server_writer.write(head.encode())
        await asyncio.gather(self.pump(reader, server_writer), self.pump(server_reader, writer))
        server_writer.close()
        writer.close()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.create_task(self.run(reader, writer)))

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, tls: "ssl.SSLContext | None" = None) -> "AsyncIterator[Proxy]":
        proxy = cls()
        server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0, ssl=tls)
        host, port = server.sockets[0].getsockname()
        proxy.url = f"http{'s' if tls else ''}://{host}:{port}"
        yield proxy
        server.close()
        await soon(asyncio.gather(*proxy._tasks))


CREDENTIALS = "Basic " + base64.b64encode(b"me:secret").decode()


class Recorder:
    """A proxy that answers every CONNECT, and a server behind it; both record what they receive."""

    def __init__(self, answers: bytes = ESTABLISHED) -> None:
        self.answers = answers
        self.asked: list[Opening] = []
        self.heard: list[Opening] = []

    async def script(self, wire: Wire, opening: Opening) -> None:
        self.asked.append(opening)
        wire.send(self.answers)
        request = await read_opening(wire)
        self.heard.append(request)
        wire.send(answer(request) + b"\x81\x05Hello")
        await wire.read_to_end()
