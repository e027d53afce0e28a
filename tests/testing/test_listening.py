"""Where the servers of the kit listen."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from aiohttp_rawws.testing.listening import listening, url_of
from tests.support.waiting import soon


def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hi")
    writer.close()


@pytest.mark.parametrize("where", ["port", "path", "socket", "unix socket"])
async def test_each_place(where: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    sock = None
    if where == "socket":
        sock = socket.create_server(("127.0.0.1", 0))
    elif where == "unix socket":
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
    unix_socket = path if where == "path" else None
    async with listening(greet, "127.0.0.1", 0, unix_socket=unix_socket, sock=sock) as server:
        name = server.sockets[0].getsockname()
        if isinstance(name, str):
            assert name == path
            reader, writer = await asyncio.open_unix_connection(path)
        else:
            reader, writer = await asyncio.open_connection(*name)
        assert await soon(reader.read()) == b"hi"
        writer.close()
        await writer.wait_closed()
    if where == "path":
        assert not os.listdir(tmp_path)


def test_urls() -> None:
    assert url_of(("127.0.0.1", 80), tls=False) == "ws://127.0.0.1:80/"
    assert url_of(("::1", 443, 0, 0), tls=True) == "wss://[::1]:443/"
    assert url_of("/run/s", tls=False) == "ws://localhost/"
