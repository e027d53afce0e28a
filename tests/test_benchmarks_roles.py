"""The benchmarks' roles, plain and over TLS: short runs of ours and of what runs on Node.

`AIOHTTP_RAWWS_REQUIRE_NODE=1` turns the skip without Node or npm into a failure;
`AIOHTTP_RAWWS_REQUIRE_LOAD=1` that without what the load generator needs: a C compiler, and for TLS
OpenSSL's headers and trustme.
"""

import argparse
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import aiohttp_rawws
from benchmarks import command, rounds, tls
from benchmarks.build import NotInstalled
from benchmarks.command import ROLES
from benchmarks.counting import Counts, Meter, Runs
from benchmarks.load import Case, LoadError, Sample, generator, run_load
from benchmarks.peers import Peer, Server, serving

from .wire import PATIENCE, request, xor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the load generator needs Linux")

OURS = "rawws" if aiohttp_rawws.COMPILED else "rawws-python"
SIZE = 300

#: The generator's command, and the folder of certificates if it is one for TLS.
Load = tuple[list[str], Path | None]


@contextlib.contextmanager
def loading(secure: bool) -> Iterator[Load]:
    try:
        with tls.certificates(secure) as certificates, generator(certificates) as command:
            yield command, certificates
    except NotInstalled as error:
        required = os.environ.get("AIOHTTP_RAWWS_REQUIRE_LOAD") == "1"
        (pytest.fail if required else pytest.skip)(str(error))


@pytest.fixture(scope="module")
def plain() -> Iterator[Load]:
    with loading(secure=False) as load:
        yield load


@pytest.fixture(scope="module")
def secure() -> Iterator[Load]:
    with loading(secure=True) as load:
        yield load


@pytest.fixture(params=["plain", "secure"])
def load(request: pytest.FixtureRequest) -> Load:
    found: Load = request.getfixturevalue(request.param)
    return found


def peer_of(role: str, name: str) -> Peer:
    return next(peer for peer in ROLES[role].peers if peer.name == name)


def measured(load: Load, role: str, name: str) -> Sample:
    """A tenth of a second of that peer."""
    options = argparse.Namespace(
        cases=[(SIZE, 4)], connections=[2], rounds=1, seconds=0.1, warmup=0.0, sleep=True
    )
    generator, certificates = load
    with command.arguments(ROLES[role], "asyncio", certificates=certificates) as arguments:
        peers = {peer_of(role, name): ""}
        ((result,),) = rounds.measure(
            rounds.Bench(options, {}, generator, arguments, peers, core=None)
        )
    return result.samples[0]


@pytest.mark.parametrize("role", ["echo", "relay", "client"])
def test_ours(load: Load, role: str) -> None:
    sample = measured(load, role, OURS)
    assert sample.bytes == pytest.approx(sample.messages * SIZE, rel=1e-3)
    assert sample.messages > 0
    assert sample.server_cpu > 0


@pytest.mark.parametrize("role", ["echo", "client"])
@pytest.mark.usefixtures("node")
def test_npm_ws(load: Load, role: str) -> None:
    assert measured(load, role, "npm-ws").messages > 0


@pytest.mark.parametrize("role", ["echo", "relay", "client"])
def test_tls_is_spoken(plain: Load, secure: Load, role: str) -> None:
    with (
        pytest.raises(LoadError, match=r"no handshake came|that is no opening handshake"),
        command.arguments(ROLES[role], "asyncio", certificates=secure[1]) as arguments,
        serving(peer_of(role, OURS), arguments, connections=1) as peer,
    ):
        run_load(plain[0], peer, peer_of(role, OURS), Case(SIZE, 1, 1), messages=1, timeout=2)


class Recorder(Meter):
    """Counts its runs, whatever happens in them."""

    program = what = "recorder"
    named = native = False
    digits = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.runs: list[tuple[str, int]] = []

    def prefix(self, name: str) -> list[str]:
        return []

    def count(self, server: Server, name: str, work: Callable[[], object]) -> Counts:
        work()
        self.runs.append((name, server.pid))
        return {"runs": len(self.runs)}


