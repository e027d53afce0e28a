"""What the chaos proxy leaves as it is: octets, ends, backpressure, handshakes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import aiohttp_rawws
from aiohttp_rawws import Frame
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
    toward_an_upstream,
)
from tests.support.examples import echo_app, serving
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import Contexts
from tests.support.waiting import PATIENCE

WITHOUT_A_FAULT: list[dict[str, Any]] = [{}, {"drop": "0%"}]

Talk = Callable[[Wire, Wire], Awaitable[object]]

ODD = (
    b"\x81\xfe\x00\x01abcd\x00" + b"\x82\xff" + (2).to_bytes(8, "big") + b"abcdef"
    b"\xf3\x80abcd" + b"\x09\xfe\x00\x80" + bytes(132) + b"\x81\x00" + masked(0x88, b"\x03")
)


async def test_without_extensions_nothing_is_compressed() -> None:
    async with toward_an_upstream(extensions=False) as (upstream, proxy):
        client = await reach(proxy)
        offer = {"Sec_WebSocket_Extensions": "permessage-deflate"}
        await client.write(request(**offer))
        assert (await (await upstream.accept()).read_head()).raw == request()
        await client.close()


async def talk_of_odd_frames(client: Wire, server: Wire) -> object:
    await client.write(ODD)
    await server.write(ODD)
    came = await octets(server, len(ODD)), await octets(client, len(ODD))
    # Half a frame, and no more.
    await client.write(HELLO[:7])
    client.half_close()
    half = await all_octets(server)
    await server.write(HELLO)
    await server.close()
    return came, half, await all_octets(client)


async def talk_of_a_reset(client: Wire, server: Wire) -> object:
    await server.write(b"\x81\x05he")
    came = await octets(client, 4)
    server.reset()
    return came, await all_octets(client)


async def talk_of_a_reset_by_the_client(client: Wire, server: Wire) -> object:
    await client.write(HELLO)
    came = await octets(server, len(HELLO))
    client.reset()
    return came, await all_octets(server)


async def talk_behind_an_end(client: Wire, server: Wire) -> object:
    await server.close()
    came = await all_octets(client)
    with pytest.raises(ConnectionError):
        while True:
            await client.write(HELLO)
            await asyncio.sleep(0.001)
    return came


async def talk_of_a_big_frame(client: Wire, server: Wire) -> object:
    frame = Frame.binary(bytes(3 * 2**20)).encode()
    sending = asyncio.create_task(server.write(frame + b"\x88\x00"))
    came = await octets(client, len(frame) + 2)
    await sending
    server.half_close()
    return came == frame + b"\x88\x00", await all_octets(client)


@pytest.mark.parametrize(
    "talk",
    [
        talk_of_odd_frames,
        talk_of_a_reset,
        talk_of_a_reset_by_the_client,
        talk_behind_an_end,
        talk_of_a_big_frame,
    ],
)
async def test_without_a_fault_nobody_can_tell(talk: Talk) -> None:
    async with Upstream(None) as upstream:
        client = await Wire.connect(port=upstream.port, timeout=PATIENCE)
        direct = await talk(client, await upstream.accept())
        await client.close()
    for rules in WITHOUT_A_FAULT:
        async with between(**rules) as (client, server, proxy):
            assert await talk(client, server) == direct
            assert proxy.faults == []


async def test_over_tls(contexts: Contexts) -> None:
    async with between(contexts, drop="client:#2") as (client, server, proxy):
        assert proxy.url.startswith("wss://127.0.0.1:")
        await client.write(b"".join(TEXTS[:3]))
        assert await octets(server, 14) == TEXTS[0] + TEXTS[2]
        await server.write(HELLO)
        await server.close()
        assert await all_octets(client) == (HELLO, False)


async def test_over_unix_sockets(tmp_path: Path) -> None:
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    async with Upstream(None, there) as upstream:
        url = "ws://localhost/x"
        async with chaos(url, drop="#1", unix_socket=here, upstream_unix_socket=there) as proxy:
            assert (proxy.url, proxy.unix_socket) == ("ws://localhost/x", here)
            client = await Wire.connect(path=here, timeout=PATIENCE)
            await client.write(request("/x"))
            server = await upstream.accept()
            await server.read_head()
            await server.write(ANSWER + b"\x81\x01a\x81\x01b")
            await client.read_head()
            assert (await client.read_frame()).payload == b"b"
            await client.close()
        assert not (tmp_path / "here").exists()


async def test_a_peer_that_does_not_read_stops_the_other_one() -> None:
    for rules in [*WITHOUT_A_FAULT, {"stall": "client:#1"}]:
        async with between(**rules) as (client, server, _):
            server.transport.pause_reading()
            client.timeout = 0.1
            with pytest.raises(PeerSilent):
                for _ in range(1000):
                    await client.write(Frame.binary(bytes(2**20)).encode())


# -- handshakes ------------------------------------------------------------------------------


async def test_refusals_pass_whole_and_the_next_request_may_be_accepted() -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\nX: \xff\r\n\r\nno\r\nx"
    async with toward_an_upstream(drop="#1") as (upstream, proxy):
        client = await reach(proxy)
        await client.write(request(x=" odd "))
        server = await upstream.accept()
        assert (await server.read_head()).raw == request(x=" odd ")
        for octet in refusal:
            await server.write(bytes([octet]))
        assert await octets(client, len(refusal)) == refusal
        await client.write(request("/again"))
        assert (await server.read_head()).path == "/again"
        # Octets behind the heads belong to the frames, in both directions.
        await client.write(TEXTS[0] + TEXTS[1])
        await server.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" + ANSWER + b"\x81\x00\x82\x00")
        assert await octets(client, 30 + len(ANSWER)) == (
            b"HTTP/1.1 103 Early Hints\r\n\r\n" + ANSWER + b"\x82\x00"
        )
        assert await octets(server, 7) == TEXTS[1]
        await client.close()


async def test_plain_requests_pass_each_on_a_connection_of_its_own() -> None:
    async def page(asked: web.Request) -> web.Response:
        body = (await asked.read()).decode()
        return web.Response(text=f"{asked.path} {body} {asked.headers.getall('Connection')}")

    app = echo_app()
    app.router.add_post("/page", page)
    async with serving(app) as url, chaos(f"{url}/ws", drop="client:text:#1") as proxy:
        there = proxy.url.replace("ws:", "http:").replace("/ws", "/page")
        http, keep = aiohttp.ClientSession(), {"Connection": "keep-alive"}
        async with http:
            for _ in range(2):
                async with http.post(there, data="x", headers=keep) as response:
                    assert await response.text() == "/page x ['close']"
            async with aiohttp_rawws.connect(http, proxy.url) as session:
                await session.send(Frame.text("dropped"))
                await session.send(Frame.text("comes"))
                assert await session.receive() == Frame.text("comes")


async def test_an_upstream_that_is_not_there_is_a_502() -> None:
    async with Upstream(None) as upstream:
        port = upstream.port
    async with chaos(f"ws://127.0.0.1:{port}/") as proxy:
        client = await reach(proxy)
        # What nobody reads would turn the end into a reset, and that can lose the answer.
        await client.write(request() + bytes(2**20))
        answer, is_reset = await all_octets(client)
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert b"The chaos proxy cannot connect to its upstream: " in answer
        assert not is_reset
        await client.close()


async def test_what_is_no_http_passes_as_it_is() -> None:
    async with toward_an_upstream(drop="all") as (upstream, proxy):
        client = await reach(proxy)
        await client.write(b"SSH" * 2**15)
        server = await upstream.accept()
        assert await octets(server, 3 * 2**15) == b"SSH" * 2**15
        await client.write(b"end")
        client.half_close()
        assert await all_octets(server) == (b"end", False)
        await server.write(b"-2.0")
        await server.close()
        assert await all_octets(client) == (b"-2.0", False)
        await client.close()
