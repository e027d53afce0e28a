"""The chaos proxy between real peers: what it injects, seen on the wire, and what it leaves."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from websockets.asyncio.client import connect as websockets_connect
from websockets.asyncio.server import serve as websockets_serve

import aiohttp_rawws
from aiohttp_rawws import Frame
from aiohttp_rawws.testing import ChaosProxy, FaultRecord, PeerEnded, PeerSilent, Wire, chaos
from tests.support.examples import echo_app, example, run, serving
from tests.support.handshakes import request
from tests.support.octets import masked
from tests.support.servers import Contexts
from tests.support.waiting import PATIENCE, until

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
HELLO = masked(0x81, b"hello")
TEXTS = [masked(0x81, b"%d" % number) for number in range(5)]


class Upstream:
    """A server whose connections a test takes in its own hands."""

    def __init__(self, tls: ssl.SSLContext | None, path: str = "") -> None:
        self._tls = tls
        self._path = path
        self._accepted: asyncio.Queue[Wire] = asyncio.Queue()
        self._wires: list[Wire] = []
        self.port = 0

    async def accept(self) -> Wire:
        return await asyncio.wait_for(self._accepted.get(), PATIENCE)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._wires.append(Wire(reader, writer, is_client=False, timeout=PATIENCE))
        self._accepted.put_nowait(self._wires[-1])

    async def __aenter__(self) -> "Upstream":
        if self._path:
            self._server = await asyncio.start_unix_server(self._connected, self._path)
        else:
            self._server = await asyncio.start_server(
                self._connected, "127.0.0.1", 0, ssl=self._tls
            )
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for wire in self._wires:
            await wire.close()


@contextlib.asynccontextmanager
async def toward_an_upstream(**options: Any) -> AsyncIterator[tuple[Upstream, ChaosProxy]]:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(None))
        url = f"ws://127.0.0.1:{upstream.port}/"
        yield upstream, await stack.enter_async_context(chaos(url, **options))


@contextlib.asynccontextmanager
async def between(
    tls: Contexts | None = None, **options: Any
) -> AsyncIterator[tuple[Wire, Wire, ChaosProxy]]:
    """Yield a client and an upstream behind their handshake, and the proxy between them."""
    server_tls, client_tls = tls or (None, None)
    async with Upstream(server_tls) as upstream:
        url = f"ws{'s' if tls else ''}://127.0.0.1:{upstream.port}/chat?x=%2F"
        options |= {"seed": 1, "server_ssl": server_tls, "ssl": client_tls or True}
        async with chaos(url, **options) as proxy:
            client = await reach(proxy, client_tls)
            await client.write(request("/chat?x=%2F"))
            server = await upstream.accept()
            assert (await server.read_head()).raw.startswith(b"GET /chat?x=%2F HTTP/1.1\r\n")
            await server.write(ANSWER)
            assert (await client.read_head()).raw == ANSWER
            try:
                yield client, server, proxy
            finally:
                await client.close()


async def reach(proxy: ChaosProxy, tls: ssl.SSLContext | None = None) -> Wire:
    port = int(proxy.url.split(":")[2].split("/")[0])
    name = "127.0.0.1" if tls else None
    return await Wire.connect(port=port, ssl=tls, server_hostname=name, timeout=PATIENCE)


async def octets(wire: Wire, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await wire.read_some()
    return data


async def all_octets(wire: Wire) -> tuple[bytes, bool]:
    """Return what comes up to the end, and whether that is a RST."""
    data = b""
    while True:
        try:
            data += await wire.read_some()
        except PeerEnded as end:
            return data, end.reset


# -- faults on the wire ----------------------------------------------------------------------


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


# -- what it leaves --------------------------------------------------------------------------

#: Octets pass as they are, or frame by frame.
WITHOUT_A_FAULT: list[dict[str, Any]] = [{}, {"drop": "0%"}]

Talk = Callable[[Wire, Wire], Awaitable[object]]

ODD = (
    b"\x81\xfe\x00\x01abcd\x00" + b"\x82\xff" + (2).to_bytes(8, "big") + b"abcdef"
    b"\xf3\x80abcd" + b"\x09\xfe\x00\x80" + bytes(132) + b"\x81\x00" + masked(0x88, b"\x03")
)


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


# -- its life --------------------------------------------------------------------------------


async def test_the_end_of_the_block_ends_all_connections() -> None:
    async with Upstream(None) as upstream:
        async with chaos(f"ws://127.0.0.1:{upstream.port}/", latency="30") as proxy:
            client = await reach(proxy)
            await client.write(request())
            server = await upstream.accept()
            await server.read_head()
            await server.write(ANSWER + b"\x81\x00")
            await client.read_head()
            await client.write(HELLO)
            await until(lambda: len(proxy.faults) == 2)
        await client.read_end()
        await server.read_end()
        with pytest.raises(OSError):  # noqa: PT011
            await reach(proxy)
        await client.close()


async def test_a_failure_within_the_block_tells_the_seed(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError):
        async with chaos("ws://localhost/") as proxy:
            _ = 1 / 0
    assert caplog.messages == [f"seed {proxy.seed}: ZeroDivisionError within the chaos proxy"]
    assert 0 <= proxy.seed < 2**32
    with pytest.raises(ValueError, match=r"not a ws, wss, http or https URL: 'localhost:80'"):
        chaos("localhost:80")


async def test_a_callback_that_fails_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    def fail(record: FaultRecord) -> None:
        raise ZeroDivisionError

    async with between(drop="all", on_fault=fail) as (client, server, _):
        await client.write(HELLO)
        await client.read_end()
        await server.read_end()
    assert [each.message for each in caplog.records] == ["seed 1: a connection failed"]


# -- other peers -----------------------------------------------------------------------------


async def test_two_runs_with_a_seed_do_the_same() -> None:
    async def talk(session: Any) -> None:
        for number in range(50):
            await session.send(b"%d" % number)
        # A text is spared.
        await session.send("over")
        async for message in session:
            if message == "over":
                break
        await session.close()

    async def run() -> list[Any]:
        async with chaos(
            url,
            seed=4711,
            drop="binary:20%",
            corrupt="upstream:binary:20%",
            reorder="binary:5%",
        ) as proxy:
            async with websockets_connect(proxy.url, compression=None) as session:
                await talk(session)
            return sorted(proxy.faults)

    async with websockets_serve(talk, "127.0.0.1", 0, compression=None) as server:
        url = "ws://127.0.0.1:{1}/".format(*next(iter(server.sockets)).getsockname())
        first = await run()
        assert {each.direction for each in first} == {"client", "upstream"}
        assert {each.fault for each in first} == {"drop", "corrupt", "reorder"}
        assert await run() == first


async def test_the_heartbeat_of_aiohttp_finds_a_peer_that_is_stalled() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        async for message in response:
            await response.send_str(message.data)
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with serving(app) as url, chaos(f"{url}/", stall="upstream:#3") as proxy:
        http = aiohttp.ClientSession()
        async with http, http.ws_connect(proxy.url, heartbeat=0.1, autoping=True) as session:
            await session.send_str("hello")
            assert await session.receive_str() == "hello"
            assert (await session.receive(PATIENCE)).type is aiohttp.WSMsgType.ERROR
        (fault,) = proxy.faults
        assert (fault.number, fault.detail) == (3, "for ever")
        assert fault.frame.startswith("PONG")


async def test_the_examples_of_the_page() -> None:
    def example_for(word: str, url: str) -> str:
        return example("docs/chaos.md", word).replace("ws://localhost:8000/chat", url)

    async def my_client(url: str) -> None:
        """Connects again until it has got five texts in a row."""
        got: list[bytes] = []
        async with aiohttp.ClientSession() as http:
            while len(got) < 5:
                got.clear()
                connections.append(url)
                with contextlib.suppress(ConnectionError, EOFError):
                    async with aiohttp_rawws.connect(http, url) as session:
                        for _ in range(5):
                            await session.send(Frame.text("hello"))
                            got.append((await session.receive()).payload)

    async with serving(echo_app()) as url:
        connections: list[str] = []
        names: dict[str, Any] = {"my_client": my_client, "chaos": chaos, "url": url}
        await run(example_for("async def test_", url), names)
        await names["test_the_chat_survives_a_reset"]()
        assert len(connections) == 2
        reported: list[str] = []
        names["print"] = reported.append
        await run(example_for("proxy.report()", url).replace("0.2", "0.001"), names)
        assert reported[0].startswith(
            "chaos --seed 7 --latency 0.001 --drop client:ping:5% --drop "
        )
        assert len(connections) == 3
