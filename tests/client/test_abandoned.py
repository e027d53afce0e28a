"""Calls of `connect` that are cancelled or fail leave no connection."""

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import aiohttp
import pytest

from aiohttp_rawws.client.answer import HandshakeRefused
from aiohttp_rawws.client.connect import connect
from tests.support.handshakes import Opening, answer
from tests.support.scripts import HEAD, slow_tracing, until_end
from tests.support.servers import BOTH, Serve, application, echo, left
from tests.support.sockets import reset
from tests.support.waiting import soon, turns
from tests.support.wire import ByHand, Wire


async def test_nobody_listens(http: aiohttp.ClientSession) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(aiohttp.ClientConnectorError):
            await connect(http, f"ws://127.0.0.1:{sock.getsockname()[1]}")


async def test_a_certificate_that_nobody_trusts(serve: Serve) -> None:
    address = await serve(application(echo), tls=True)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await connect(http, address.url())


@pytest.mark.parametrize("how", ["end", "reset", "nonsense", "half an answer"])
async def test_lost_while_connecting(
    by_hand: ByHand, http: aiohttp.ClientSession, how: str
) -> None:
    async def script(wire: Wire, opening: Opening) -> None:
        if how == "reset":
            reset(wire)
        if how == "nonsense":
            wire.send(b"\x81\x05Hello\r\n\r\n")
            await wire.writer.drain()
        if how == "half an answer":
            wire.send(answer(opening)[:-2])
            await wire.writer.drain()

    with pytest.raises(aiohttp.ClientError) as caught:
        await soon(connect(http, (await by_hand(script)).url()))
    assert not isinstance(caught.value, HandshakeRefused)


# aiohttp's own: Python 3.10 complains of TLS that the peer closed and nobody here.
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
@BOTH
async def test_lost_right_behind_the_101(
    by_hand: ByHand, client_tls: ssl.SSLContext, tls: bool
) -> None:
    lost = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(answer(opening))
        wire.writer.close()
        await wire.writer.wait_closed()
        await turns()
        lost.set()

    connector = aiohttp.TCPConnector(ssl=client_tls)
    traces = [slow_tracing(lost)]
    async with aiohttp.ClientSession(connector=connector, trace_configs=traces) as http:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await connect(http, (await by_hand(script, tls=tls)).url())
        assert left(http) == 0


@BOTH
@pytest.mark.parametrize("what", ["response", "transport"])
async def test_a_connection_that_somebody_closed(
    by_hand: ByHand, client_tls: ssl.SSLContext, what: str, tls: bool
) -> None:
    async def close(session: Any, context: Any, params: aiohttp.TraceRequestEndParams) -> None:
        connection: Any = params.response.connection
        (params.response if what == "response" else connection.transport).close()

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(close)
    connector = aiohttp.TCPConnector(ssl=client_tls)
    async with aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as http:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await connect(http, (await by_hand(until_end, tls=tls)).url())


@BOTH
async def test_cancelled_while_connecting(
    by_hand: ByHand, http: aiohttp.ClientSession, tls: bool
) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        reached.set()
        with contextlib.suppress(ConnectionError):
            await wire.read_to_end()
        ended.set()

    async def dial() -> None:
        await connect(http, url)

    url = (await by_hand(script, tls=tls)).url()
    task = asyncio.create_task(dial())
    await soon(reached.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await soon(ended.wait())


async def test_cancelled_in_the_body_of_a_refusal(
    by_hand: ByHand, http: aiohttp.ClientSession
) -> None:
    read = asyncio.Event()
    ended = asyncio.Event()

    async def script(wire: Wire, opening: Opening) -> None:
        wire.send(HEAD + b"Content-Length: 40\r\n\r\nbody")
        await read.wait()
        with contextlib.suppress(ConnectionError):
            await wire.read_to_end()
        ended.set()

    async def dial() -> None:
        await connect(http, url)

    async def note(*args: Any) -> None:
        read.set()

    url = (await by_hand(script)).url()
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as http:
        task = asyncio.create_task(dial())
        await soon(read.wait())
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left(http) == 0
        await soon(ended.wait())
