"""The life of the chaos proxy, and programs that meet it."""

import contextlib
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect as websockets_connect
from websockets.asyncio.server import serve as websockets_serve

import aiohttp_rawws
from aiohttp_rawws import Frame
from aiohttp_rawws.testing import FaultRecord, chaos
from tests.support.aiohttps import aiohttps_echo
from tests.support.chaos import ANSWER, HELLO, Upstream, between, reach
from tests.support.examples import echo_app, example, run, serving
from tests.support.handshakes import request
from tests.support.waiting import PATIENCE, until


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
    async with serving(aiohttps_echo()) as url, chaos(f"{url}/", stall="upstream:#3") as proxy:
        http = aiohttp.ClientSession()
        async with http, http.ws_connect(proxy.url, heartbeat=1.0, autoping=True) as session:
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
