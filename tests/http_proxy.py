"""An HTTP proxy that is not ours: Debian's tinyproxy, in a process of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .wire import PATIENCE

CONFIGURATION = """\
Port {port}
Listen 127.0.0.1
Timeout 600
MaxClients 100
LogLevel Critical
"""


@contextlib.contextmanager
def tinyproxy(folder: Path, *more: str) -> Iterator[str]:
    """Run tinyproxy with more lines of configuration; gives its address, "host:port"."""
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


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


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
