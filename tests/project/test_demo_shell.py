"""The demo applications, started from the shell."""

import asyncio
import signal
import socket
import sys

import aiohttp
import pytest

from tests.support.demos import address_of, running, visiting
from tests.support.loops import ONE_LOOP
from tests.support.octets import masked
from tests.support.waiting import PATIENCE

CLOSE_1001 = b"\x03\xe9"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@ONE_LOOP
async def test_a_signal_stops_it_with_a_close_for_everyone(name: str) -> None:
    with running("demo", "--port", "0") as process:
        async with visiting(address_of(process)) as visit:
            wire = await visit.watch()
            wire.send(masked(0x89))
            assert await wire.read_frame() == (0x8A, b"")
            process.send_signal(signal.Signals[name])
            assert await wire.read_frame() == (0x88, CLOSE_1001)
            assert await wire.read_to_end() == b""
            await wire.close()
            async for _ in visit.control:
                pass  # the reports of these frames
            assert visit.control.close_code == aiohttp.WSCloseCode.GOING_AWAY
        _, errors = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("demo", "--port", port) as process:
            output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (1, "")
    assert f"cannot listen on 127.0.0.1 port {port}" in errors
    assert "--port" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none(port: str) -> None:
    with running("demo", f"--port={port}") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f"a port is a number from 0 to 65535, got '{port}'" in errors
