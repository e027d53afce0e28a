"""The layers beside what does the same: a compressed echo, and one message to many.

The load is of Python, and slow; what is counted is the CPU time of the server alone.
"""

import argparse
import os
import resource
import select
import socket
import sys
import zlib
from collections.abc import Callable, Sequence
from statistics import median

from . import command, machine
from .peers import Peer, Server, serving
from .report import ratios, table
from .sockets import frame, left, opened, take_frames

DEFLATE = (
    Peer("rawws", "servers.rawws_deflate", ours=True),
    Peer("aiohttp", "servers.aiohttp_deflate"),
)
BROADCAST = (
    Peer("rawws", "servers.rawws_broadcast", ours=True),
    Peer("aiohttp", "servers.aiohttp_broadcast"),
    Peer("websockets", "servers.websockets_broadcast"),
)

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"

#: 256 bytes of what is usually sent.
MESSAGE = b'{"id": 4711, "type": "update", "path": "/devices/7/state", "values": ['
MESSAGE += b", ".join(b'{"t": %d, "v": %d}' % (1700000000 + n, n * 37 % 101) for n in range(12))
MESSAGE = MESSAGE[:254] + b"]}"


def compressed_echo(server: Server, options: argparse.Namespace, inflight: int) -> float:
    """Microseconds of the server's CPU time per message."""
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    payload = (deflater.compress(MESSAGE) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    burst = frame(0xC1, payload) * inflight
    bursts: int = options.messages // inflight
    with opened(server.port, OFFER) as peer:
        before = 0.0
        for number in range(bursts + 50):
            if number == 50:
                before = machine.cpu_time(server.pid)
            peer.sendall(burst)
            take_frames(peer, inflight)
        return (machine.cpu_time(server.pid) - before) / (bursts * inflight) * 1e6


def one_to_many(server: Server, options: argparse.Namespace) -> float:
    """Microseconds of the server's CPU time per delivery."""
    peers = [opened(server.port) for _ in range(options.sessions)]
    try:
        speak(peers, 5)
        before = machine.cpu_time(server.pid)
        speak(peers, options.broadcasts)
        deliveries: int = options.broadcasts * len(peers)
        return (machine.cpu_time(server.pid) - before) / deliveries * 1e6
    finally:
        for peer in peers:
            left(peer)


def speak(peers: Sequence[socket.socket], times: int) -> None:
    """Have 1 KiB sent to all, so many times, and read it everywhere."""
    peers[0].sendall(frame(0x82, (b"%08d" % times).ljust(1024)))
    missing = {peer.fileno(): times * 1028 for peer in peers}
    by_number = {peer.fileno(): peer for peer in peers}
    epoll = select.epoll()
    for number in missing:
        epoll.register(number, select.EPOLLIN)
    while missing:
        for number, _ in epoll.poll():
            missing[number] -= len(by_number[number].recv(2**18))
            if missing[number] == 0:
                del missing[number]
                epoll.unregister(number)
    epoll.close()


def measure(
    title: str,
    peers: Sequence[Peer],
    rounds: int,
    loop: str,
    core: int,
    cost: Callable[[Server], float],
) -> None:
    """Peer beside peer, in every round a new process of each."""
    costs: dict[Peer, list[float]] = {peer: [] for peer in peers}
    for number in range(rounds):
        print(f"{title}: round {number + 1} of {rounds}", file=sys.stderr)
        start = number % len(peers)
        for peer in (*peers[start:], *peers[:start]):
            with serving(peer, ["--loop", loop], core=core) as server:
                costs[peer].append(cost(server))
    rows = [
        [peer.name, f"{median(found):.2f}", f"{min(found):.2f}", f"{1e6 / median(found):,.0f}"]
        for peer, found in costs.items()
    ]
    print(f"== {title}\n")
    print(table(["peer", "CPU us", "minimum", "per CPU s"], rows))
    print(ratios("CPU time", costs))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--messages", type=int, default=20_000, help="of the echo")
    parser.add_argument("--sessions", type=int, default=1000, help="of the broadcast")
    parser.add_argument("--broadcasts", type=int, default=100)
    options = parser.parse_args()
    limit = 2 * options.sessions + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, resource.getrlimit(7)[1])))
    cores = machine.two_cores() or (0, 0)
    os.sched_setaffinity(0, {cores[1]})
    print(command.headline(machine.describe() | {"loop": options.loop}, {}))
    for inflight in (32, 1):
        measure(
            f"compressed echo of {len(MESSAGE)} B, {inflight} in flight",
            DEFLATE,
            options.rounds,
            options.loop,
            cores[0],
            lambda server, inflight=inflight: compressed_echo(server, options, inflight),  # type: ignore[misc]
        )
    measure(
        f"1 KiB to {options.sessions} sessions, per delivery",
        BROADCAST,
        options.rounds,
        options.loop,
        cores[0],
        lambda server: one_to_many(server, options),
    )


if __name__ == "__main__":
    main()
