"""The faults of the chaos proxy, seen on the wire between two peers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aiohttp_rawws.testing import PeerSilent, Wire, chaos
from tests.support.chaos import (
    ANSWER,
    HELLO,
    TEXTS,
    Upstream,
    all_octets,
    between,
    octets,
    reach,
)
from tests.support.handshakes import request
from tests.support.waiting import PATIENCE, until


async def test_frames_are_dropped_and_sent_twice() -> None:
    async with between(drop="client:#2", duplicate="upstream:ping") as (client, server, proxy):
        await client.write(b"".join(TEXTS[:3]))
        assert await octets(server, 14) == TEXTS[0] + TEXTS[2]
        await server.write(b"\x89\x01p\x81\x01t")
        assert await octets(client, 9) == b"\x89\x01p\x89\x01p\x81\x01t"
        assert [str(each) for each in proxy.faults] == [
            "#1 client frame 2: drop: TEXT fin 1 bytes b'1'",
            "#1 upstream frame 1: duplicate: PING fin 1 bytes b'p'",
        ]
        assert proxy.report().splitlines() == [
            "chaos --seed 1 --drop client:#2 --duplicate upstream:ping: 2 faults",
            *map(str, proxy.faults),
        ]


async def test_corrupt_octets_differ_in_the_bit_that_is_told() -> None:
    async with between(corrupt="client:#1", corrupt_header="upstream:#1") as (client, server, _):
        await client.write(HELLO)
        came = await octets(server, len(HELLO))
        assert sum((a ^ b).bit_count() for a, b in zip(came, HELLO, strict=True)) == 1
        assert came[:6] == HELLO[:6]
        await server.write(b"\x81\x01a")
        came = await octets(client, 3)
        assert sum((a ^ b).bit_count() for a, b in zip(came, b"\x81\x01a", strict=True)) == 1
        assert came[2:] == b"a"


async def test_frames_change_places() -> None:
    async with between(reorder=["client:#1:30", "client:#4:0.01"]) as (client, server, _):
        await client.write(TEXTS[0])
        await client.write(TEXTS[1] + TEXTS[2])
        assert await octets(server, 21) == TEXTS[1] + TEXTS[0] + TEXTS[2]
        # Nothing comes behind this one, for so long that it passes alone.
        await client.write(TEXTS[3])
        assert await octets(server, 7) == TEXTS[3]


async def test_a_frame_that_waits_for_the_next_passes_before_the_end() -> None:
    async with between(reorder="client:30") as (client, server, _):
        await client.write(TEXTS[0])
        client.half_close()
        assert await all_octets(server) == (TEXTS[0], False)


async def test_a_split_frame_comes_in_parts() -> None:
    async with between(split=["client:#2:0.01", "client:#3:30"]) as (client, server, proxy):
        await client.write(TEXTS[0] + HELLO)
        assert await octets(server, 18) == TEXTS[0] + HELLO
        await client.write(HELLO)
        await until(lambda: len(proxy.faults) == 2)
        cut = int(proxy.faults[1].detail.split()[1].rstrip(","))
        assert await octets(server, cut) == HELLO[:cut]
        server.timeout = 0.05
        with pytest.raises(PeerSilent):
            await server.read_some()


async def test_late_frames_keep_their_order_and_the_end_comes_behind_them() -> None:
    loop = asyncio.get_running_loop()
    async with between(latency="client:0.1+-0.05") as (client, server, proxy):
        begin = loop.time()
        await client.write(b"".join(TEXTS))
        client.half_close()
        assert await all_octets(server) == (b"".join(TEXTS), False)
        assert loop.time() - begin > 0.04
        # It is a delay and no throughput: all are under way together.
        assert sum(float(each.detail[:-2]) for each in proxy.faults) > 0.25
        # The other direction is as it was.
        await server.write(b"\x81\x00")
        assert await octets(client, 2) == b"\x81\x00"


async def test_truncate_ends_the_stream_in_the_middle_of_a_frame() -> None:
    async with between(truncate="client:#2") as (client, server, proxy):
        await client.write(TEXTS[0] + HELLO + TEXTS[1])
        came, is_reset = await all_octets(server)
        size = int(proxy.faults[0].detail.split()[1])
        assert (came, is_reset) == (TEXTS[0] + HELLO[:size], False)
        # What else the client sends is thrown away. What the server sends still comes.
        await client.write(HELLO)
        await server.write(b"\x81\x00")
        await server.close()
        assert await all_octets(client) == (b"\x81\x00", False)


async def test_reset_ends_both_connections() -> None:
    async with between(reset="client:#2") as (client, server, _):
        await client.write(TEXTS[0])
        assert await octets(server, 7) == TEXTS[0]
        await client.write(HELLO)
        assert (await server.read_end()).reset
        assert (await client.read_end()).reset


async def test_a_stall_for_a_time_delays_all_behind_it() -> None:
    async with between(stall="client:#1:0.05") as (client, server, proxy):
        begin = asyncio.get_running_loop().time()
        await client.write(b"".join(TEXTS))
        assert await octets(server, 35) == b"".join(TEXTS)
        assert asyncio.get_running_loop().time() - begin > 0.04
        assert [each.number for each in proxy.faults] == [1]


async def test_behind_a_stall_for_ever_nothing_passes_not_even_the_end() -> None:
    async with between(stall="client:#2") as (client, server, _):
        await client.write(b"".join(TEXTS))
        assert await octets(server, 7) == TEXTS[0]
        client.half_close()
        server.timeout = 0.05
        with pytest.raises(PeerSilent):
            await server.read_some()
        # The other direction goes on, and its end is the end of all.
        server.timeout = PATIENCE
        await server.write(b"\x81\x00")
        server.half_close()
        assert await all_octets(client) == (b"\x81\x00", False)
        await server.read_end()


async def test_each_connection_has_its_number_and_its_faults() -> None:
    async with Upstream(None) as upstream:
        url = f"ws://127.0.0.1:{upstream.port}/"
        async with chaos(url, drop="@2:client:#1") as proxy:
            for expected in (TEXTS[0] + TEXTS[1], TEXTS[1]):
                client = await reach(proxy)
                await client.write(request())
                server = await upstream.accept()
                await server.read_head()
                await server.write(ANSWER)
                await client.read_head()
                await client.write(TEXTS[0] + TEXTS[1])
                assert await octets(server, len(expected)) == expected
                await client.close()
            assert [each[:4] for each in proxy.faults] == [(2, "client", 1, "drop")]
            assert proxy.connections == 2


async def ends_by_a_fault(client: Wire, server: Wire) -> None:
    await client.write(TEXTS[0] + TEXTS[1])
    await server.read_end()


async def ends_by_the_client(client: Wire, server: Wire) -> None:
    client.reset()
    await server.read_end()


async def ends_by_the_upstream(client: Wire, server: Wire) -> None:
    server.half_close()
    await client.read_end()
    client.half_close()
    await server.read_end()


async def ends_with_the_proxy(client: Wire, server: Wire) -> None:
    pass


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (ends_by_a_fault, "by a fault"),
        (ends_by_the_client, "client first, lost"),
        (ends_by_the_upstream, "upstream first, end of stream"),
        (ends_with_the_proxy, "the proxy was stopped"),
    ],
)
async def test_the_log_tells_of_each_connection(
    talk: Callable[[Wire, Wire], Awaitable[None]], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aiohttp_rawws.testing.chaos")
    async with between(reset="client:#2") as (client, server, _):
        host, port = client.transport.get_extra_info("sockname")
        await talk(client, server)
        if talk is not ends_with_the_proxy:
            await until(lambda: "end: " in caplog.text)
    told = [each.getMessage() for each in caplog.records if ": #1 " in each.getMessage()]
    assert told[0] == f"seed 1: #1 open: GET /chat?x=%2F from {host}:{port}"
    assert told[-1] == f"seed 1: #1 end: {said}"
