"""The subcommand `play`: a scripted peer for programs in any language."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme

from aiohttp_rawws import Frame, testing
from aiohttp_rawws.captures import FrameLine, read_capture
from aiohttp_rawws.testing import Script, script_server
from aiohttp_rawws.testing.presets import PRESETS
from tests.support.command import End, complaint
from tests.support.loops import ONE_LOOP
from tests.support.octets import CLOSE, masked
from tests.support.waiting import PATIENCE, patience, until
from tests.support.wire import Address, Wire

GREETING = """
{"expect": "text"}
{"send": "text", "payload": "hello"}
{"close": 1000}
"""
NEVER = '{"expect": "ping", "within": 0.05}'


class Playing:
    """The running command, with the address where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, told: str) -> None:
        self.process = process
        self.told = told
        where, _, self.seed = told.removeprefix("Listening on ").strip().partition(", seed ")
        self.url = where

    @property
    def address(self) -> Address:
        host, port = self.url.rpartition("/")[2].split(":")
        return Address(host, int(port))

    async def end(self, number: int | None = None) -> End:
        """Wait, after a signal if one is given; return the exit status and what was printed."""
        if number is not None:
            self.process.send_signal(number)
        async with patience():
            out, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), errors.decode()


@contextlib.asynccontextmanager
async def playing(*arguments: object) -> AsyncIterator[Playing]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "aiohttp_rawws", "play"),
        *map(str, arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        told = ""
        if "--listen" in arguments:
            assert process.stderr is not None
            async with patience():
                told = (await process.stderr.readline()).decode()
        yield Playing(process, told)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.fixture
def greeting(tmp_path: Path) -> Path:
    path = tmp_path / "greeting.jsonl"
    path.write_text(GREETING)
    return path


async def greet(address: Address, text: bytes = b"hi") -> None:
    wire = await Wire.upgrade(address)
    wire.send(masked(0x81, text))
    assert await wire.read(11) == b"\x81\x05hello" + CLOSE
    wire.send(masked(0x88, b"\x03\xe8"))
    assert await wire.read_to_end() == b""
    await wire.close()


# -- as a server ---------------------------------------------------------------------------


@ONE_LOOP
async def test_a_script_for_one_connection(greeting: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    async with playing(greeting, "--listen", 0, "--seed", 7, "--report", report) as play:
        assert play.seed == "7"
        await greet(play.address)
        assert await play.end() == (0, "script 'greeting' (server, seed 7): ok\n", "")
    told = json.loads(report.read_text())
    assert (told["ok"], told["seed"], len(told["played"])) == (True, 7, 1)
    (played,) = told["played"]
    assert (played["script"], played["ok"], played["failure"]) == ("greeting", True, None)
    assert played["expected"][0] == {"expected": "TEXT", "seen": "TEXT fin 2 bytes b'hi'"}
    frames = [entry["frame"] for entry in played["entries"] if "frame" in entry]
    assert [(frame["opcode"], frame["payload"]) for frame in frames[:2]] == [
        (1, b"hi".hex()),
        (1, b"hello".hex()),
    ]


@ONE_LOOP
async def test_a_client_that_does_otherwise(greeting: Path) -> None:
    async with playing(greeting, "--listen", 0, "--seed", 7, "--report", "-") as play:
        wire = await Wire.upgrade(play.address)
        wire.send(masked(0x82, b"hi"))
        await wire.close()
        status, out, errors = await play.end()
    told = json.loads(out)
    assert (status, told["ok"], errors) == (1, False, "")
    assert told["played"][0]["failure"] == "expect TEXT: got BINARY fin 2 bytes b'hi'"


@ONE_LOOP
async def test_many_connections_and_files(greeting: Path, tmp_path: Path) -> None:
    never = tmp_path / "never.jsonl"
    never.write_text(NEVER)
    options = ("--listen", "127.0.0.1:0", "--connections", 3, "--seed", 1)
    async with playing(greeting, never, *options) as play:
        await greet(play.address)
        for _ in range(2):
            wire = await Wire.upgrade(play.address)
            await wire.read_to_end()
            await wire.close()
        status, out, _ = await play.end()
    assert status == 1
    lines = [line for line in out.splitlines() if line.startswith("script")]
    wanted = "failed at step 1: expect PING: it did not come within 0.05 s"
    assert lines == [
        "script 'greeting' (server, seed 1): ok",
        f"script 'never' (server, seed 2) {wanted}",
        f"script 'never' (server, seed 3) {wanted}",
    ]


@ONE_LOOP
async def test_until_a_signal(greeting: Path) -> None:
    async with playing(greeting, "--listen", 0, "--connections", 0) as play:
        for _ in range(2):
            await greet(play.address)
        wire = await Wire.upgrade(play.address)
        await asyncio.sleep(0.05)
        status, out, errors = await play.end(signal.SIGINT)
        await wire.close()
    assert (status, errors, out.count(": ok")) == (1, "", 2)
    assert "expect TEXT: it was still waited for when the script was ended" in out
    async with playing(greeting, "--listen", 0, "--connections", 0) as play:
        assert await play.end(signal.SIGTERM) == (1, "no connection was played\n", "")
    async with playing(greeting, "--listen", 0, "--connections", 2) as play:
        # It looks whether the port is open.
        socket.create_connection((play.address.host, play.address.port)).close()
        await greet(play.address)
        status, out, _ = await play.end(signal.SIGTERM)
    ok = f"script 'greeting' (server, seed {play.seed}): ok\n"
    assert (status, out) == (1, f"{ok}1 of 2 connections were played\n")


@ONE_LOOP
async def test_a_preset(tmp_path: Path) -> None:
    async with playing("reset-after-handshake", "--listen", 0, "--timeout", 5) as play:
        wire = await Wire.upgrade(play.address)
        with pytest.raises(ConnectionResetError):
            await wire.read_to_end()
        await wire.close()
        status, out, _ = await play.end()
    assert (status, out) == (
        0,
        f"script 'reset-after-handshake' (server, seed {play.seed}): ok\n",
    )


@ONE_LOOP
async def test_a_client_in_another_language(greeting: Path, node: dict[str, str]) -> None:
    client = """
    const WebSocket = require('ws');
    const socket = new WebSocket(process.argv[1]);
    socket.on('open', () => socket.send('hi'));
    socket.on('close', code => process.exit(code === 1000 ? 0 : 9));
    """
    async with playing(greeting, "--listen", 0) as play:
        process = await asyncio.create_subprocess_exec("node", "-e", client, play.url, env=node)
        async with patience():
            assert await process.wait() == 0
        assert (await play.end())[0] == 0


@ONE_LOOP
async def test_tls_and_aiohttp(greeting: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    options = ("--listen", 0, "--listen-cert", tmp_path / "server.pem")
    async with playing(greeting, *options) as play, aiohttp.ClientSession() as session:
        assert play.url.startswith("wss://")
        async with session.ws_connect(play.url, ssl=context) as websocket:
            await websocket.send_str("hi")
            assert await websocket.receive_str() == "hello"
            assert (await websocket.receive()).data == 1000
        assert (await play.end())[0] == 0


# -- as a client ---------------------------------------------------------------------------

ASK = """
{"send": "text", "payload": "hi"}
{"expect": "text"}
"""


@pytest.fixture
def ask(tmp_path: Path) -> Path:
    path = tmp_path / "ask.jsonl"
    path.write_text(ASK)
    return path


@ONE_LOOP
async def test_a_client_of_a_server(ask: Path) -> None:
    async with script_server(Script().echo()) as server:
        url = server.url + "path?query"
        async with playing(ask, "--connect", url, "--seed", 3, "--connections", 2) as play:
            ok = "".join(f"script 'ask' (client, seed {seed}): ok\n" for seed in (3, 4))
            assert await play.end() == (0, ok, "")
        assert [each.head and each.head.path for each in await server.ended(2)] == 2 * [
            "/path?query"
        ]
        server.check()


@ONE_LOOP
async def test_a_client_over_tls_and_a_unix_socket(ask: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with script_server(Script().echo(), ssl=context) as server:
        ca = ("--ca", tmp_path / "ca.pem")
        async with (
            playing(ask, "--connect", server.url, *ca) as one,
            playing(ask, "--connect", server.url, "--insecure") as two,
        ):
            assert [(await play.end())[0] for play in (one, two)] == [0, 0]
    path = str(tmp_path / "socket")
    async with (
        script_server(Script().echo(), unix_socket=path),
        playing(ask, "--connect", f"unix:{path}") as play,
    ):
        assert (await play.end())[0] == 0


@ONE_LOOP
async def test_a_server_that_goes_away(ask: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        options = ("--connect", url, "--connections", 2, "--seed", 3, "--report", report)
        async with playing(ask, *options) as play, patience():
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            listener.close()
            wire = await testing.Wire.of_socket(sock, is_client=False)
            (await testing.play(Script().echo(), wire)).check()
            status, out, errors = await play.end()
    assert (status, out) == (
        2,
        "script 'ask' (client, seed 3): ok\n1 of 2 connections were played\n",
    )
    assert errors == f"aiohttp-rawws: cannot connect to {url}: Connection refused\n"
    told = json.loads(report.read_text())
    assert (told["ok"], len(told["played"])) == (False, 1)


@ONE_LOOP
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_client_until_a_signal(ask: Path, number: int) -> None:
    async with (
        script_server(Script(timeout=60).expect("text").stall()) as server,
        playing(ask, "--connect", server.url, "--seed", 3) as play,
    ):
        await until(lambda: bool(server.started and server.started[0].step == 2))
        status, out, errors = await play.end(number)
    failed = "script 'ask' (client, seed 3) failed at step 2: expect TEXT: it was still waited for"
    assert (status, out.startswith(failed), errors) == (1, True, "")


@ONE_LOOP
async def test_nobody_is_there(ask: Path) -> None:
    async with playing(ask, "--connect", "ws://127.0.0.1:1/") as play:
        status, out, errors = await play.end()
    assert (status, out) == (2, "")
    assert errors == ("aiohttp-rawws: cannot connect to ws://127.0.0.1:1/: Connection refused\n")


# -- what it tells ------------------------------------------------------------------------


def test_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, errors = complaint(capsys, "play", "--presets")
    assert (status, errors) == (0, "")
    assert out.startswith("no-pong (server or client; RFC 6455 5.5.2)\n    Answers no Ping.")
    assert max(map(len, out.splitlines())) <= 100
    assert all(f"{name} (" in out for name in PRESETS)


def test_a_reader_that_leaves() -> None:
    command = f"{sys.executable} -m aiohttp_rawws play --presets | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stderr) == (0, b"")


@ONE_LOOP
async def test_a_report_that_cannot_be_written(greeting: Path, tmp_path: Path) -> None:
    async with playing(greeting, "--listen", 0, "--report", tmp_path) as play:
        await greet(play.address)
        status, _, errors = await play.end()
    assert (status, errors) == (2, f"aiohttp-rawws: cannot write {tmp_path}: Is a directory\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
@pytest.mark.parametrize(
    ("shell", "ended"),
    [
        ("> /dev/full", (2, b"aiohttp-rawws: cannot write the report: No space left on device\n")),
        (">&-", (0, b"")),
    ],
)
def test_an_output_that_takes_nothing(shell: str, ended: tuple[int, bytes]) -> None:
    command = f"{sys.executable} -m aiohttp_rawws play --presets {shell}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stderr) == ended


@ONE_LOOP
async def test_a_capture(greeting: Path, tmp_path: Path) -> None:
    capture = tmp_path / "frames.jsonl"
    async with playing(greeting, "--listen", 0, "--capture", capture) as play:
        await greet(play.address)
        assert (await play.end())[0] == 0
    frames = [line for line in read_capture(capture) if isinstance(line, FrameLine)]
    assert [(line.direction, line.frame) for line in frames] == [
        ("client", Frame.text("hi")),
        ("upstream", Frame.text("hello")),
        ("upstream", Frame.close(1000)),
        ("client", Frame.close(1000)),
    ]
    async with playing(greeting, "--listen", 0, "--capture", tmp_path) as play:
        status, _, errors = await play.end()
    assert (status, play.told + errors) == (
        2,
        f"aiohttp-rawws: cannot write {tmp_path}: Is a directory\n",
    )
