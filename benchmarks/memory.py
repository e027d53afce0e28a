"""Idle connections over loopback, peer beside peer: resident memory of the server for each."""

import argparse
import json
import resource
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import command, machine
from .command import ROLES
from .peers import Peer, Server, ServerError, serving
from .report import ratios, table
from .sockets import connected, frame, left, opened

#: Of the message that every connection echoes.
PAYLOAD = bytes(256)

#: For how many connections one address of ours is used; Linux has 28,232 ports for it by default.
PORTS = 20_000

#: What a process has open besides its connections.
SPARE = 100


@dataclass(frozen=True)
class Sample:
    """One run; bytes of resident memory per connection."""

    when_upgraded: float
    after_an_echo: float


STATES = {
    "when_upgraded": "just upgraded",
    "after_an_echo": f"idle again after an echo of {len(PAYLOAD)} B",
}


def raise_limit(connections: int) -> None:
    """Allow so many descriptors, to this process and to the servers, which inherit that."""
    needed = connections + SPARE
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ServerError(
            f"{connections} connections need {needed} descriptors, but {hard} are allowed here:"
            f" raise the hard limit (ulimit -Hn {needed}, as root), or use fewer --connections"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def resident(pid: int) -> int:
    """The bytes that a process has resident, once they have not changed for half a second."""
    last, same = -1, 0
    for _ in range(100):
        now = machine.memory(pid, "VmRSS")
        last, same = now, same + 1 if now == last else 0
        if same == 5:
            break
        time.sleep(0.1)
    return last


def connect(server: Server, peer: Peer, number: int) -> socket.socket:
    source = f"127.0.0.{1 + number // PORTS}" if number >= PORTS else ""
    if peer.bare:
        return connected(server.port, source)
    return opened(server.port, source=source)


def echo(connection: socket.socket, peer: Peer) -> None:
    answer = PAYLOAD if peer.bare else b"\x82\x7e" + len(PAYLOAD).to_bytes(2, "big") + PAYLOAD
    connection.sendall(PAYLOAD if peer.bare else frame(0x82, PAYLOAD))
    received = connection.recv(len(answer), socket.MSG_WAITALL)
    if received != answer:
        raise ServerError(f"{peer.name}: what came back was no echo: {received[:80]!r}")


def leave(connection: socket.socket, peer: Peer) -> None:
    if peer.bare:
        connection.close()
    else:
        left(connection)


def grown(server: Server, peer: Peer, number: int) -> Sample:
    """By how much `number` connections make the server grow, for each of them."""
    # The first one pays for what is loaded only then.
    first = connect(server, peer, 0)
    echo(first, peer)
    leave(first, peer)
    before = resident(server.pid)
    connections = [connect(server, peer, index) for index in range(number)]
    upgraded = resident(server.pid)
    for connection in connections:
        echo(connection, peer)
    echoed = resident(server.pid)
    for connection in connections:
        leave(connection, peer)
    return Sample((upgraded - before) / number, (echoed - before) / number)


def measure(options: argparse.Namespace, peers: Sequence[Peer]) -> dict[Peer, list[Sample]]:
    """In every round a new process of each peer."""
    samples: dict[Peer, list[Sample]] = {peer: [] for peer in peers}
    for number in range(options.rounds):
        for peer in peers:
            print(f"round {number + 1} of {options.rounds}: {peer.name}", file=sys.stderr)
            with serving(peer, [f"--loop={options.loop}"]) as server:
                try:
                    samples[peer].append(grown(server, peer, options.connections))
                except OSError as error:
                    raise ServerError(f"{peer.name}: a connection failed: {error}") from None
    return samples


def costs(samples: Mapping[Peer, Sequence[Sample]], state: str) -> dict[Peer, list[float]]:
    return {peer: [getattr(sample, state) for sample in found] for peer, found in samples.items()}


def report(samples: Mapping[Peer, Sequence[Sample]], connections: int) -> str:
    parts = []
    for state, title in STATES.items():
        found = costs(samples, state)
        rows = [
            [peer.name, f"{median(each):,.0f}", f"{min(each):,.0f}", f"{max(each):,.0f}"]
            for peer, each in found.items()
        ]
        head = ["peer", "B/connection", "minimum", "maximum"]
        parts += [f"== {connections:,} connections, {title}", "", table(head, rows)]
        if any(peer.ours for peer in found):
            parts.append(ratios("memory", found))
    return "\n".join(parts)


def as_json(
    facts: Mapping[str, str],
    peers: Mapping[Peer, str],
    options: argparse.Namespace,
    samples: Mapping[Peer, Sequence[Sample]],
) -> str:
    """Every sample, in bytes per connection, with what is needed to read it."""
    return json.dumps(
        {
            **command.about(facts, peers, options),
            "results": [
                {
                    "peer": peer.name,
                    "connections": options.connections,
                    **{f"bytes_{state}": median(costs(samples, state)[peer]) for state in STATES},
                    "rounds": [asdict(sample) for sample in found],
                }
                for peer, found in samples.items()
            ],
        },
        indent=1,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command.peers_parser("benchmarks.memory", __doc__ or "")
    parser.add_argument("--connections", type=int, default=10_000, help="idle at the same time")
    parser.add_argument("--rounds", type=int, default=1, help="of all peers")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    options = parser.parse_args(arguments)
    if options.connections < 1 or options.rounds < 1:
        parser.error("--connections and --rounds must be at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    facts = machine.describe()
    role = ROLES["echo"]
    try:
        raise_limit(options.connections)
        peers = command.started(options, role, [f"--loop={options.loop}"])
        samples = measure(options, list(peers))
    except ServerError as error:
        raise SystemExit(str(error)) from None
    print(command.headline(facts | {"loop": options.loop}, peers))
    print(report(samples, options.connections))
    if options.json:
        options.json.write_text(as_json(facts, peers, options, samples) + "\n")


if __name__ == "__main__":
    main()
