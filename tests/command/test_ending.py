"""How the command ends."""

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import pytest
from aiohttp import web

from aiohttp_rawws import Frame, RawWebSocketSession, add_raw_websocket
from tests.support.command import BACK, THERE, TIME, never, proxying, sink, without_uvloop
from tests.support.handshakes import request
from tests.support.loops import ONE_LOOP
from tests.support.octets import masked
from tests.support.servers import Serve, application, echo
from tests.support.sockets import narrow
from tests.support.waiting import patience
from tests.support.wire import Wire


@ONE_LOOP
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_all_connections(
    serve: Serve, loop: str, number: int, tmp_path: Path
) -> None:
    """With a Close each, also where a visitor does not read, or its upstream has not answered."""
    ended = asyncio.Event()

    async def flood(session: RawWebSocketSession) -> None:
        await session.send(Frame.binary(bytes(2**20)))
        try:
            while True:
                await session.send(Frame.binary(bytes(2**16)))
        finally:
            ended.set()

    async def slow(request: web.Request) -> web.StreamResponse:
        dialled.set()
        return await never(request)

    dialled = asyncio.Event()
    env = without_uvloop(tmp_path) if loop == "asyncio" else {}
    app = application(sink)
    add_raw_websocket(app.router, "/flood", flood)
    app.router.add_get("/slow", slow)
    upstream = await serve(app, handler_cancellation=True)
    async with proxying(upstream, "--tap", "--capture", tmp_path / "c", env=env) as command:
        reading = await Wire.upgrade(command.address)
        other = await Wire.upgrade(command.address, "/flood")
        narrow(other.transport)
        other.transport.pause_reading()
        waiting = await Wire.open(command.address)
        waiting.send(request("/slow"))
        async with patience():
            await dialled.wait()
        while True:
            size = (tmp_path / "c").stat().st_size
            await asyncio.sleep(0.1)
            if size == (tmp_path / "c").stat().st_size:
                break
        async with patience():
            stopping = asyncio.create_task(command.stop(number))
            assert await reading.read_to_end() == b"\x88\x02\x03\xe9"
            assert (await waiting.read_head())[0] == 503
            await asyncio.wait_for(stopping, 8)
            await ended.wait()
        for wire in (reading, other, waiting):
            await wire.close()
        status, out, errors = stopping.result()
    assert (status, errors) == (0, "")
    lines = [re.sub(f"^{TIME}", "", line) for line in out.splitlines()]
    assert (
        "#1 end: the proxy was stopped; "
        f"{THERE} 0 frames, 0 bytes; {BACK} 0 frames, 0 bytes" in lines
    )
    assert [line for line in lines if line.startswith("#2 end: the proxy was stopped; ")]
    assert [line for line in lines if line.startswith("#3 refused: ") and line.endswith(": 503")]
    ends = [json.loads(line) for line in (tmp_path / "c").read_text().splitlines()[-3:]]
    assert {end["event"] for end in ends} == {"end", "refused"}
    assert {end.get("reason") for end in ends} == {"stopped", None}


@ONE_LOOP
async def test_a_second_signal_ends_it_at_once(serve: Serve) -> None:
    async def flood(session: RawWebSocketSession) -> None:
        while True:
            await session.send(Frame.binary(bytes(2**16)))

    async with proxying(await serve(application(flood))) as command:
        wire = await Wire.upgrade(command.address)
        narrow(wire.transport)
        wire.transport.pause_reading()
        other = await Wire.open(command.address)
        await asyncio.sleep(0.2)
        command.process.send_signal(signal.SIGINT)
        # It has begun to stop: this one is closed, while the other lingers.
        assert await other.read_to_end() == b""
        assert await command.stop(signal.SIGINT) == (-signal.SIGINT, "", "")
        await wire.close()
        await other.close()


@ONE_LOOP
async def test_a_reader_that_has_gone_ends_it_quietly(serve: Serve) -> None:
    """As `head` does."""
    ours, theirs = os.pipe()
    async with proxying(await serve(application(echo)), "--tap", stdout=theirs) as command:
        os.close(theirs)
        wire = await Wire.upgrade(command.address)
        assert b" open: GET / " in os.read(ours, 65536)
        os.close(ours)
        wire.send(masked(0x81, b"hello"))
        close = b"\x88\x02\x03\xe9"
        assert await wire.read_to_end() in (close, b"\x81\x05hello" + close)
        await wire.close()
        assert await command.wait() == (0, "", "")


@ONE_LOOP
async def test_a_reader_that_does_not_read_holds_no_end_up(serve: Serve) -> None:
    ours, theirs = os.pipe()
    try:
        async with proxying(await serve(application(sink)), "--tap", stdout=theirs) as command:
            wire = await Wire.upgrade(command.address)
            wire.send(masked(0x81, b"hello") * 10_000)
            await asyncio.sleep(0.2)
            assert command.process.returncode is None
            async with patience():
                assert await command.stop() == (0, "", "")
            await wire.close()
    finally:
        os.close(ours)
        os.close(theirs)
