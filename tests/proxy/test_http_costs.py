"""What a request that `proxy` forwards costs: the memory that a body takes, and the calls."""

import asyncio
import sys
import urllib.request

import pytest

from tests.support.forwarding import plain
from tests.support.handshakes import Opening
from tests.support.loops import ONE_LOOP
from tests.support.servers import Serve
from tests.support.sockets import segments
from tests.support.wire import Address, ByHand, Wire

PART = bytes(2**20)
#: In MiB.
SIZE = 256
ALLOWED = 16 * 2**20

Server = tuple[str, int]


async def growth(server: Server) -> int:
    """Return by how much the memory of the server has grown since the last call, in bytes."""

    def ask() -> int:
        with urllib.request.urlopen(f"http://{server[0]}:{server[1]}/growth") as answer:
            return int(answer.read())

    return await asyncio.to_thread(ask)


async def both_ways(wire: Wire, opening: Opening) -> None:
    """Read an upload, then answer with a body of the same size."""
    await take(wire)
    wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE * len(PART)}\r\n\r\n".encode())
    await give(wire)
    await wire.read_to_end()


async def take(wire: Wire) -> None:
    for _ in range(SIZE):
        await wire.read(len(PART))


async def give(wire: Wire) -> None:
    for _ in range(SIZE):
        wire.send(PART)
        await wire.writer.drain()


@ONE_LOOP
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory as Linux tells it")
async def test_bodies_of_256_mib_take_next_to_nothing(
    by_hand: ByHand, memory_server: Server
) -> None:
    upstream = await by_hand(both_ways)
    wire = await Wire.open(Address(*memory_server))
    await growth(memory_server)
    length = f"Content-Length: {SIZE * len(PART)}"
    wire.send(plain(f"/proxy/{upstream.port}", length, method="POST"))
    await give(wire)
    assert (await wire.read_head())[0] == 200
    await take(wire)
    await wire.close()
    assert await growth(memory_server) < ALLOWED


async def test_a_small_answer_is_one_segment(by_hand: ByHand, through: Serve) -> None:
    """Head and body leave together."""

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        await wire.read_to_end()

    wire = await Wire.open(await through(await by_hand(script)))
    wire.send(plain())
    assert (await wire.read_head())[0] == 200
    assert await wire.read(2) == b"OK"
    assert segments(wire) == 1
    await wire.close()
