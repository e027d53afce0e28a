"""The programs of `benchmarks/`, run as a user runs them.

`AIOHTTP_RAWWS_REQUIRE_LOAD=1` makes the skip without the load generator's requirements a failure.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aiohttp_rawws
from tests.support import ROOT

OURS = "rawws" if aiohttp_rawws.COMPILED else "rawws-python"
PATIENCE = 60
SIZE = 300

Done = subprocess.CompletedProcess


def run(program: str, *arguments: object, root: Path = ROOT) -> "Done[str]":
    command = [sys.executable, "-m", program, *map(str, arguments)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=PATIENCE)


def built(name: str, folder: Path) -> str:
    """Build a load generator, and return the program."""
    program = str(folder / name)
    source = str(ROOT / "benchmarks" / f"{name}.c")
    compiler = os.environ.get("CC", "cc").split()
    command = ["env", *compiler, "-O2", "-o", program, source, "-lssl", "-lcrypto"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_LOAD") == "1"
        (pytest.fail if required else pytest.skip)(done.stderr)
    return program


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The generator of messages, built."""
    return built("load", tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="session")
def connector(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The generator of connections, built."""
    return built("connect", tmp_path_factory.mktemp("connect"))


# Short runs.


def rows(file: Path) -> list[dict[str, Any]]:
    found = json.loads(file.read_text())
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


WAYS = ("echo", "echo --tls", "echo --sleep", "connect", "relay", "client")


@pytest.mark.usefixtures("generator")
@pytest.mark.parametrize("way", WAYS)
def test_every_peer_is_measured_in_every_case(way: str, tmp_path: Path) -> None:
    options = f"{way} --loop asyncio --connections 2 --rounds 2 --seconds 0.1 --warmup 0"
    options += f" --cases {SIZE}x4,8K --peers {OURS},tcp --json"
    done = run("benchmarks", *options.split(), tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "figures.json")
    cases = [(row["peer"], row["size"], row["inflight"], row["connections"]) for row in found]
    assert cases == [(p, *case, 2) for case in ((SIZE, 4), (8192, 1)) for p in (OURS, "tcp")]
    for row in found:
        assert row["cpu_us"] >= row["minimum"] > 0
        assert row["p999_us"] >= row["p99_us"] >= row["p50_us"] > 0
        assert row["peak_mib"] > 1
    assert "8 KiB, 1 in flight on each of 2 connections" in done.stdout


@pytest.mark.usefixtures("generator")
@pytest.mark.parametrize("upstream", ["batches", "each"])
def test_a_proxy_is_measured_before_either_upstream(upstream: str, tmp_path: Path) -> None:
    file = tmp_path / "relay.json"
    options = f"relay --upstream {upstream} --peers tcp,c-copy --rounds 1 --seconds 0.1 --warmup 0"
    done = run("benchmarks", *options.split(), "--cases", f"{SIZE}x4,1Mx4", "--json", file)
    assert done.returncode == 0, done.stderr
    assert [row["peer"] for row in rows(file)] == ["tcp", "c-copy"] * 2
    assert json.loads(file.read_text())["about"]["upstream"] == f"answers {upstream}"


@pytest.mark.usefixtures("generator")
def test_an_http_proxy_is_measured(tmp_path: Path) -> None:
    file, peers = tmp_path / "http.json", ["rawws"] * aiohttp_rawws.COMPILED + ["usual", "c-copy"]
    options = f"http --peers {','.join(peers)} --rounds 1 --seconds 0.1 --warmup 0 --connections 2"
    done = run("benchmarks", *options.split(), "--cases", f"{SIZE},1M", "--json", file)
    assert done.returncode == 0, done.stderr
    assert [(row["peer"], row["size"]) for row in rows(file)] == [
        (peer, size) for size in (SIZE, 2**20) for peer in peers
    ]


@pytest.mark.usefixtures("generator")
def test_idle_memory_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    done = run("benchmarks.memory", "--peers", OURS, "--connections", 200, "--json", file)
    assert done.returncode == 0, done.stderr
    (row,) = rows(file)
    assert 1_000 < row["idle_bytes"] < 100_000


@pytest.mark.usefixtures("generator")
def test_a_peer_that_cannot_be_measured_is_left_out() -> None:
    options = "echo --tls --peers c-epoll,tcp --rounds 1 --seconds 0.1 --cases 16 --loop asyncio"
    done = run("benchmarks", *options.split())
    assert done.returncode == 0, done.stderr
    assert "left out: c-epoll" in done.stderr
    assert "\ntcp " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [("echo --peers tcpp", "no peer 'tcpp'; there are rawws,"), ("echo --cases 8Q", "'8Q'")],
)
def test_a_wrong_argument_is_told(arguments: str, told: str) -> None:
    done = run("benchmarks", *arguments.split())
    assert done.returncode
    assert told in done.stderr


# The load generator, beside peers that echo and peers that do not.

Change = Callable[[int, bytes], bytes]
"""Makes another echo of the one of that number."""


def serve(connection: socket.socket, change: Change) -> None:
    """Be a bare server: bytes come back."""
    for number in range(3):
        connection.sendall(change(number, connection.recv(SIZE + 8, socket.MSG_WAITALL)))
    connection.recv(1)


def connect(connection: socket.socket, change: Change) -> None:
    """Be a client: frames come back masked, with a fresh key each, a byte at a time."""
    connection.sendall(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    with connection.makefile("rb") as stream:
        while stream.readline().strip():
            pass
        for number in range(3):
            payload, key = stream.read(SIZE + 4)[4:], bytes([number, 2, 3, 4])
            masked = bytes(octet ^ key[n % 4] for n, octet in enumerate(payload))
            for octet in change(number, b"\x82\xfe\x01\x2c" + key + masked):
                connection.sendall(bytes([octet]))
        stream.read()


def judged(
    generator: str, role: Callable[[socket.socket, Change], None], change: Change
) -> "Done[str]":
    """What the generator says of three messages to a peer in this role."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        def converse() -> None:
            opened = listener.accept()[0] if role is serve else socket.create_connection(address)
            # The generator resets the connection of a peer that it does not believe.
            with opened, contextlib.suppress(ConnectionError):
                opened.settimeout(PATIENCE)
                role(opened, change)

        thread = threading.Thread(target=converse)
        thread.start()
        number = listener.fileno()
        end = f"port={address[1]} bare=1" if role is serve else f"listener={number}"
        case = f"{end} pid={os.getpid()} size={SIZE} inflight=1 connections=1 messages=3"
        done = subprocess.run(
            [generator, *case.split()], capture_output=True, text=True, pass_fds=[number]
        )
        thread.join(PATIENCE)
        return done


@pytest.mark.parametrize("role", [serve, connect])
def test_an_honest_peer(generator: str, role: Callable[[socket.socket, Change], None]) -> None:
    done = judged(generator, role, lambda _, echo: echo)
    assert json.loads(done.stdout)["messages"] == 3


@pytest.mark.parametrize("role", [serve, connect])
@pytest.mark.parametrize("byte", [0, 3, 8, 263, SIZE + 7])
def test_every_byte_is_compared(
    generator: str, role: Callable[[socket.socket, Change], None], byte: int
) -> None:
    def change(number: int, echo: bytes) -> bytes:
        return echo[:byte] + bytes([echo[byte] ^ (number == 2)]) + echo[byte + 1 :]

    done = judged(generator, role, change)
    assert f"byte {byte} of an echo is" in done.stderr
    assert done.returncode


#: What is wrong with a peer: its answer to the next step, and the one that it should have given.
STEPS = {
    "the handshake was refused": (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ),
    "is no echo": (b"\x82\x02..", b"\x82\x02\x07\x26"),
    "has not answered the Close": (b"\x88\x02\x03\xe9", b"\x88\x02\x03\xe8"),
}


@pytest.mark.parametrize("wrong", ["", *STEPS])
def test_every_step_of_a_connection_is_judged(connector: str, wrong: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def converse() -> None:
            opened = listener.accept()[0]
            # The generator resets the connection of a peer that it does not believe.
            with opened, contextlib.suppress(ConnectionError):
                opened.settimeout(PATIENCE)
                for step, answers in STEPS.items():
                    opened.recv(4096)
                    opened.sendall(answers[step != wrong])

        thread = threading.Thread(target=converse)
        thread.start()
        case = f"port={listener.getsockname()[1]} pid={os.getpid()} size=2 inflight=1"
        command = [connector, *case.split(), "connections=1", "messages=1"]
        done = subprocess.run(command, capture_output=True, text=True)
        thread.join(PATIENCE)
    assert wrong in done.stderr
    assert (done.returncode == 0) is (wrong == "")


# What is made of figures.


def test_the_page_and_its_plots_are_those_of_the_figures(tmp_path: Path) -> None:
    for folder in ("benchmarks", "docs"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_modules")
        )
    shown = [ROOT / "docs" / "benchmarks.md", *ROOT.glob("docs/images/benchmarks/*.svg")]
    assert len(shown) == 3
    for file in shown[1:]:
        (tmp_path / file.relative_to(ROOT)).unlink()
    for program in ("benchmarks.page", "benchmarks.plots"):
        done = run(program, root=tmp_path)
        assert done.returncode == 0, done.stderr
    for file in shown:
        assert (tmp_path / file.relative_to(ROOT)).read_text() == file.read_text(), file.name


@pytest.mark.parametrize(
    ("growth", "uvloop", "status", "told"),
    [
        (1.049, None, 0, ""),
        (1.051, None, 1, "benchmarks.instructions"),
        (1.051, "0.0", 0, "uvloop: "),
        (0.9, None, 0, "--record"),
    ],
)
def test_the_guard(
    growth: float, uvloop: "str | None", status: int, told: str, tmp_path: Path
) -> None:
    record = json.loads((ROOT / "benchmarks" / "recorded.json").read_text())
    record["instructions"]["echo rawws 256x1"] *= growth
    record["environment"]["uvloop"] = uvloop or record["environment"]["uvloop"]
    (tmp_path / "now.json").write_text(json.dumps(record))
    done = run("benchmarks.guard", "--judge", tmp_path / "now.json")
    assert done.returncode == status, done.stderr
    assert ("LOSS" in done.stdout) is (growth > 1.05)
    assert told in done.stdout


def test_the_packages_of_the_record_are_for_pip() -> None:
    assert run("benchmarks.guard", "--requirements").stdout.startswith("aiohttp==")