@pytest.mark.parametrize(
    ("role", "runs", "processes"),
    [
        ("echo", ["first", "short", "long"], 1),
        ("relay", ["first", "short", "long"], 1),
        ("client", ["short", "long"], 2),
    ],
)
def test_what_is_counted_runs(
    load: Load, role: str, runs: list[str], processes: int, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path)
    peer = peer_of(role, OURS)
    with command.arguments(ROLES[role], "asyncio", certificates=load[1]) as arguments:
        watched = Runs(recorder, load[0], peer, arguments, Case(SIZE, 4, 2))
        assert watched.per_message(50) == {"runs": 1 / 50}
    assert [name for name, _ in recorder.runs] == [f"{OURS}-{SIZE}-4-2-{run}" for run in runs]
    assert len({pid for _, pid in recorder.runs}) == processes


# What the generator makes of clients that do not echo.


def echo(number: int, sent: bytes, head: bytes = b"\x82\xfe\x01\x2c") -> bytes:
    """What an honest client answers to the frame of that number."""
    key = number.to_bytes(4, "big")
    return head + key + xor(sent[4:], key)


def connected(port: int, certificates: Path | None) -> socket.socket:
    """A client's socket that takes little at a time."""
    peer = socket.socket()
    peer.settimeout(PATIENCE)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.connect(("127.0.0.1", port))
    if certificates is None:
        return peer
    return tls.client_context(certificates).wrap_socket(peer, server_hostname="127.0.0.1")


def converse(peer: socket.socket, reply: Callable[[int, bytes], bytes], step: int) -> None:
    """Be a client of the generator, its bytes written `step` at a time."""
    with peer:
        peer.sendall(request())
        with peer.makefile("rb") as stream:
            while stream.readline().strip():
                pass
            number = 0
            while len(sent := stream.read(4 + SIZE)) == 4 + SIZE:
                number += 1
                answer = reply(number, sent)
                for start in range(0, len(answer), step):
                    peer.sendall(answer[start : start + step])


def judged(
    load: Load,
    reply: Callable[[int, bytes], bytes] = echo,
    *,
    step: int = 65536,
    messages: int = 5,
    inflight: int = 1,
) -> Sample:
    """What the generator says of a client."""

    def client() -> None:
        # Lost once the generator has seen what is wrong.
        with contextlib.suppress(ConnectionError):
            converse(connected(port, load[1]), reply, step)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The generator's connections have this too: it must wait for a slow reader.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        port = listener.getsockname()[1]
        thread = threading.Thread(target=client)
        thread.start()
        try:
            server = Server(os.getpid(), port, "", listener)
            peer = Peer("by hand", "", client=True)
            return run_load(load[0], server, peer, Case(SIZE, inflight, 1), messages=messages)
        finally:
            thread.join()


@pytest.mark.parametrize("step", [65536, 7, 1])
def test_an_honest_client(plain: Load, step: int) -> None:
    assert judged(plain, step=step).messages == 5


def test_a_slow_reader(load: Load) -> None:
    """What it has not read yet is not lost, doubled or made up."""
    sent = set()

    def slow(number: int, frame: bytes) -> bytes:
        sent.add(frame)
        return echo(number, frame)

    assert judged(load, slow, messages=20_000, inflight=200).messages == 20_000
    assert len(sent) == 1


@pytest.mark.parametrize("byte", [0, 7, 255, SIZE - 1])
def test_every_byte_is_compared(plain: Load, byte: int) -> None:
    def wrong(number: int, sent: bytes) -> bytes:
        answer = bytearray(echo(number, sent))
        answer[8 + byte] ^= number == 4
        return bytes(answer)

    with pytest.raises(LoadError, match="of an echo are not what was sent"):
        judged(plain, wrong)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"\x81\xfe\x01\x2c", "byte 0 of an echo is 0x81, not 0x82"),
        (b"\x82\x7e\x01\x2c", "byte 1 of an echo is 0x7e, not 0xfe"),
        (b"\x82\xfe\x01\x2b", "byte 3 of an echo is 0x2b, not 0x2c"),
    ],
)
def test_headers_are_compared(plain: Load, head: bytes, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        judged(plain, lambda number, sent: echo(number, sent, head))


def test_a_key_for_all_frames(plain: Load) -> None:
    with pytest.raises(LoadError, match="the masking key of the two before it"):
        judged(plain, lambda number, sent: echo(1, sent))
